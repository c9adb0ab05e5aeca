"""Tree ensembles: what every reader of trees gives, and what the kernels walk.

    out[row] = base
    out[row, targets[tree] + k] += leaves[the tree's leaf for the row, k]    in the trees' order

A reader says what it found as `Nodes`, with any kind of test. A `Forest` has one kind: a *column*
of a row is a small whole number, and a node leads to its second child if the number is above its
cut. A column counts the bounds that a feature reaches,

    rank = (x >= bounds[0]) + (x >= bounds[1]) + ...        for a set of values: its last bit

so that comparisons in the features' own type, missing values and sets are done once for a row, and
not in the trees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

from frontends.model import ModelError
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

SHALLOW = 2  # levels that a complete tree may be less deep than the deepest one
MAX_NODES = 1 << 24
SETS = (MEMBER, WITHIN)
WORDS = ("int32", "float32", "float64")  # types of what a packed forest holds
# What an output's trees are put together by, what that begins with, and what a leaf says that says
# nothing, as a share of the largest number.
AGGREGATES: Mapping[str, tuple[np.ufunc, float, float]] = {
    "SUM": (np.add, 0.0, 0.0),
    "MIN": (np.minimum, np.inf, 1.0),
    "MAX": (np.maximum, -np.inf, -1.0),
}


@dataclass(frozen=True)
class Forest:
    """features, starts, parity, missing: of each column its feature, the first of its bounds (with
    the end of the last), whether it is the last bit of the rank, and what stands for NaN.

    column, cut, child: of each node; of a leaf -1, 0 and the leaf's number. The second child is the
    node behind the first. roots, depths, targets: of each tree. leaves: [number, width]. base: of
    each output.
    """

    features: Array
    starts: Array
    parity: Array
    missing: Array
    bounds: Array
    column: Array
    cut: Array
    child: Array
    roots: Array
    depths: Array
    targets: Array
    leaves: Array
    base: Array

    def packed(self) -> Array:
        """All of it as words."""
        parts = [np.ascontiguousarray(getattr(self, f.name)).reshape(-1) for f in fields(self)]
        head = [n for p in parts for n in (WORDS.index(str(p.dtype)), p.size)]
        words = [np.array([*head, self.leaves.shape[1]], np.int32)]
        return np.concatenate([*words, *(p.view(np.int32) for p in parts)])

    @classmethod
    def unpacked(cls, words: Array) -> Self:
        names = [f.name for f in fields(cls)]
        at, made = 2 * len(names) + 1, {}
        for n, name in enumerate(names):
            kind, size = np.dtype(WORDS[words[2 * n]]), int(words[2 * n + 1])
            stop = at + size * kind.itemsize // 4
            made[name] = words[at:stop].copy().view(kind)
            at = stop
        made["leaves"] = made["leaves"].reshape(-1, int(words[2 * len(names)]))
        return cls(**made)

    def facts(self) -> tuple[int, ...]:
        """What a kernel's choice depends on (see compiler/kernels/forest.py)."""
        most = int(np.diff(self.starts).max(initial=0))
        sizes = [len(self.features), len(self.bounds), most, len(self.column), len(self.roots)]
        complete = int((1 << filled(self.depths).clip(0, 24)).sum())
        return (*sizes, *self.leaves.shape, complete, int(self.depths.max(initial=0)))


def filled(depths: Array) -> Array:
    """The depths of complete trees that hold trees of these depths: few different ones."""
    return depths.clip(max(int(depths.max(initial=0)) - SHALLOW, 0)).astype(np.int64)


def forest(nodes: Nodes, leaves: Array, dtype: str, aggregate: str = "SUM") -> Forest:
    """leaves: [number, targets] in the type of the sums, NaN where a leaf says nothing of a target.
    dtype: of the features. aggregate: one of AGGREGATES. Raises ModelError.
    """
    combine, first, silent = AGGREGATES[aggregate]
    nodes, base = _begun(_settled(_ordered(nodes)), leaves, combine, first)
    order, child, depths, roots = _laid_out(nodes)
    nodes = _picked(nodes, order)
    inner = nodes.tests != LEAF
    columns, number, cut = _columns(nodes, np.flatnonzero(inner), dtype)
    column, cuts = np.full(len(order), LEAF), np.zeros(len(order))
    column[inner], cuts[inner] = number, cut
    targets, mine = _narrowed(
        leaves[nodes.yes[~inner]],
        np.repeat(np.arange(len(roots)), _counts(~inner, roots)),
        len(roots),
    )
    numbers = {
        "column": column,
        "cut": cuts,
        "child": np.where(inner, child, np.cumsum(~inner) - 1),
        "roots": roots,
        "depths": depths,
        "targets": targets,
    }
    least = silent * np.finfo(leaves.dtype).max
    mine = np.where(np.isnan(mine), least, mine).astype(leaves.dtype)
    return Forest(**columns, **_integers(numbers), leaves=mine, base=base)


def _settled(nodes: Nodes) -> Nodes:
    """A test that leads to one node either way is that node."""
    inner = nodes.tests != LEAF
    there = np.where(inner & (nodes.yes == nodes.no), nodes.yes, np.arange(len(inner)))
    yes, no = (
        np.where(inner, there[np.where(inner, led, 0)], led) for led in (nodes.yes, nodes.no)
    )
    return replace(nodes, roots=there[nodes.roots], yes=yes, no=no)


def _begun(nodes: Nodes, leaves: Array, combine: np.ufunc, first: float) -> tuple[Nodes, Array]:
    """Without the first trees that are no more than a leaf, and what those say of each output."""
    base = np.full(leaves.shape[1], first, leaves.dtype)
    bare = np.logical_and.accumulate(nodes.tests[nodes.roots] == LEAF)
    for said in leaves[nodes.yes[nodes.roots[bare]]]:
        base = np.where(np.isnan(said), base, combine(base, said))
    return replace(nodes, roots=nodes.roots[~bare]), base


def _counts(marked: Array, roots: Array) -> Array:
    """How many nodes of each tree are marked."""
    before = np.append(0, np.cumsum(marked))
    return np.diff(before[np.append(roots, len(marked))])


def _narrowed(leaves: Array, trees: Array, count: int) -> tuple[Array, Array]:
    """The first target of each tree, and leaves of one number if no tree is for several targets."""
    said = np.zeros((count, leaves.shape[1]), bool)
    np.logical_or.at(said, trees, ~np.isnan(leaves))
    if (said.sum(1) > 1).any():
        return np.zeros(count, np.int64), leaves
    targets = said.argmax(1)
    return targets, leaves[np.arange(len(leaves)), targets[trees]][:, None]


def _integers(arrays: Mapping[str, Any]) -> dict[str, Array]:
    return {name: np.asarray(a).astype(np.int32) for name, a in arrays.items()}


def _ordered(nodes: Nodes) -> Nodes:
    """The same with tests that hold below a value, and for sets: yes where no member is, or below.

    x > 3 has its children changed, and so has a test for a member, whose rank is 1 in the set.
    """
    swap = np.isin(nodes.tests, (GT, GTE, EQ, *SETS))
    tests = np.array([LEQ, LT, LT, LEQ, MEMBER, MEMBER, MEMBER, WITHIN, LEAF])[nodes.tests]
    single = np.flatnonzero(np.isin(nodes.tests, (EQ, NEQ)))
    members = {int(n): (float(nodes.values[n]),) for n in single} | dict(nodes.members)
    missing = (nodes.missing.astype(bool) | (nodes.tests == NEQ)) ^ swap  # NaN is no number
    return replace(
        nodes,
        tests=tests,
        yes=np.where(swap, nodes.no, nodes.yes),
        no=np.where(swap, nodes.yes, nodes.no),
        missing=np.where(nodes.missing == AS_ZERO, AS_ZERO, missing),
        members=members,
    )


def _picked(nodes: Nodes, order: Array) -> Nodes:
    kept = {f.name: getattr(nodes, f.name)[order] for f in fields(nodes)[:6]}
    sets = np.flatnonzero(np.isin(kept["tests"], SETS)).tolist()
    members = {new: nodes.members[int(order[new])] for new in sets}
    return Nodes(**kept, roots=nodes.roots, members=members)


def _laid_out(nodes: Nodes) -> tuple[Array, Array, Array, Array]:
    """Tree by tree, in each level by level: the old number of each node and its first child's new
    one, then the trees' depths and roots. What several nodes lead to is there several times.
    """
    level, trees = nodes.roots.astype(np.int64), np.arange(len(nodes.roots))
    depths = np.zeros(len(level), np.int64)
    order, owner, child = [level], [trees], []
    total = depth = 0
    while len(level):
        inner = nodes.tests[level] != LEAF
        total += len(level)
        child.append(np.where(inner, total + 2 * (np.cumsum(inner) - 1), 0))
        depths[trees] = depth
        depth += 1
        level = np.stack([nodes.yes[level[inner]], nodes.no[level[inner]]], 1).reshape(-1)
        trees = np.repeat(trees[inner], 2)
        order.append(level)
        owner.append(trees)
        if depth > len(nodes.tests):
            raise ModelError("a tree has a circle")
        if total + len(level) > MAX_NODES:
            raise ModelError(f"the trees have more than {MAX_NODES} nodes")
    every, by_tree = np.concatenate(order), np.argsort(np.concatenate(owner), kind="stable")
    place = np.empty(total + 1, np.int64)
    place[by_tree] = np.arange(total)
    made = np.concatenate([*child, np.zeros(0, np.int64)])
    return every[by_tree], place[made][by_tree], depths, place[: len(nodes.roots)]


def _columns(nodes: Nodes, inner: Array, dtype: str) -> tuple[dict[str, Array], Array, Array]:
    """The columns, and for each of the nodes `inner` its column and its cut."""
    sets = {n: _set_bounds(nodes.tests[n], m, dtype) for n, m in nodes.members.items()}
    known: dict[bytes, int] = {}
    kind = [known.setdefault(sets[n].tobytes(), len(known) + 1) if n in sets else 0 for n in inner]
    keys = np.stack([nodes.features[inner], kind, nodes.missing[inner]], 1).astype(np.int64)
    columns, number = np.unique(keys.reshape(-1, 3), axis=0, return_inverse=True)
    number = number.reshape(-1)
    values = _bounds(nodes.values[inner], nodes.tests[inner], dtype)
    distinct = {k: np.frombuffer(data, dtype) for data, k in known.items()}
    starts, bounds, cut = [0], [], np.zeros(len(inner), np.int64)
    by_column = np.split(np.argsort(number, kind="stable"), np.bincount(number).cumsum()[:-1])
    for (_, which, _), mine in zip(columns, by_column if len(columns) else [], strict=True):
        if which:
            bounds.append(distinct[int(which)])
        else:
            unique, cut[mine] = np.unique(values[mine], return_inverse=True)
            bounds.append(unique)
        starts.append(starts[-1] + len(bounds[-1]))
    parity = columns[:, 1] > 0
    reached = np.array([np.searchsorted(b, 0.0, side="right") for b in bounds], np.int64)
    zero = np.where(parity, reached % 2, reached)
    usual = np.where(columns[:, 2] > 0, 0, np.where(parity, 1, np.diff(starts)))
    missing = np.where(columns[:, 2] == AS_ZERO, zero, usual)
    made = {"features": columns[:, 0], "starts": starts, "parity": parity, "missing": missing}
    flat = np.concatenate([*bounds, np.zeros(0)]).astype(dtype)
    return {**_integers(made), "bounds": flat}, number, cut


def _bounds(values: Array, tests: Array, dtype: str) -> Array:
    """b where x >= b says that the test fails. NaN is never reached: everything is <= infinity."""
    typed = values.astype(dtype)
    above = np.nextafter(typed, np.asarray(np.inf, dtype))
    above = np.where(typed == np.inf, np.nan, above)
    below = np.where(np.isnan(typed), -np.inf, typed)  # nothing is below NaN
    return np.where(tests == LEQ, np.where(np.isnan(typed), -np.inf, above), below).astype(dtype)


def _set_bounds(test: int, members: Sequence[float] | Array, dtype: str) -> Array:
    """Where a set's intervals begin and end: the rank is odd in it."""
    values = np.asarray(members, dtype)
    if test == WITHIN:
        return values
    values = np.unique(values[~np.isnan(values)])
    ends = np.stack([values, np.nextafter(values, np.asarray(np.inf, dtype))], 1).reshape(-1)
    kept, counts = np.unique(ends, return_counts=True)
    kept = kept[counts == 1]
    return kept if len(kept) else np.array([np.nan], dtype)
