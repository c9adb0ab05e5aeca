"""Tree ensembles: the nodes of ONNX as a Forest, which one kernel walks."""

from collections.abc import Iterable, Sequence
from itertools import takewhile

import numpy as np
import tvm
from tvm import relax

from frontends import forest
from frontends.forest import SETS
from frontends.model import ModelError
from frontends.nodes import EQ, GT, GTE, LEAF, LEQ, LT, NEQ, Nodes
from frontends.onnx.builder import Builder, R, Table, Value, dtype, shape
from frontends.onnx.graph import Array
from frontends.onnx.ops.classical import one_of_two, transformed

MODES = {
    "BRANCH_LEQ": LEQ,
    "BRANCH_LT": LT,
    "BRANCH_GTE": GTE,
    "BRANCH_GT": GT,
    "BRANCH_EQ": EQ,
    "BRANCH_NEQ": NEQ,
    "LEAF": LEAF,
}
TRANSFORMS = {0: "NONE", 3: "SOFTMAX_ZERO", 4: "PROBIT"}
Key = tuple[int, int]  # a node's tree and its number there
AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")


def aggregated(b: Builder, x: Value, nodes: Nodes, weights: Array, how: str) -> Value:
    """[rows, targets]. weights: [leaves, targets], NaN where a leaf says nothing of a target."""
    if how not in AGGREGATES:
        raise ModelError(f"attribute aggregate_function is '{how}'; known are {AGGREGATES}")
    _check(nodes, len(weights), shape(x)[1])
    folded = "SUM" if how == "AVERAGE" else how
    made = forest.forest(nodes, weights.astype(dtype(x)), dtype(x), folded)
    operands = [x, made.packed(), relax.ShapeExpr(made.facts()), tvm.ir.StringImm(folded)]
    y = b.own("neoc.forest", operands, (shape(x)[0], weights.shape[1]), dtype(x))
    return b(R.divide, y, float(max(len(nodes.roots), 1))) if how == "AVERAGE" else y


def _check(nodes: Nodes, leaves: int, columns: int) -> None:
    """All that a node may name is there."""
    leaf = nodes.tests == LEAF
    asked, led = nodes.features[~leaf], np.append(nodes.yes[~leaf], nodes.no[~leaf])
    for what, numbers, count in (
        ("asks for the feature", asked, columns),
        ("leads to the node", led, len(leaf)),
        ("is the leaf", nodes.yes[leaf], leaves),
        ("is the first, with number", nodes.roots, len(leaf)),
    ):
        if len(bad := numbers[(numbers < 0) | (numbers >= count)]):
            raise ModelError(f"a node {what} {int(bad[0])}; there are {count}")


def tree_ensemble(
    b: Builder,
    x: Value,
    *,
    nodes_featureids: Sequence[int],
    nodes_splits: Array,
    nodes_modes: Array,
    nodes_truenodeids: Sequence[int],
    nodes_falsenodeids: Sequence[int],
    nodes_trueleafs: Sequence[int],
    nodes_falseleafs: Sequence[int],
    leaf_targetids: Sequence[int],
    leaf_weights: Array,
    tree_roots: Sequence[int],
    aggregate_function: int = 1,
    membership_values: Array | None = None,
    n_targets: int = 1,
    nodes_hitrates: Array | None = None,
    nodes_missing_value_tracks_true: Sequence[int] = (),
    post_transform: int = 0,
) -> Value:
    """Inner nodes first, then the leaves."""
    inner, leaves = len(nodes_featureids), len(leaf_targetids)
    zeros = np.zeros(leaves)
    tests = np.append(nodes_modes.astype(np.int64), np.full(leaves, LEAF))
    yes = _targets(nodes_truenodeids, nodes_trueleafs, leaves)
    no = _targets(nodes_falsenodeids, nodes_falseleafs, leaves)
    nodes = Nodes(
        tests=tests,
        features=np.append(nodes_featureids, zeros),
        values=np.append(nodes_splits.astype(np.float64), zeros),
        yes=yes,
        no=no,
        missing=np.append(nodes_missing_value_tracks_true or np.zeros(inner), zeros) != 0,
        roots=np.asarray(tree_roots, np.int64),
        members=_sets(tests, membership_values),
    )
    weights = np.full((leaves, n_targets), np.nan)
    weights[np.arange(leaves), list(leaf_targetids)] = leaf_weights
    y = aggregated(b, x, nodes, weights, AGGREGATES[aggregate_function])
    if post_transform not in TRANSFORMS:
        raise ModelError(
            f"attribute post_transform is {post_transform}; ONNX Runtime reads 1 and 2 the other "
            "way round; write it as a node of its own"
        )
    return transformed(b, y, TRANSFORMS[post_transform])


def _targets(ids: Sequence[int], leafs: Sequence[int], leaves: int) -> Array:
    """Where nodes lead to; a leaf's own number follows them."""
    led = [i + len(ids) if leaf else i for i, leaf in zip(ids, leafs, strict=True)]
    return np.asarray([*led, *range(leaves)], np.int64)


def _sets(tests: Array, members: Array | None) -> dict[int, list[float]]:
    """The sets stand in the order of the nodes that ask, each with NaN behind it."""
    following = iter([] if members is None else members.tolist())
    asking = np.flatnonzero(np.isin(tests, SETS)).tolist()
    return {n: list(takewhile(lambda member: not np.isnan(member), following)) for n in asking}


def tree_ensemble_regressor(
    b: Builder,
    x: Value,
    *,
    nodes_treeids: Sequence[int],
    nodes_nodeids: Sequence[int],
    nodes_featureids: Sequence[int],
    nodes_modes: Sequence[str],
    nodes_truenodeids: Sequence[int],
    nodes_falsenodeids: Sequence[int],
    nodes_values: Sequence[float] = (),
    nodes_values_as_tensor: Array | None = None,
    nodes_hitrates: Sequence[float] = (),
    nodes_hitrates_as_tensor: Array | None = None,
    nodes_missing_value_tracks_true: Sequence[int] = (),
    target_ids: Sequence[int],
    target_nodeids: Sequence[int],
    target_treeids: Sequence[int],
    target_weights: Sequence[float] = (),
    target_weights_as_tensor: Array | None = None,
    base_values: Sequence[float] = (),
    base_values_as_tensor: Array | None = None,
    aggregate_function: str = "SUM",
    n_targets: int = 1,
    post_transform: str = "NONE",
) -> Value:
    keys = list(zip(nodes_treeids, nodes_nodeids, strict=True))
    nodes = _linked(
        keys,
        features=nodes_featureids,
        modes=nodes_modes,
        values=nodes_values if nodes_values_as_tensor is None else nodes_values_as_tensor,
        yes=nodes_truenodeids,
        no=nodes_falsenodeids,
        missing=nodes_missing_value_tracks_true,
    )
    weights = target_weights if target_weights_as_tensor is None else target_weights_as_tensor
    places = zip(target_treeids, target_nodeids, strict=True)
    table = _table(keys, places, target_ids, weights, n_targets)
    base = base_values if base_values_as_tensor is None else base_values_as_tensor
    y = _sums(b, x, nodes, table, base, aggregate_function)
    return b.cast(transformed(b, y, post_transform), "float32")


def _linked(
    keys: Sequence[Key],
    *,
    features: Sequence[int],
    modes: Sequence[str],
    values: Sequence[float] | Array,
    yes: Sequence[int],
    no: Sequence[int],
    missing: Sequence[int],
) -> Nodes:
    """keys: tree and number of each node."""
    number = {key: n for n, key in enumerate(keys)}
    if unknown := sorted(set(modes) - MODES.keys()):
        raise ModelError(f"a node's mode is '{unknown[0]}'; known are {sorted(MODES)}")
    tests = np.array([MODES[m] for m in modes], np.int64)

    def led(ids: Sequence[int]) -> Array:
        """A leaf's number is its node's."""
        rows = zip(keys, ids, tests, strict=True)
        leads = [n if m == LEAF else number.get((t, i)) for n, ((t, _), i, m) in enumerate(rows)]
        if None in leads:
            raise ModelError(f"node {keys[leads.index(None)]} leads to one that is not there")
        return np.asarray(leads)

    ahead, aside = led(yes), led(no)
    inner = tests != LEAF
    below = np.zeros(len(keys), bool)
    below[ahead[inner]] = below[aside[inner]] = True
    return Nodes(
        tests=tests,
        features=np.asarray(features, np.int64),
        values=np.asarray(values, np.float64),
        yes=ahead,
        no=aside,
        missing=np.asarray(missing or [0] * len(keys)) != 0,
        roots=np.flatnonzero(~below),
        members={},
    )


def _table(
    keys: Sequence[Key],
    places: Iterable[Key],
    targets: Sequence[int],
    weights: Sequence[float] | Array,
    count: int,
) -> Array:
    """[nodes, count]: the weights at their nodes' keys, NaN where there is none."""
    number = {key: n for n, key in enumerate(keys)}
    table = np.full((len(keys), count), np.nan)
    for place, target, weight in zip(places, targets, weights, strict=True):
        if place not in number or not 0 <= target < count:
            raise ModelError(f"node {place} has a weight for {target}: one of them is not there")
        at = number[place], target
        table[at] = weight if np.isnan(table[at]) else table[at] + weight
    return table


def _sums(
    b: Builder, x: Value, nodes: Nodes, table: Array, start: Sequence[float] | Array, how: str
) -> Value:
    x = x if dtype(x) == "float64" else b.cast(x, "float32")
    y = aggregated(b, x, nodes, table, how)
    return b(R.add, y, np.asarray(start, dtype(x))) if len(start) else y


def tree_ensemble_classifier(
    b: Builder,
    x: Value,
    *,
    nodes_treeids: Sequence[int],
    nodes_nodeids: Sequence[int],
    nodes_featureids: Sequence[int],
    nodes_modes: Sequence[str],
    nodes_truenodeids: Sequence[int],
    nodes_falsenodeids: Sequence[int],
    nodes_values: Sequence[float] = (),
    nodes_values_as_tensor: Array | None = None,
    nodes_hitrates: Sequence[float] = (),
    nodes_hitrates_as_tensor: Array | None = None,
    nodes_missing_value_tracks_true: Sequence[int] = (),
    class_ids: Sequence[int],
    class_nodeids: Sequence[int],
    class_treeids: Sequence[int],
    class_weights: Sequence[float] = (),
    class_weights_as_tensor: Array | None = None,
    classlabels_int64s: Sequence[int] = (),
    classlabels_strings: Sequence[str] = (),
    base_values: Sequence[float] = (),
    base_values_as_tensor: Array | None = None,
    post_transform: str = "NONE",
) -> tuple[Value, Value]:
    """The label of each row, and its scores. Two classes may have weights for one of them alone."""
    if classlabels_strings:
        raise ModelError("labels are strings; only numbers compile. Give classlabels_int64s")
    labels, given = np.asarray(classlabels_int64s, np.int64), sorted(set(class_ids))
    if len(labels) < 2 or (len(labels) == 2 and len(given) == 2):
        raise ModelError(
            f"{len(labels)} labels with weights for {len(given)} classes: ONNX Runtime gives "
            "labels that the model does not have"
        )
    keys = list(zip(nodes_treeids, nodes_nodeids, strict=True))
    nodes = _linked(
        keys,
        features=nodes_featureids,
        modes=nodes_modes,
        values=nodes_values if nodes_values_as_tensor is None else nodes_values_as_tensor,
        yes=nodes_truenodeids,
        no=nodes_falsenodeids,
        missing=nodes_missing_value_tracks_true,
    )
    alone = len(labels) == 2
    weights = class_weights if class_weights_as_tensor is None else class_weights_as_tensor
    ids = [0] * len(class_ids) if alone else class_ids
    places = zip(class_treeids, class_nodeids, strict=True)
    table = _table(keys, places, ids, weights, 1 if alone else len(labels))
    base = base_values if base_values_as_tensor is None else base_values_as_tensor
    scores = _sums(b, x, nodes, table, base, "SUM")
    if alone and (len(base) > 1 or (base and given[0] == 1)):
        raise ModelError("what is a base value of one of two classes is not said")
    shares = min(weights, default=0.0) >= 0
    least = 0.5 if shares else 0.0
    if given == [0] and alone:
        return one_of_two(b, scores, labels, least, shares, post_transform)
    if alone:
        label, _ = one_of_two(b, scores, labels, least, shares, "NONE")
        scores = b.concat([np.zeros(shape(scores), dtype(scores)), scores], 1)
        return label, b.cast(transformed(b, scores, post_transform), "float32")
    best = b.take(labels, b(R.argmax, scores, axis=1), 0)
    return best, b.cast(transformed(b, scores, post_transform), "float32")


def forest_of_nodes(
    b: Builder,
    x: Value,
    *,
    tests: Array,
    features: Array,
    values: Array,
    yes: Array,
    no: Array,
    missing: Array,
    roots: Array,
    leaves: Array,
    members: Array | None = None,
) -> Value:
    """Nodes as they are, what front ends of our own write: leaves may speak of several targets, as
    no TreeEnsemble's may. members: the sets, as there.
    """
    sets = _sets(tests, members)
    nodes = Nodes(tests, features, values, yes, no, missing, roots, sets)
    return aggregated(b, x, nodes, leaves, "SUM")


OWN: Table = {"Forest": forest_of_nodes}
OPS: Table = {
    "TreeEnsemble": tree_ensemble,
    "TreeEnsembleClassifier": tree_ensemble_classifier,
    "TreeEnsembleRegressor": tree_ensemble_regressor,
}
