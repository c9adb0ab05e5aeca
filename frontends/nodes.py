"""Trees as their readers find them, with any kind of test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LEQ, LT, GTE, GT, EQ, NEQ, MEMBER = range(7)  # tests, numbered as by ONNX
WITHIN = 7
LEAF = -1
AS_ZERO = 2  # of `missing`


@dataclass(frozen=True)
class Nodes:
    """tests: of each node; LEAF for a leaf, whose `yes` is the leaf's number. missing: whether NaN
    leads to yes, or AS_ZERO to where zero does. members: the sets of the nodes that test for
    MEMBER, and for WITHIN ascending bounds: yes leads an x that reaches an odd number of them.
    """

    tests: Array
    features: Array
    values: Array
    yes: Array
    no: Array
    missing: Array
    roots: Array
    members: Mapping[int, Sequence[float] | Array] = field(default_factory=dict)


def joined(trees: Sequence[Nodes]) -> Nodes:
    """One behind the other. The numbers of nodes and of leaves go on."""
    made: dict[str, list[Array]] = {}
    members: dict[int, Sequence[float] | Array] = {}
    start = leaves = 0
    for tree in trees:
        leaf = tree.tests == LEAF
        for name in ("tests", "features", "values", "missing"):
            made.setdefault(name, []).append(getattr(tree, name))
        made.setdefault("yes", []).append(tree.yes + np.where(leaf, leaves, start))
        made.setdefault("no", []).append(np.where(leaf, 0, tree.no + start))
        made.setdefault("roots", []).append(tree.roots + start)
        members |= {start + n: values for n, values in tree.members.items()}
        start += len(leaf)
        leaves += int(leaf.sum())
    return Nodes(**{name: np.concatenate(parts) for name, parts in made.items()}, members=members)
