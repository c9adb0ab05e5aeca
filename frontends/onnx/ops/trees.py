"""Tree ensembles: the nodes of ONNX as a Forest, which one kernel walks."""

from collections.abc import Sequence
from itertools import takewhile

import numpy as np
import tvm
from tvm import relax

from frontends import forest
from frontends.forest import LEAF, MEMBER, Nodes
from frontends.model import ModelError
from frontends.onnx.builder import Builder, R, Table, Value, dtype, shape
from frontends.onnx.graph import Array
from frontends.onnx.ops.classical import transformed

MODES = {
    f"BRANCH_{name}": getattr(forest, name) for name in ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ")
} | {"LEAF": LEAF}
AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")


def aggregated(b: Builder, x: Value, nodes: Nodes, weights: Array, how: str) -> Value:
    """[rows, targets]. weights: [leaves, targets], NaN where a leaf says nothing of a target."""
    if how not in AGGREGATES:
        raise ModelError(f"attribute aggregate_function is '{how}'; known are {AGGREGATES}")
    limits = np.finfo(dtype(x))
    silent = {"MIN": float(limits.max), "MAX": float(limits.min)}.get(how, 0.0)
    made = forest.forest(nodes, weights.astype(dtype(x)), dtype(x), silent)
    folded = tvm.ir.StringImm("SUM" if how == "AVERAGE" else how)
    operands = [x, made.packed(), relax.ShapeExpr(made.facts()), folded]
    y = b.own("neoc.forest", operands, (shape(x)[0], weights.shape[1]), dtype(x))
    return b(R.divide, y, float(max(len(nodes.roots), 1))) if how == "AVERAGE" else y


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
        missing=np.append(nodes_missing_value_tracks_true or np.zeros(inner), zeros),
        roots=np.asarray(tree_roots, np.int64),
        members=_sets(tests, membership_values),
    )
    weights = np.full((leaves, n_targets), np.nan)
    weights[np.arange(leaves), list(leaf_targetids)] = leaf_weights
    if post_transform:
        raise ModelError("attribute post_transform must be 0")
    return aggregated(b, x, nodes, weights, AGGREGATES[aggregate_function])


def _targets(ids: Sequence[int], leafs: Sequence[int], leaves: int) -> Array:
    """Where nodes lead to; a leaf's own number follows them."""
    led = [i + len(ids) if leaf else i for i, leaf in zip(ids, leafs, strict=True)]
    return np.asarray([*led, *range(leaves)], np.int64)


def _sets(tests: Array, members: Array | None) -> dict[int, list[float]]:
    """The sets stand in the order of the nodes that ask, each with NaN behind it."""
    following = iter([] if members is None else members.tolist())
    asking = np.flatnonzero(tests == MEMBER).tolist()
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
    number = {key: n for n, key in enumerate(zip(nodes_treeids, nodes_nodeids, strict=True))}
    count = len(number)
    if unknown := sorted(set(nodes_modes) - MODES.keys()):
        raise ModelError(f"a node's mode is '{unknown[0]}'; known are {sorted(MODES)}")
    tests = np.array([MODES[m] for m in nodes_modes], np.int64)

    def led(ids: Sequence[int]) -> Array:
        """A leaf's number is its node's."""
        rows = zip(nodes_treeids, ids, tests, strict=True)
        return np.asarray([n if m == LEAF else number[t, i] for n, (t, i, m) in enumerate(rows)])

    yes, no = led(nodes_truenodeids), led(nodes_falsenodeids)
    inner = tests != LEAF
    below = np.zeros(count, bool)
    below[yes[inner]] = below[no[inner]] = True
    values = nodes_values if nodes_values_as_tensor is None else nodes_values_as_tensor
    weights = target_weights if target_weights_as_tensor is None else target_weights_as_tensor
    table = np.full((count, n_targets), np.nan)
    for tree, node, target, weight in zip(
        target_treeids, target_nodeids, target_ids, weights, strict=True
    ):
        at = number[tree, node], target
        table[at] = weight if np.isnan(table[at]) else table[at] + weight
    nodes = Nodes(
        tests=tests,
        features=np.asarray(nodes_featureids, np.int64),
        values=np.asarray(values, np.float64),
        yes=yes,
        no=no,
        missing=np.asarray(nodes_missing_value_tracks_true or [0] * count),
        roots=np.flatnonzero(~below),
        members={},
    )
    x = x if dtype(x) == "float64" else b.cast(x, "float32")
    y = aggregated(b, x, nodes, table, aggregate_function)
    base = base_values if base_values_as_tensor is None else base_values_as_tensor
    y = b(R.add, y, np.asarray(base, dtype(x))) if len(base) else y
    return b.cast(transformed(b, y, post_transform), "float32")


OPS: Table = {
    "TreeEnsemble": tree_ensemble,
    "TreeEnsembleRegressor": tree_ensemble_regressor,
}
