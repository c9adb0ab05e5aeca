"""LightGBM's models among scikit-learn's estimators; for a script of confined.py.

What a Booster's text says is checked and read by us before LightGBM's own code sees it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from frontends.nodes import LEAF, Array
from frontends.sklearn import lightgbm_text
from frontends.sklearn.graph import Graph
from frontends.sklearn.lightgbm_text import Boosted
from frontends.sklearn.reading import Refused

Transform = Callable[[Graph, Sequence[str]], None]  # of an objective's settings
# What a file may name, and what it gets: scores to rank by are numbers like others.
PARTS = {
    "lightgbm.basic": {"Booster": "Booster"},
    "lightgbm.sklearn": {
        "LGBMClassifier": "LGBMClassifier",
        **dict.fromkeys(("LGBMModel", "LGBMRanker", "LGBMRegressor"), "LGBMRegressor"),
    },
}


def part(module: str, name: str) -> Any:
    """Of PARTS; None for what is not there. Raises Refused where LightGBM is not installed."""
    wanted = PARTS.get(module, {}).get(name)
    if wanted is None:
        return None
    try:
        import lightgbm
    except (ImportError, OSError) as error:  # it needs a library of the system's, libgomp
        raise Refused(
            f"Models of LightGBM need lightgbm, which cannot be imported here ({error}): "
            "pip install 'neoc[lightgbm]'"
        ) from None
    return _checked() if wanted == "Booster" else getattr(lightgbm, wanted)


@cache
def _checked() -> Any:
    import lightgbm

    class CheckedBooster(lightgbm.Booster):
        """read: what it says."""

        def __init__(self, *_: Any, **__: Any) -> None:
            raise Refused("The file makes a Booster of LightGBM of something else than its text.")

        def __setstate__(self, state: dict[str, Any]) -> None:
            text = state.pop("handle", None) or state.get("_handle")
            if not isinstance(text, str):
                raise Refused("The file has a Booster of LightGBM without its text.")
            self.read = lightgbm_text.read(text)
            # It would read trees at places that the text tells, wherever those are.
            state["_handle"] = lightgbm_text.without_places(text)
            super().__setstate__(state)

        def estimator(self) -> Any:
            """What predicts as the Booster does."""
            made = lightgbm.LGBMRegressor()
            made._Booster, made.fitted_ = self, True
            made._n_features = made._n_features_in = self.read.features
            return made

    return CheckedBooster


def version() -> list[str]:
    """Nothing, if no model is of LightGBM's."""
    return [sys.modules["lightgbm"].__version__] if "lightgbm" in sys.modules else []


def register() -> None:
    """With skl2onnx, if a model is of LightGBM's."""
    if not version():
        return
    import lightgbm
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator as shapes

    binary = [True, False]
    options = {"nocl": binary, "raw_scores": binary, "zipmap": [*binary, "columns"]}
    for kind, shape, convert, known in (
        ("Classifier", shapes.calculate_linear_classifier_output_shapes, _classifier, options),
        ("Regressor", shapes.calculate_linear_regressor_output_shapes, _regressor, None),
    ):
        model = getattr(lightgbm, f"LGBM{kind}")
        update_registered_converter(model, f"LightGBM{kind}", shape, convert, options=known)


def prepared(model: Any) -> list[str]:
    """What is said of a model of LightGBM's. Raises Refused for settings that change answers."""
    if model._other_params.get("pred_early_stop"):
        raise Refused(f"{type(model).__name__} stops early (pred_early_stop), which is not exact.")
    named = getattr(model._Booster, "pandas_categorical", None)
    numbers = "a category of a data frame is given as its number among the column's categories."
    return [f"{type(model).__name__}: {numbers}"] if named else []


def points(model: Any) -> list[Array]:
    """What it compares each feature with."""
    read: Boosted = model._Booster.read
    found: list[list[Array]] = [[np.zeros(0)] for _ in range(read.features)]
    for nodes, _ in read.trees:
        for node in np.flatnonzero(nodes.tests != LEAF).tolist():
            found[nodes.features[node]].append(nodes.members.get(node, nodes.values[node, None]))
    return [np.unique(np.concatenate(parts)) for parts in found]


def _regressor(scope: Any, operator: Any, container: Any) -> None:
    graph = Graph(scope, operator, container)
    _sums(graph, operator.raw_operator)
    _transformed(graph, operator.raw_operator)
    graph.add("Identity", to_output=0)


def _classifier(scope: Any, operator: Any, container: Any) -> None:
    """Of two classes the trees tell the second, but for those of several outputs."""
    graph, model = Graph(scope, operator, container), operator.raw_operator
    sums = _sums(graph, model)
    told = sums if graph.scores else _transformed(graph, model)
    if model._Booster.read.targets > 1:
        graph.add("Identity", to_output=1)
        decided = sums  # logistics of large sums are all 1
    else:
        decided = graph.of_two(told)
    graph.label(model.classes_, graph.after(decided, "ArgMax", axis=1, keepdims=0))


def _sums(graph: Graph, model: Any) -> str:
    booster = model._Booster
    read: Boosted = booster.read
    iterations = read.iterations(booster.best_iteration)
    sums = graph.forest(read.grown(iterations))
    return graph.add("Div", np.float32(iterations)) if read.averaged else sums


def _transformed(graph: Graph, model: Any) -> str:
    name, *words = model._Booster.read.objective or ["custom"]
    if name not in TRANSFORMS:
        raise Refused(f"{type(model).__name__} has the objective {name!r}, which is unknown.")
    TRANSFORMS[name](graph, words)
    made: str = graph.made
    return made


def _sigmoid(graph: Graph, words: Sequence[str]) -> None:
    settings = dict(word.partition(":")[::2] for word in words)
    if (slope := float(settings.get("sigmoid", 1))) != 1:
        graph.add("Mul", np.float32(slope))
    graph.add("Sigmoid")


def _number(graph: Graph, words: Sequence[str]) -> None:
    """Of roots (reg_sqrt) the squares, with their signs."""
    if "sqrt" in words:
        root = graph.made
        graph.add("Abs")
        graph.add("Mul", root)


def _single(kind: str, **attributes: Any) -> Transform:
    def transform(graph: Graph, words: Sequence[str]) -> None:
        graph.add(kind, **attributes)

    return transform


# By LightGBM's src/objective: what ConvertOutput of each objective does.
TRANSFORMS: Mapping[str, Transform] = {
    **dict.fromkeys(("binary", "multiclassova", "cross_entropy"), _sigmoid),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), _single("Exp")),
    **dict.fromkeys(
        ("custom", "fair", "huber", "lambdarank", "mape", "quantile", "rank_xendcg", "regression",
         "regression_l1"), _number,
    ),
    "cross_entropy_lambda": _single("Softplus"),
    "multiclass": _single("Softmax", axis=1),
}  # fmt: skip
