"""Concatenations of memory without a copy: which values stand side by side in one buffer.

    neoc.join(a, b, c)      the bytes of a, b and c, which are written there in the first place
    neoc.part(x, [start])   bytes of x from an element on

The pass join_parts emits both, and copies of what cannot be written in place; the plan gives the
parts of a join their places. Of joins that share parts the longest decides: those of a dense block,
each a prefix of the next, are one buffer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tvm import relax

from compiler.kernels.operators import dtype_of, shape_of


@dataclass(frozen=True)
class Place:
    """`offset` bytes into the join `root`."""

    root: relax.Var
    offset: int


@dataclass(frozen=True)
class Places:
    """Of the parts and the joins. copied: (join, number of a part) for parts that another join, or
    the same one, holds already.
    """

    of: Mapping[relax.Var, Place]
    copied: frozenset[tuple[relax.Var, int]]


def nbytes(expr: relax.Expr) -> int:
    return int(np.prod(shape_of(expr), dtype=np.int64)) * np.dtype(dtype_of(expr)).itemsize


def place_joins(joins: Mapping[relax.Var, Sequence[relax.Expr]], fixed: set[relax.Var]) -> Places:
    """fixed: values that have a place of their own."""
    places: dict[relax.Var, Place] = {}
    copied: set[tuple[relax.Var, int]] = set()
    for join, parts in sorted(joins.items(), key=lambda item: -nbytes(item[0])):
        inside = _run(parts, places)
        if inside is not None:
            places[join] = inside
            continue
        offset = 0
        for number, part in enumerate(parts):
            if not isinstance(part, relax.Var) or part in places or part in fixed:
                copied.add((join, number))
            else:
                places[part] = Place(join, offset)
            offset += nbytes(part)
        places[join] = Place(join, 0)
    return Places(places, frozenset(copied))


def _run(parts: Sequence[relax.Expr], places: Mapping[relax.Var, Place]) -> Place | None:
    """Where the parts stand one behind the other, if they do."""
    first = places.get(parts[0])
    offset = first.offset if first else 0
    for part in parts:
        if first is None or places.get(part) != Place(first.root, offset):
            return None
        offset += nbytes(part)
    return first
