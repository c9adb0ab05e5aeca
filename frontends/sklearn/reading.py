"""joblib's files, read by an unpickler that knows a list of classes; for a script of confined.py.

A pickle names what it calls: whatever is not on the list is refused before it is imported.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Functions and classes that estimators consist of, beside those of scikit-learn's own modules.
PARTS = {
    "builtins": "bytearray complex frozenset object range set slice",
    "collections": "OrderedDict defaultdict",
    "copyreg": "_reconstructor",
    "functools": "partial",
    "_codecs": "encode",
    "joblib.numpy_pickle": "NumpyArrayWrapper",
    "numpy": "bool bool_ dtype float16 float32 float64 int8 int16 int32 int64 ndarray str_ uint8 "
    "uint16 uint32 uint64",
    **dict.fromkeys(("numpy._core.multiarray", "numpy.core.multiarray"), "_reconstruct scalar"),
    **dict.fromkeys(("numpy._core.numeric", "numpy.core.numeric"), "_frombuffer"),
    "numpy.ma": "MaskedArray",
    "numpy.ma.core": "MaskedArray _mareconstruct",
    "numpy.random._mt19937": "MT19937",
    "numpy.random._pcg64": "PCG64",
    "numpy.random._pickle": "__bit_generator_ctor __generator_ctor __randomstate_ctor",
    "numpy.random.bit_generator": "SeedSequence __pyx_unpickle_SeedSequence",
    "sklearn.feature_selection._univariate_selection": "chi2 f_classif f_regression r_regression",
    "sklearn.feature_selection._mutual_info": "mutual_info_classif mutual_info_regression",
    "sklearn.metrics._dist_metrics": "newObj",
    "sklearn.neighbors._ball_tree": "newObj",
    "sklearn.neighbors._kd_tree": "newObj",
    "sklearn.utils.validation": "check_array",
    **{
        f"scipy.sparse._{kind}": f"{kind}_array {kind}_matrix"
        for kind in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
    },
}
# Modules whose classes are parts of estimators; everywhere in scikit-learn estimators are allowed.
MODULES = (
    "sklearn._loss.", "sklearn.calibration.", "sklearn.ensemble._hist_gradient_boosting.",
    "sklearn.gaussian_process.kernels.", "sklearn.linear_model._sgd_fast.",
    "sklearn.metrics._dist_metrics.", "sklearn.metrics._scorer.",
    "sklearn.model_selection._split.", "sklearn.neighbors._ball_tree.",
    "sklearn.neighbors._kd_tree.", "sklearn.neural_network._stochastic_optimizers.",
    "sklearn.tree._tree.", "sklearn.utils._bunch.",
)  # fmt: skip
ELSEWHERE = {
    "xgboost": "Save it with Booster.save_model, and compile that with the framework XGBOOST.",
    "lightgbm": "Of LightGBM its classifier, regressor, ranker and Booster compile.",
    "sagemaker_sklearn_extension": "Only what scikit-learn itself has compiles.",
}

REFUSED = ("RandomTreesEmbedding",)  # which skl2onnx converts, but not as it is
# What composed estimators keep their parts in.
COMPOSED = ("steps", "transformers_", "transformer_list", "estimators_", "best_estimator_")


class Refused(Exception):
    """What was given does not fit the model, or is none."""


def load(path: Path) -> Any:
    """What joblib.dump was given. Raises Refused for what is no estimator of scikit-learn."""
    from joblib.numpy_pickle import NumpyUnpickler
    from joblib.numpy_pickle_utils import _validate_fileobject_and_memmap as opened
    from sklearn.base import BaseEstimator

    class Reader(NumpyUnpickler):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            return found(module, name)

        def persistent_load(self, pid: Any) -> Any:
            raise Refused("The file refers to what is kept outside of it.")

    with open(path, "rb") as file, opened(file, str(path)) as (data, _):
        if isinstance(data, str):
            raise Refused("The file is of a joblib of before 0.10. Save the model again.")
        made = Reader(str(path), data, ensure_native_byte_order=True).load()
    if type(made).__name__ == "CheckedBooster":
        made = made.estimator()
    if not isinstance(made, BaseEstimator):
        raise Refused(
            f"The file holds {type(made).__module__}.{type(made).__name__}, no estimator of "
            "scikit-learn. Save the fitted estimator or pipeline alone: joblib.dump(model, path)."
        )
    return made


def found(module: str, name: str) -> Any:
    """Raises Refused, with nothing of the module imported unless it is known."""
    from frontends.sklearn import lightgbm

    if (made := lightgbm.part(module, name)) is not None:
        return made
    if name in PARTS.get(module, "").split():
        return getattr(importlib.import_module(module), name)
    package, part = module.partition(".")[0], module + "."
    # Names with dots reach into other modules by way of one that is allowed.
    if package == "sklearn" and "." not in name and ".tests." not in part:
        made = getattr(importlib.import_module(module), name, None)
        if _is_part(made, part, name):
            return made
    raise Refused(
        f"The file names {module}.{name}, which is no part of an estimator of scikit-learn. "
        + ELSEWHERE.get(package, "Functions and classes of your own do not compile.")
    )


def _is_part(made: Any, module: str, name: str) -> bool:
    from sklearn.base import BaseEstimator

    own = module.startswith(MODULES)
    if not isinstance(made, type):  # what Cython makes its classes by
        return own and name.startswith("__pyx_unpickle_")
    return made.__module__.startswith("sklearn.") and (own or issubclass(made, BaseEstimator))


def estimators(whole: Any) -> Iterator[Any]:
    """The estimator, and all of scikit-learn's that it consists of, each once."""
    from sklearn.base import BaseEstimator

    seen: set[int] = set()
    waiting = [whole]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, BaseEstimator):
            yield part
            waiting += vars(part).values()
        elif isinstance(part, list | tuple):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
        elif getattr(getattr(part, "dtype", None), "hasobject", False):
            waiting += part.ravel().tolist()
        elif type(part).__module__.startswith("sklearn."):
            yield part
            waiting += getattr(part, "__dict__", {}).values()


def composed(whole: Any) -> Iterator[Any]:
    """The estimator, and those that its author composed it of."""
    waiting = [whole]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list | tuple):
            waiting += part
        elif hasattr(part, "get_params"):
            yield part
            waiting += [getattr(part, name) for name in COMPOSED if hasattr(part, name)]


def unknown(whole: Any) -> list[str]:
    """The names of the estimators in it that skl2onnx has no converter for."""
    from skl2onnx._supported_operators import sklearn_operator_name_map as known

    kinds = {type(part) for part in composed(whole)}
    return sorted(repr(k.__name__) for k in kinds if k not in known or k.__name__ in REFUSED)
