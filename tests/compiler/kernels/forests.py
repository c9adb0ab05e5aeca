"""Random forests, and what they say by plain walks of numpy."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from tvm import relax
from tvm.ir import StringImm

from frontends.forest import AGGREGATES, Forest
from frontends.nodes import (
    AS_ZERO,
    EQ,
    GT,
    GTE,
    LEAF,
    LEQ,
    LT,
    MEMBER,
    NEQ,
    WITHIN,
    Array,
    Nodes,
)

COMPARE = {
    LEQ: np.less_equal,
    LT: np.less,
    GTE: np.greater_equal,
    GT: np.greater,
    EQ: np.equal,
    NEQ: np.not_equal,
}


@dataclass
class Grown:
    """Nodes and leaves, [leaves, targets] with NaN where a leaf says nothing."""

    nodes: Nodes
    leaves: Array

    def walked(self, x: Array, combine: np.ufunc = np.add, first: float = 0.0) -> Array:
        """In the leaves' type, tree by tree."""
        n, out = self.nodes, np.full((len(x), self.leaves.shape[1]), first, self.leaves.dtype)
        for row in range(len(x)):
            for root in n.roots:
                at = int(root)
                while n.tests[at] != LEAF:
                    at = int(n.yes[at] if self.holds(at, x[row]) else n.no[at])
                leaf = self.leaves[n.yes[at]]
                out[row] = np.where(np.isnan(leaf), out[row], combine(out[row], leaf))
        return out

    def holds(self, node: int, row: Array) -> bool:
        n, x = self.nodes, row[int(self.nodes.features[node])]
        if np.isnan(x) and n.missing[node] == AS_ZERO:
            x = np.zeros((), x.dtype)
        if np.isnan(x) and n.missing[node]:
            return True
        if n.tests[node] == WITHIN:
            return bool((x >= np.asarray(n.members[node], x.dtype)).sum() % 2)
        if n.tests[node] == MEMBER:
            return bool(np.isin(x, np.asarray(n.members[node], x.dtype)))
        return bool(COMPARE[int(n.tests[node])](x, n.values[node].astype(x.dtype)))


def grown(
    trees: int,
    depth: int,
    features: int,
    targets: int = 1,
    *,
    seed: int = 0,
    tests: tuple[int, ...] = (LT,),
    distinct: int = 40,
    vectors: bool = False,
    full: float = 0.85,
    kind: str = "float32",
) -> Grown:
    """distinct: thresholds of a feature. vectors: every leaf speaks of every target. full: how
    likely a node above the depth is none of the leaves.
    """
    rng = np.random.default_rng(seed)
    values = np.round(rng.standard_normal((features, distinct)), 1).astype(np.float32)
    rows: list[tuple[int, int, float, int, int, int]] = []
    members: dict[int, list[float]] = {}
    leaves: list[Array] = []
    roots = []

    def grow(left: int, target: int) -> int:
        here = len(rows)
        if not left or rng.random() > full:
            leaf = np.full(targets, np.nan)
            leaf[:] = rng.standard_normal(targets) if vectors else leaf
            leaf[target] = rng.standard_normal()
            rows.append((LEAF, 0, 0.0, len(leaves), 0, 0))
            leaves.append(leaf)
            return here
        feature = int(rng.integers(features))
        value, test = float(rng.choice(values[feature])), int(rng.choice(tests))
        if test in (MEMBER, WITHIN):
            drawn = [float(v) for v in rng.choice(values[feature], 3)]
            members[here] = drawn if test == MEMBER else sorted({-np.inf, *drawn})
        rows.append((0, 0, 0.0, 0, 0, 0))
        yes, no = grow(left - 1, target), grow(left - 1, target)
        rows[here] = test, feature, value, yes, no, int(rng.integers(3))
        return here

    for tree in range(trees):
        roots.append(grow(depth, tree % targets))
    columns: list[Any] = (
        [np.array(c) for c in zip(*rows, strict=True)] if rows else [np.zeros(0, int)] * 6
    )
    named = dict(zip((f.name for f in fields(Nodes)), columns, strict=False))
    nodes = Nodes(**named, roots=np.array(roots, int), members=members)
    return Grown(nodes, np.array(leaves).reshape(-1, targets).astype(kind))


def inputs(made: Grown, rows: int, features: int, seed: int = 0, kind: str = "float32") -> Array:
    """Rounded like the thresholds, so that some are equal; some are missing."""
    rng = np.random.default_rng(seed + 1)
    x = np.round(rng.standard_normal((rows, features)), 1).astype(np.float32).astype(kind)
    return np.where(rng.random(x.shape) < 0.15, np.nan, x).astype(kind)


def walked(made: Forest, x: Array, aggregate: str = "SUM") -> Array:
    """What neoc.forest is: columns, then every tree."""
    combine = AGGREGATES[aggregate][0]
    ranks = np.zeros((len(x), len(made.features)), np.int64)
    for c, feature in enumerate(made.features):
        bounds = made.bounds[made.starts[c] : made.starts[c + 1]]
        rank = (x[:, feature, None] >= bounds).sum(1)
        rank = rank & 1 if made.parity[c] else rank
        ranks[:, c] = np.where(np.isnan(x[:, feature]), made.missing[c], rank)
    out = np.tile(made.base, (len(x), 1))
    for tree, target in enumerate(made.targets):
        node = np.full(len(x), made.roots[tree])
        for _ in range(int(made.depths[tree])):
            column = made.column[node]
            rank = np.take_along_axis(ranks, column[:, None].clip(0), 1)[:, 0]
            node = np.where(column < 0, node, made.child[node] + (rank > made.cut[node]))
        part = slice(int(target), int(target) + made.leaves.shape[1])
        out[:, part] = combine(out[:, part], made.leaves[made.child[node]])
    return out


def call(x: relax.Expr, made: Forest, aggregate: str = "SUM") -> relax.Call:
    kind = relax.TensorType((int(x.ty.shape[0]), len(made.base)), str(made.leaves.dtype))
    facts = relax.ShapeExpr(made.facts())
    operands = [x, relax.const(made.packed()), facts, StringImm(aggregate)]
    return relax.op.call_pure_packed("neoc.forest", *operands, ty_args=kind)
