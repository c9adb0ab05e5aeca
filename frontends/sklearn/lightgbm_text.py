"""LightGBM's text of a model, as nodes and leaves; for a script of confined.py.

    tree                    lines of the whole: key=value, or a key alone
    objective=binary sigmoid:1

    Tree=0                  and of each tree, up to an empty one
    left_child=1 -1         a node's number, or a leaf's: -1 is leaf 0

It is written by SaveModelToString and by Tree::ToString of LightGBM, and what its numbers mean is
said by Decision of its include/LightGBM/tree.h.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from frontends.nodes import AS_ZERO, LEAF, LEQ, WITHIN, Array, Nodes
from frontends.sklearn.reading import Refused
from frontends.sklearn.trees import Grown, below, together

CATEGORICAL, DEFAULT_LEFT, ABSENT = 1, 2, 2  # of decision_type: two bits, and where two more are
NONE, ZERO = 0, 1  # what counts as missing; else NaN does
SMALL = float(np.float32(1e-35))  # what is no larger is zero
MOST = 1 << 26  # numbers in the table of leaves
Lines = Mapping[str, str]


class Boosted(NamedTuple):
    """features: how many. targets: outputs, each with a tree in every iteration. objective: its
    name and settings. averaged: whether sums are divided by the number of iterations.
    """

    trees: Sequence[Grown]
    features: int
    targets: int
    objective: Sequence[str]
    averaged: bool

    def iterations(self, most: int) -> int:
        """most: to use; all, where it is not positive."""
        count = len(self.trees) // self.targets
        return min(most, count) if most > 0 else count

    def grown(self, iterations: int) -> Grown:
        return together(self.trees[: iterations * self.targets])


def read(text: str) -> Boosted:
    """Raises Refused for what is no such text."""
    try:
        return _read(text)
    except (KeyError, ValueError, OverflowError) as error:
        raise Refused(f"LightGBM's model cannot be read: {str(error)[:100]}.") from None


def without_places(text: str) -> str:
    """Without the sizes of trees, which tell where to read them."""
    return re.sub("^tree_sizes=.*\n", "", text, count=1, flags=re.MULTILINE)


def _read(text: str) -> Boosted:
    whole, *parts = text.partition("\nend of trees")[0].split("\nTree=")
    head = _lines(whole.split("\n"))
    targets = int(head.get("num_tree_per_iteration", head["num_class"]))
    features = int(head["max_feature_idx"]) + 1
    if targets < 1 or not parts or len(parts) % targets:
        raise Refused(f"LightGBM's model has {len(parts)} trees for {targets} outputs.")
    if features != len(head["feature_names"].split(" ")):
        raise Refused("LightGBM's model does not name each of its features.")
    trees = [_lines(takewhile(bool, part.split("\n")[1:])) for part in parts]
    leaves = [_leaves(tree) for tree in trees]
    if sum(map(len, leaves)) * targets > MOST:
        raise Refused(f"LightGBM's model has more leaves than compile for {targets} outputs.")
    grown = [
        (_nodes(tree, len(values), features), _of_target(values, n % targets, targets))
        for n, (tree, values) in enumerate(zip(trees, leaves, strict=True))
    ]
    objective = head.get("objective", "").split()
    return Boosted(grown, features, targets, objective, "average_output" in head)


def _lines(lines: Any) -> Lines:
    parted = (line.partition("=") for line in lines)
    return {key: value for key, _, value in parted}


def _leaves(tree: Lines) -> Array:
    if tree.get("is_linear", "0") != "0":
        raise Refused("LightGBM's model has linear functions in its leaves (linear_tree).")
    return _numbers(tree, "leaf_value", int(tree["num_leaves"]), np.float64)


def _numbers(tree: Lines, name: str, count: int, kind: type = np.int64) -> Array:
    made: Array = np.array(tree[name].split(), kind)
    if len(made) != count:
        raise Refused(f"LightGBM's model has a tree with {len(made)} of {count} {name}.")
    return made


def _of_target(values: Array, target: int, targets: int) -> Array:
    made = np.full((len(values), targets), np.nan)
    made[:, target] = values
    return made


def _nodes(tree: Lines, leaves: int, features: int) -> Nodes:
    """Inner nodes, then leaves."""
    inner = leaves - 1
    if inner < 0:
        raise Refused("LightGBM's model has a tree without leaves.")
    first, second = (
        _numbers(tree, f"{side}_child", inner) if inner else np.zeros(0, np.int64)
        for side in ("left", "right")
    )
    led = np.append(first, second)
    led = np.where(led < 0, inner + ~led, led)
    if sorted(led.tolist()) != list(range(1, inner + leaves)):
        raise Refused("LightGBM's model has nodes that do not make a tree.")
    feature = _numbers(tree, "split_feature", inner) if inner else first
    if ((feature < 0) | (feature >= features)).any():
        raise Refused(f"LightGBM's model asks for a feature that is not among its {features}.")
    tests = _tests(tree, inner) if inner else Tests(first, first, first, {})
    nothing = np.zeros(leaves, np.int64)
    return Nodes(
        tests=np.append(tests.kinds, np.full(leaves, LEAF)),
        features=np.append(feature, nothing),
        values=np.append(tests.values, nothing),
        yes=np.append(led[:inner], np.arange(leaves)),
        no=np.append(led[inner:], nothing),
        missing=np.append(tests.missing, nothing),
        roots=np.zeros(1, np.int64),
        members=tests.members,
    )


class Tests(NamedTuple):
    """Of the inner nodes of a tree, as in Nodes."""

    kinds: Array
    values: Array
    missing: Array
    members: Mapping[int, Array]


def _tests(tree: Lines, inner: int) -> Tests:
    """A missing number is zero, where the node says nothing else of it."""
    decisions = _numbers(tree, "decision_type", inner)
    thresholds = _numbers(tree, "threshold", inner, np.float64)
    absent, left = decisions >> ABSENT & 3, decisions & DEFAULT_LEFT > 0
    sets = (decisions & CATEGORICAL > 0) & (int(tree["num_cat"]) > 0)
    values = below(np.where(sets, 0.0, thresholds))
    # What is so small that it is zero is on zero's side.
    values = np.where((values >= 0) & (values < SMALL), SMALL, values)
    values = np.where((values < 0) & (values >= -SMALL), -_next(SMALL), values)
    members = _sets(tree, {int(n): int(thresholds[n]) for n in np.flatnonzero(sets)})
    for n in np.flatnonzero(~sets & (absent == ZERO)).tolist():
        values[n], bounds = _with_zero(float(values[n]), bool(left[n]))
        if bounds:
            members[n] = np.array(bounds)
    within = np.isin(np.arange(inner), list(members))
    return Tests(
        kinds=np.where(within, WITHIN, LEQ),
        values=values,
        missing=np.where(sets, 0, np.where(absent == NONE, AS_ZERO, left)),
        members=members,
    )


def _with_zero(value: float, left: bool) -> tuple[float, Sequence[float]]:
    """x <= value of all x but zeros, which go left or right: the value to compare with, or, where
    zeros are apart from their side, the bounds of what goes left.
    """
    if left:
        if value >= -SMALL:
            return max(value, SMALL), ()
        return 0.0, (-np.inf, _next(value), -SMALL, _next(SMALL))
    if value <= SMALL:
        return min(value, -_next(SMALL)), ()
    return 0.0, (-np.inf, -SMALL, _next(SMALL), _next(value))


def _next(value: float) -> float:
    return float(np.nextafter(np.float32(value), np.float32(np.inf)))


def _sets(tree: Lines, places: Mapping[int, int]) -> dict[int, Array]:
    """Of each node the bounds of the numbers whose whole part is in its set."""
    if not places:
        return {}
    count = int(tree["num_cat"])
    starts = _numbers(tree, "cat_boundaries", count + 1)
    words = _numbers(tree, "cat_threshold", int(starts[-1])).astype("<u4")
    if starts[0] or (np.diff(starts) < 0).any() or not all(0 <= n < count for n in places.values()):
        raise Refused("LightGBM's model has a set of categories that is not there.")
    return {node: _bounds(words[starts[n] : starts[n + 1]]) for node, n in places.items()}


def _bounds(words: Array) -> Array:
    """Where numbers enter the set of these bits, and where they leave it."""
    held = np.unpackbits(words.view(np.uint8), bitorder="little")
    changes = np.flatnonzero(np.diff(held, prepend=0, append=0))
    exact = changes.astype(np.float32)
    above = np.where(exact < changes, np.nextafter(exact, np.float32(np.inf)), exact)
    # What is above -1 has the whole part 0.
    return np.where(changes == 0, np.nextafter(np.float32(-1), np.float32(0)), above)
