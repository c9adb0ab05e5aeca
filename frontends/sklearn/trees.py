"""The trees of scikit-learn's ensembles as nodes and leaves; for a script of confined.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from frontends.nodes import LEAF, LEQ, MEMBER, Array, Nodes, joined
from frontends.sklearn.reading import Refused

BITS = 32  # of a word of a set of categories
Grown = tuple[Nodes, Array]  # leaves: [number, targets]


def below(thresholds: Array) -> Array:
    """x <= t in double precision, of x in single: the largest single number that is no more."""
    single = thresholds.astype(np.float32)
    above = single.astype(np.float64) > thresholds
    return np.where(above, np.nextafter(single, np.float32(-np.inf)), single).astype(np.float64)


def grown(tree: Any, leaves: Array, columns: Array | None = None) -> Grown:
    """tree: sklearn.tree._tree.Tree. leaves: of each node. columns: the features that it was given,
    if not all.
    """
    first, second = tree.children_left.astype(np.int64), tree.children_right.astype(np.int64)
    leaf = first < 0
    count = len(leaf)
    if not count or (second[~leaf] < 1).any() or max(first.max(), second.max()) >= count:
        raise Refused("A tree's node leads to a node that is not there.")
    features = np.where(leaf, 0, tree.feature).astype(np.int64)
    missing = getattr(tree, "missing_go_to_left", np.zeros(count))
    nodes = Nodes(
        tests=np.where(leaf, LEAF, LEQ),
        features=features if columns is None else np.asarray(columns, np.int64)[features],
        values=np.where(leaf, 0.0, below(tree.threshold)),
        yes=np.where(leaf, np.cumsum(leaf) - 1, first),
        no=np.where(leaf, 0, second),
        missing=np.where(leaf, 0, missing).astype(np.int64),
        roots=np.zeros(1, np.int64),
    )
    return nodes, leaves[leaf]


def together(trees: Sequence[Grown]) -> Grown:
    return joined([nodes for nodes, _ in trees]), np.concatenate([leaves for _, leaves in trees])


def of_forest(forest: Any) -> Grown:
    """Sums over all trees; of a single tree its own. Targets are outputs, and of each its classes.

    They are not yet divided by the number of trees: what is whole stays so, and ties remain.
    """
    members = getattr(forest, "estimators_", [forest])
    return together(
        [grown(m.tree_, m.tree_.value.reshape(m.tree_.node_count, -1)) for m in members]
    )


def of_stages(boosted: Any) -> Grown:
    """GradientBoosting: a tree for each stage and target."""
    width = boosted.estimators_.shape[1]
    rate = boosted.learning_rate
    return together(
        [
            grown(member.tree_, _only(rate * member.tree_.value.reshape(-1), target, width))
            for stage in boosted.estimators_
            for target, member in enumerate(stage)
        ]
    )


def of_histograms(boosted: Any) -> Grown:
    """HistGradientBoosting: records of nodes, and sets of categories."""
    columns, known = categories(boosted)
    width = boosted.n_trees_per_iteration_
    return together(
        [
            _recorded(tree, columns, known, target, width)
            for stage in boosted._predictors
            for target, tree in enumerate(stage)
        ]
    )


def of_isolation(forest: Any) -> Grown:
    """How deep a row falls: its leaf's depth, and what a tree of the leaf's rows would add."""
    from sklearn.ensemble._iforest import _average_path_length

    trees = []
    for member, columns in zip(forest.estimators_, forest.estimators_features_, strict=True):
        tree = member.tree_
        depths = tree.compute_node_depths() + _average_path_length(tree.n_node_samples) - 1.0
        trees.append(grown(tree, depths.reshape(-1, 1), columns))
    return together(trees)


def _only(values: Array, target: int, width: int) -> Array:
    """[nodes, width]: a leaf says nothing of the other targets."""
    made = np.full((len(values), width), np.nan)
    made[:, target] = values
    return made


def categories(boosted: Any) -> tuple[Array, dict[int, Array]]:
    """The features in the trees' order, and of some the categories by number."""
    count, is_categorical = boosted.n_features_in_, boosted.is_categorical_
    if is_categorical is None:
        return np.arange(count), {}
    encoder = boosted._preprocessor.named_transformers_["encoder"]
    features = np.flatnonzero(is_categorical)
    columns = np.concatenate([features, np.flatnonzero(~np.asarray(is_categorical))])
    return columns, {int(f): c for f, c in zip(features, encoder.categories_, strict=True)}


def _recorded(tree: Any, columns: Array, known: dict[int, Array], target: int, width: int) -> Grown:
    nodes = tree.nodes
    leaf = nodes["is_leaf"].astype(bool)
    inner = ~leaf
    first, second = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
    if not len(leaf) or any((side[inner] < 1).any() for side in (first, second)):
        raise Refused("A tree's node leads to a node that is not there.")
    features = np.where(leaf, 0, columns[np.where(leaf, 0, nodes["feature_idx"])])
    sets = inner & nodes["is_categorical"].astype(bool)
    left = nodes["missing_go_to_left"].astype(bool)
    members = {
        int(n): _members(
            tree.raw_left_cat_bitsets[nodes["bitset_idx"][n]], known[int(features[n])], left[n]
        )
        for n in np.flatnonzero(sets)
    }
    turned = sets & left  # what is unknown goes where what is missing goes: ask for the others
    made = Nodes(
        tests=np.where(leaf, LEAF, np.where(sets, MEMBER, LEQ)),
        features=features.astype(np.int64),
        values=np.where(inner & ~sets, below(nodes["num_threshold"]), 0.0),
        yes=np.where(leaf, np.cumsum(leaf) - 1, np.where(turned, second, first)),
        no=np.where(leaf, 0, np.where(turned, first, second)),
        missing=(inner & ~sets & left).astype(np.int64),
        roots=np.zeros(1, np.int64),
        members=members,
    )
    return made, _only(nodes["value"], target, width)[leaf]


def _members(words: Array, categories: Array, left: bool) -> list[float]:
    """The categories that the set of bits holds, or all others."""
    values = np.asarray(categories, np.float64)
    number = np.arange(len(values))
    held = (words[number // BITS] >> (number % BITS).astype(np.uint32) & 1).astype(bool)
    chosen = values[held != left]
    return [float(v) for v in chosen if not np.isnan(v)]
