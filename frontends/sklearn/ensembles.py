"""scikit-learn's tree ensembles: each is one node of the importer's own operator, whose leaves
speak of all classes at once; for a script of confined.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from frontends.nodes import Array
from frontends.sklearn import trees
from frontends.sklearn.graph import Converter, Graph
from frontends.sklearn.reading import Refused


def _regressor(scope: Any, operator: Any, container: Any) -> None:
    graph, forest = Graph(scope, operator, container), operator.raw_operator
    graph.forest(trees.of_forest(forest))
    graph.add("Div", np.float32(len(getattr(forest, "estimators_", [forest]))), to_output=0)


def _classifier(scope: Any, operator: Any, container: Any) -> None:
    """Several outputs lie one before the other: [outputs, rows, classes]."""
    graph, forest = Graph(scope, operator, container), operator.raw_operator
    count = np.float32(len(getattr(forest, "estimators_", [forest])))
    graph.forest(trees.of_forest(forest))
    several = forest.n_outputs_ > 1
    if several:
        width = max(forest.n_classes_)
        graph.add("Reshape", np.array([-1, forest.n_outputs_, width]))
        graph.add("Transpose", perm=[1, 0, 2])
    sums = graph.made
    graph.add("Div", count, to_output=1)
    number = graph.after(sums, "ArgMax", axis=-1, keepdims=0)
    if not several:
        graph.label(forest.classes_, number)
        return
    labels = [np.asarray(c).astype(np.int64) for c in forest.classes_]
    table = np.stack([np.pad(c, (0, width - len(c))) for c in labels])
    graph.add("Add", (np.arange(len(labels)) * width)[:, None])
    graph.label(table.reshape(-1), graph.add("Transpose", perm=[1, 0]))


def _boosted_regressor(scope: Any, operator: Any, container: Any) -> None:
    graph, boosted = Graph(scope, operator, container), operator.raw_operator
    base, link = _raw(graph, boosted)
    exponential = type(link).__name__ == "LogLink"
    if not exponential and type(link).__name__ != "IdentityLink":
        raise Refused(f"{type(boosted).__name__} has the loss {boosted.loss!r}, which is unknown.")
    graph.add("Add", base, to_output=None if exponential else 0)
    if exponential:
        graph.add("Exp", to_output=0)


def _boosted_classifier(scope: Any, operator: Any, container: Any) -> None:
    graph, boosted = Graph(scope, operator, container), operator.raw_operator
    base, _ = _raw(graph, boosted)
    raw = graph.add("Add", base)
    if base.size > 1:
        if not graph.scores:
            graph.add("Softmax", axis=1)
        graph.add("Identity", to_output=1)
        graph.label(boosted.classes_, graph.after(raw, "ArgMax", axis=1, keepdims=0))
        return
    if getattr(boosted, "loss", "") == "exponential" and not graph.scores:
        graph.add("Mul", np.float32(2))
    graph.of_two(raw if graph.scores else graph.add("Sigmoid"))
    kind = "GreaterOrEqual" if hasattr(boosted, "init_") else "Greater"  # what is done with a tie
    graph.after(raw, kind, np.float32(0))
    graph.add("Reshape", np.array([-1]))
    graph.label(boosted.classes_, graph.add("Cast", to=7))


def _raw(graph: Graph, boosted: Any) -> tuple[Array, Any]:
    """The sums of the trees into the graph; what they begin with, and the link behind them."""
    if hasattr(boosted, "_baseline_prediction"):
        graph.forest(trees.of_histograms(boosted))
        return boosted._baseline_prediction.astype(np.float32), boosted._loss.link
    if not (isinstance(boosted.init_, str) or type(boosted.init_).__name__.startswith("Dummy")):
        raise Refused(
            f"{type(boosted).__name__} begins with what another estimator gives (init); "
            "only init=None and init='zero' compile."
        )
    graph.forest(trees.of_stages(boosted))
    anything = np.zeros((1, boosted.n_features_in_), np.float32)
    return boosted._raw_predict_init(anything).astype(np.float32), boosted._loss.link


def _isolation(scope: Any, operator: Any, container: Any) -> None:
    from sklearn.ensemble._iforest import _average_path_length

    graph, forest = Graph(scope, operator, container), operator.raw_operator
    whole = len(forest.estimators_) * float(_average_path_length([forest._max_samples])[0])
    graph.forest(trees.of_isolation(forest))
    # 2^(-depth / whole); a single row that was trained on counts as one that is not found at all
    graph.add("Mul", np.float32(-np.log(2) / whole if whole else 0.0))
    if not whole:
        graph.add("Sub", np.float32(np.log(2)))
    graph.add("Exp")
    graph.add("Neg")
    graph.add("Sub", np.float32(forest.offset_), to_output=1)
    graph.add("Less", np.float32(0))
    graph.label(np.array([1, -1]), graph.add("Cast", to=7))


CONVERTERS: dict[str, Converter] = {
    **dict.fromkeys(
        ("DecisionTreeRegressor", "ExtraTreeRegressor", "ExtraTreesRegressor",
         "RandomForestRegressor"), _regressor,
    ),
    **dict.fromkeys(
        ("DecisionTreeClassifier", "ExtraTreeClassifier", "ExtraTreesClassifier",
         "RandomForestClassifier"), _classifier,
    ),
    **dict.fromkeys(
        ("GradientBoostingRegressor", "HistGradientBoostingRegressor"), _boosted_regressor
    ),
    **dict.fromkeys(
        ("GradientBoostingClassifier", "HistGradientBoostingClassifier"), _boosted_classifier
    ),
    "IsolationForest": _isolation,
}  # fmt: skip
