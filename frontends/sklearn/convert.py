"""Estimators of scikit-learn as ONNX, by skl2onnx: a script of confined.py."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from frontends.sklearn.reading import Refused

__all__ = ["Refused", "answer", "export", "load"]

INPUT = "input"
OPTIONS = {"zipmap": False, "optim": "cdist"}
OPSETS = {"": 18, "ai.onnx.ml": 3}
# Scores of two classes that are two columns: which of them is the decision function.
DECIDING = {"SVC": 0, "NuSVC": 0}
SINGLE = ("LinearSVC", "RidgeClassifier", "RidgeClassifierCV")  # whose scores are one column


class Loaded(NamedTuple):
    model: Any
    outputs: Mapping[str, Callable[[Any], Any]]
    warnings: list[str]


def load(model: Path, job: Mapping[str, Any]) -> Loaded:
    import sklearn

    from frontends.sklearn import outputs, reading

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        made = reading.load(model)
    versions = {str(getattr(w.message, "original_sklearn_version", "")) for w in said} - {""}
    words = [
        f"The model was saved by scikit-learn {version}, and is read and judged by "
        f"{sklearn.__version__}, which may understand it otherwise."
        for version in sorted(versions)
    ]
    if not hasattr(made, "n_features_in_"):
        raise Refused(f"{type(made).__name__} is not fitted, or to no table of numbers.")
    words += outputs.number_classes(made) + prepared(made)
    return Loaded(made, outputs.named(made), words)


def prepared(model: Any) -> list[str]:
    """Settings that change no answer, but stop skl2onnx or what is random; what is said of it."""
    from sklearn import ensemble, neighbors, preprocessing

    from frontends.sklearn import lightgbm
    from frontends.sklearn.reading import composed

    words = []
    for part in composed(model):
        if hasattr(part, "_Booster"):
            words += lightgbm.prepared(part)
        if isinstance(part, ensemble.VotingClassifier):
            part.flatten_transform = False
        if isinstance(part, neighbors.KNeighborsClassifier) and part.weights != "uniform":
            raise Refused("KNeighborsClassifier compiles with weights='uniform' only.")
        if isinstance(part, preprocessing.OneHotEncoder) and part.handle_unknown == "error":
            part.handle_unknown = "ignore"
            words.append(
                "OneHotEncoder: a category that the model does not know gives zeros, where "
                "scikit-learn raises an error."
            )
    return sorted(set(words))


def export(loaded: Loaded, folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    """FOLDER/model.onnx, for any number of rows, and FOLDER/examples.npy."""
    import numpy as np
    import onnx
    import sklearn
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    from frontends.sklearn import ensembles, examples, graph, lightgbm, reading, repairs

    lightgbm.register()
    if unknown := reading.unknown(loaded.model):
        raise Refused(f"The following operators are not implemented: {{{', '.join(unknown)}}}")
    graph.register(ensembles.CONVERTERS | repairs.CONVERTERS, repairs.SHAPES)
    features = int(loaded.model.n_features_in_)
    rows = examples.rows(loaded, features)
    np.save(folder / "examples.npy", rows, allow_pickle=False)
    made = [f"made_{n}" for n in range(2 if "label" in loaded.outputs else 1)]
    proto = convert_sklearn(
        loaded.model,
        initial_types=[(INPUT, FloatTensorType([None, features]))],
        final_types=[(name, None) for name in made],
        options=settings(loaded.model),
        target_opset=OPSETS,
    )
    finish(proto.graph, loaded, made, rows[:2].astype(np.float64))
    onnx.save(proto, folder / "model.onnx")
    version = ", LightGBM ".join([sklearn.__version__, *lightgbm.version()])
    return {"features": features, "version": version, "warnings": loaded.warnings}


def settings(model: Any) -> dict[int, dict[str, Any]]:
    """skl2onnx's options of each estimator: numbers without maps, and one operator in place of a
    loop over the rows for the distances of neighbours.
    """
    from skl2onnx._supported_operators import sklearn_operator_name_map as names
    from skl2onnx.common._registration import get_converter
    from sklearn.pipeline import Pipeline

    from frontends.sklearn.reading import composed

    made = {}
    for part in composed(model):
        if isinstance(part, Pipeline):  # it would give its own to a step that may not know them
            continue
        known = get_converter(names[type(part)]).get_allowed_options() or ()
        made[id(part)] = {name: value for name, value in OPTIONS.items() if name in known}
    return made


def finish(graph: Any, loaded: Loaded, made: list[str], rows: Any) -> None:
    """The outputs become those that are promised, in their names and shapes."""
    from onnx import helper

    outputs = {name: answer(rows) for name, answer in loaded.outputs.items()}
    made = _parts(graph, made, [a.shape[-1] for a in list(outputs.values())[1:]])
    del graph.output[:]
    for source, (name, wanted) in zip(made, outputs.items(), strict=True):
        if name == "scores" and wanted.shape[1:] == (1,):
            source = _deciding(graph, loaded, source)
        tail = list(wanted.shape[1:])
        shape = _constant(graph, f"{name}:tail", [-1, *tail])
        graph.node.append(helper.make_node("Reshape", [source, shape], [name]))
        kind = helper.np_dtype_to_tensor_dtype(wanted.dtype)
        graph.output.append(helper.make_tensor_value_info(name, kind, ["rows", *tail]))


def _parts(graph: Any, made: list[str], widths: list[int]) -> list[str]:
    """Of a list of probabilities each, of so many columns."""
    from onnx import helper

    if len(made) == 1:
        return made
    makers = {output: node for node in graph.node for output in node.output}
    label, numbers = made
    while makers[numbers].op_type in ("Identity", "SequenceConstruct"):
        last = makers[numbers]
        graph.node.remove(last)
        if last.op_type == "SequenceConstruct":
            return [label, *last.input]
        numbers = last.input[0]
    if len(widths) < 2:
        return [label, numbers][: 1 + len(widths)]
    for n, width in enumerate(widths):
        number, columns = _constant(graph, f"number_{n}", n), f"columns_{n}"
        _constant(graph, columns, range(width))
        graph.node.append(helper.make_node("Gather", [numbers, number], [f"whole_{n}"], axis=0))
        graph.node.append(
            helper.make_node("Gather", [f"whole_{n}", columns], [f"part_{n}"], axis=1)
        )
    return [label, *(f"part_{n}" for n in range(len(widths)))]


def _deciding(graph: Any, loaded: Loaded, source: str) -> str:
    """The decision function alone, where a classifier gives both classes a score."""
    from onnx import helper
    from sklearn.base import is_classifier

    kind = type(getattr(loaded.model, "_final_estimator", loaded.model)).__name__
    if kind in SINGLE or not is_classifier(loaded.model):
        return source
    column = _constant(graph, "deciding", [DECIDING.get(kind, 1)])
    graph.node.append(helper.make_node("Gather", [source, column], ["decided"], axis=1))
    return "decided"


def _constant(graph: Any, name: str, value: Any) -> str:
    import numpy as np
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.int64), name))
    return name


def answer(loaded: Loaded, inputs: list[Any]) -> list[Any]:
    import numpy as np

    rows = inputs[0].astype(np.float64)
    return [compute(rows) for compute in loaded.outputs.values()]
