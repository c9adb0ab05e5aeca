"""Tree ensembles against ONNX Runtime."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import ModelError

Convert = Callable[..., None]
X = np.random.default_rng(0).standard_normal((16, 3)).astype(np.float32)
TREES = {
    "nodes_treeids": [0, 0, 0, 0, 0, 1, 1, 1],
    "nodes_nodeids": [0, 1, 2, 3, 4, 0, 1, 2],
    "nodes_featureids": [0, 1, 0, 0, 0, 2, 0, 0],
    "nodes_modes": ["BRANCH_LEQ", "BRANCH_LT", "LEAF", "LEAF", "LEAF", "BRANCH_GT", "LEAF", "LEAF"],
    "nodes_values": [0.1, -0.3, 0.0, 0.0, 0.0, 0.2, 0.0, 0.0],
    "nodes_truenodeids": [1, 3, 0, 0, 0, 1, 0, 0],
    "nodes_falsenodeids": [2, 4, 0, 0, 0, 2, 0, 0],
    "nodes_missing_value_tracks_true": [1, 0, 0, 0, 0, 0, 0, 0],
    "target_ids": [0, 1, 0, 1, 0],
    "target_nodeids": [2, 3, 4, 1, 2],
    "target_treeids": [0, 0, 0, 1, 1],
    "target_weights": [1.5, -2.0, 0.25, 4.0, 8.0],
    "n_targets": 2,
}


@pytest.mark.parametrize("how", ["SUM", "AVERAGE"])
def test_a_regressor(classical: Convert, how: str) -> None:
    x = X.copy()
    x[3, 0] = x[5, 1] = np.nan
    classical("TreeEnsembleRegressor", [x], TREES | {"aggregate_function": how}, version=3)


@pytest.mark.parametrize("transform", [0, 3])
def test_sets_and_leaves_apart(classical: Convert, transform: int) -> None:
    attributes = {
        "post_transform": transform, "aggregate_function": 1, "leaf_targetids": [0, 1, 2, 3],
        "leaf_weights": np.array([1.0, 2.0, 4.0, 3.0], np.float32),
        "membership_values": np.array([1.2, 3.7, 8.0, 9.0, np.nan, 12.0, 7.0, np.nan], np.float32),
        "n_targets": 4, "nodes_falseleafs": [1, 0, 1], "nodes_falsenodeids": [2, 2, 3],
        "nodes_featureids": [0, 0, 0], "nodes_modes": np.array([0, 6, 6], np.uint8),
        "nodes_splits": np.array([11, 232344.0, 0.0], np.float32), "nodes_trueleafs": [0, 1, 1],
        "nodes_truenodeids": [1, 0, 1], "tree_roots": [0],
    }  # fmt: skip
    x = np.array([[1.2], [3.4], [-0.12], [12], [7], [8]], np.float32)
    classical("TreeEnsemble", [x], attributes, version=5)


def test_a_circle_is_refused(classical: Convert) -> None:
    with pytest.raises(ModelError, match="a tree has a circle"):
        classical("TreeEnsembleRegressor", [X], TREES | {"nodes_truenodeids":
                  [1, 1, 0, 0, 0, 1, 0, 0]}, version=3)  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"nodes_featureids": [3, 1, 0, 0, 0, 2, 0, 0]}, "asks for the feature 3; there are 3"),
        ({"nodes_featureids": [-1, 1, 0, 0, 0, 2, 0, 0]}, "asks for the feature -1; there are 3"),
        ({"nodes_truenodeids": [9, 3, 0, 0, 0, 1, 0, 0]}, "leads to one that is not there"),
    ],
)
def test_what_is_not_there_is_refused(
    classical: Convert, changed: dict[str, object], text: str
) -> None:
    with pytest.raises(ModelError, match=text):
        classical("TreeEnsembleRegressor", [X], TREES | changed, version=3)


CLASSES = {k: v for k, v in TREES.items() if not k.startswith(("target", "n_targets"))}


def weighted(ids: list[int], weights: list[float]) -> dict[str, object]:
    """A weight at every leaf of TREES for every id."""
    leaves = [(0, 2), (0, 3), (0, 4), (1, 1), (1, 2)]
    rows = [(t, n, i) for t, n in leaves for i in ids]
    return CLASSES | {
        "class_treeids": [t for t, _, _ in rows],
        "class_nodeids": [n for _, n, _ in rows],
        "class_ids": [i for _, _, i in rows],
        "class_weights": [weights[n % len(weights)] * (n + 1) for n in range(len(rows))],
    }


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])
@pytest.mark.parametrize(
    ("ids", "weights", "base"),
    [([0, 1, 2], [0.3, -0.2], []), ([0, 1, 2], [0.1], [0.2, 0.1, -0.3]), ([0], [0.1], []),
     ([0], [0.1], [0.25]), ([0], [0.4, -0.35], [-0.125]), ([1], [0.1], []),
     ([1], [0.4, -0.35], [])],
)  # fmt: skip
def test_a_classifier(
    classical: Convert, transform: str, ids: list[int], weights: list[float], base: list[float]
) -> None:
    attributes = weighted(ids, weights) | {"post_transform": transform}
    attributes |= {"classlabels_int64s": [5, 9, 4][: max(2, len(ids))]}
    attributes |= {"base_values": base} if base else {}
    classical("TreeEnsembleClassifier", [X], attributes, version=3)


def test_probits(classical: Convert) -> None:
    attributes = weighted([0, 1, 2], [0.01, 0.02]) | {"post_transform": "PROBIT"}
    attributes |= {"classlabels_int64s": [5, 9, 4], "base_values": [0.1, 0.3, 0.2]}
    classical("TreeEnsembleClassifier", [X], attributes, version=3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"classlabels_int64s": [5, 9]}, "labels that the model does not have"),
        ({"classlabels_strings": ["a", "b", "c"]}, "labels are strings"),
        ({"class_ids": [7] * 15}, "node .* has a weight for 7"),
        ({"nodes_truenodeids": [8] * 8}, "leads to one that is not there"),
    ],
)
def test_what_no_classifier_is(
    classical: Convert, changed: dict[str, object], message: str
) -> None:
    attributes = weighted([0, 1] if "classlabels_int64s" in changed else [0, 1, 2], [0.1])
    attributes |= {"classlabels_int64s": [5, 9, 4]} | changed
    with pytest.raises(ModelError, match=message):
        classical("TreeEnsembleClassifier", [X], attributes, version=3)
