"""Tree ensembles: all rows walk all trees at once, one level a step, by gathers.

    node[r, t] = x[r, feature[node]] <= value[node] ? yes[node] : no[node]

A leaf is a node that leads to itself, so that all walk as far as the deepest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import Builder, R, Table, Value, affordable, dtype, shape
from frontends.onnx.graph import Array
from frontends.onnx.ops.classical import transformed

COMPARE = {
    "BRANCH_LEQ": R.less_equal,
    "BRANCH_LT": R.less,
    "BRANCH_GTE": R.greater_equal,
    "BRANCH_GT": R.greater,
    "BRANCH_EQ": R.equal,
    "BRANCH_NEQ": R.not_equal,
}
NUMBERED = ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ", "MEMBER")  # of TreeEnsemble
AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")


@dataclass
class Forest:
    """All nodes of all trees, by number. modes: '' for a leaf."""

    modes: list[str]
    features: Array
    values: Array
    yes: Array
    no: Array
    missing: Array  # whether NaN goes to yes
    roots: Array
    weights: Array  # [nodes, targets], NaN where a leaf says nothing of a target

    def depth(self) -> int:
        """Of the deepest leaf. Raises ModelError where a node leads back."""
        level, steps = set(self.roots.tolist()), 0
        while inner := [n for n in level if self.modes[n]]:
            level = {int(m) for n in inner for m in (self.yes[n], self.no[n])}
            steps += 1
            if steps > len(self.modes):
                raise ModelError("a tree has a circle")
        return steps


def walk(b: Builder, x: Value, forest: Forest) -> Value:
    """x [rows, features] -> the leaf [rows, trees] of each."""
    rows, trees = shape(x)[0], len(forest.roots)
    affordable(rows * trees)
    node: Value = np.broadcast_to(forest.roots.astype(np.int64), (rows, trees)).copy()
    kinds = sorted({m for m in forest.modes if m})
    for _ in range(forest.depth()):
        feature = b.take(forest.features, node, 0)
        given = b(R.gather_elements, x, feature, axis=1)
        value = b.take(forest.values.astype(dtype(x)), node, 0)
        taken: Value | None = None
        for kind in kinds:
            holds = b(COMPARE[kind], given, value)
            if taken is None:
                taken = holds
            else:
                mine = b.take(np.asarray([m == kind for m in forest.modes]), node, 0)
                taken = b(R.where, mine, holds, taken)
        assert taken is not None
        if forest.missing.any():
            follows = b.take(forest.missing.astype(bool), node, 0)
            taken = b(R.logical_or, taken, b(R.logical_and, b(R.isnan, given), follows))
        node = b(R.where, taken, b.take(forest.yes, node, 0), b.take(forest.no, node, 0))
    return node


def aggregated(b: Builder, x: Value, forest: Forest, how: str) -> Value:
    """[rows, targets]"""
    if how not in AGGREGATES:
        raise ModelError(f"attribute aggregate_function is '{how}'; known are {AGGREGATES}")
    leaf = walk(b, x, forest)
    none = {"MIN": np.finfo(dtype(x)).max, "MAX": np.finfo(dtype(x)).min}.get(how, 0.0)
    weights = np.where(np.isnan(forest.weights), none, forest.weights).astype(dtype(x))
    found = b.take(weights, leaf, 0)
    if how in ("MIN", "MAX"):
        return b(R.min if how == "MIN" else R.max, found, axis=[1])
    return b(R.sum if how == "SUM" else R.mean, found, axis=[1])


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
    """Inner nodes first, then the leaves. A set becomes nodes that ask for a member each."""
    inner, leaves = len(nodes_featureids), len(leaf_targetids)
    forest = Forest(
        modes=[f"BRANCH_{NUMBERED[m]}" for m in nodes_modes.tolist()] + [""] * leaves,
        features=np.concatenate([np.asarray(nodes_featureids), np.zeros(leaves)]).astype(np.int64),
        values=np.concatenate([nodes_splits.astype(np.float64), np.zeros(leaves)]),
        yes=_targets(nodes_truenodeids, nodes_trueleafs, leaves),
        no=_targets(nodes_falsenodeids, nodes_falseleafs, leaves),
        missing=np.asarray([*(nodes_missing_value_tracks_true or [0] * inner), *[0] * leaves]),
        roots=np.asarray(tree_roots, np.int64),
        weights=np.full((inner + leaves, n_targets), np.nan),
    )
    forest.weights[inner + np.arange(leaves), list(leaf_targetids)] = leaf_weights
    if membership_values is not None:
        _open_sets(forest, membership_values)
    if post_transform:
        raise ModelError("attribute post_transform must be 0")
    return aggregated(b, x, forest, AGGREGATES[aggregate_function])


def _targets(ids: Sequence[int], leafs: Sequence[int], leaves: int) -> Array:
    inner = len(ids)
    led = [i + inner if leaf else i for i, leaf in zip(ids, leafs, strict=True)]
    return np.asarray([*led, *range(inner, inner + leaves)], np.int64)


def _open_sets(forest: Forest, members: Array) -> None:
    """x in {a, b} becomes x == a, else x == b. The sets end with NaN, in the order of the nodes
    that ask, each tree from its root on, yes before no.
    """
    following = iter(members.tolist())
    added: list[tuple[int, float, int, int, int]] = []  # feature, value, yes, no, missing
    count = len(forest.modes)
    pending = [int(r) for r in reversed(forest.roots)]
    while pending:
        node = pending.pop()
        if not forest.modes[node]:
            continue
        pending += [int(forest.no[node]), int(forest.yes[node])]
        if forest.modes[node] != "BRANCH_MEMBER":
            continue
        values = []
        while not np.isnan(value := next(following)):
            values.append(value)
        forest.modes[node] = "BRANCH_EQ"
        forest.values[node] = values[0] if values else np.nan
        at, feature, no = node, int(forest.features[node]), int(forest.no[node])
        yes, missing = int(forest.yes[node]), int(forest.missing[node])
        for value in values[1:]:
            new = count + len(added)
            if at < count:
                forest.no[at] = new
            else:
                added[at - count] = (*added[at - count][:3], new, missing)
            added.append((feature, value, yes, no, missing))
            at = new
    if not added:
        return
    features, numbers, yeses, noes, missings = zip(*added, strict=True)
    forest.modes += ["BRANCH_EQ"] * len(added)
    forest.features = np.append(forest.features, features)
    forest.values = np.append(forest.values, numbers)
    forest.yes, forest.no = np.append(forest.yes, yeses), np.append(forest.no, noes)
    forest.missing = np.append(forest.missing, missings)
    empty = np.full((len(added), forest.weights.shape[1]), np.nan)
    forest.weights = np.concatenate([forest.weights, empty])


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
    modes = ["" if m == "LEAF" else m for m in nodes_modes]
    if unknown := sorted(set(modes) - COMPARE.keys() - {""}):
        raise ModelError(f"a node's mode is '{unknown[0]}'; known are {sorted(COMPARE)}")

    def led(ids: Sequence[int]) -> Array:
        pairs = zip(nodes_treeids, ids, modes, strict=True)
        return np.asarray([number[t, i] if m else n for n, (t, i, m) in enumerate(pairs)], np.int64)

    yes, no = led(nodes_truenodeids), led(nodes_falsenodeids)
    below = {int(m) for n in range(count) if modes[n] for m in (yes[n], no[n])}
    values = nodes_values if nodes_values_as_tensor is None else nodes_values_as_tensor
    weights = target_weights if target_weights_as_tensor is None else target_weights_as_tensor
    table = np.full((count, n_targets), np.nan)
    for tree, node, target, weight in zip(
        target_treeids, target_nodeids, target_ids, weights, strict=True
    ):
        at = number[tree, node], target
        table[at] = weight if np.isnan(table[at]) else table[at] + weight
    forest = Forest(
        modes=modes,
        features=np.asarray(nodes_featureids, np.int64),
        values=np.asarray(values, np.float64),
        yes=yes,
        no=no,
        missing=np.asarray(nodes_missing_value_tracks_true or [0] * count),
        roots=np.asarray([n for n in range(count) if n not in below], np.int64),
        weights=table,
    )
    x = x if dtype(x) == "float64" else b.cast(x, "float32")
    y = aggregated(b, x, forest, aggregate_function)
    base = base_values if base_values_as_tensor is None else base_values_as_tensor
    y = b(R.add, y, np.asarray(base, dtype(x))) if len(base) else y
    return b.cast(transformed(b, y, post_transform), "float32")


OPS: Table = {
    "TreeEnsemble": tree_ensemble,
    "TreeEnsembleRegressor": tree_ensemble_regressor,
}
