"""Rows of operators that only move elements: transposes, slices, joins, gathers, and their like."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.fuzz.drawing import FLOATS, Drawing, Shape, Value
from benchmarks.fuzz.elements import Row
from benchmarks.fuzz.oracle import Declined


def has_axes(value: Value) -> bool:
    return value.rank > 0


def axis_of(g: Drawing, x: Value) -> int:
    """Counted from either end."""
    return g.chance.randrange(-x.rank, x.rank)


def integers(g: Drawing, numbers: object) -> Value:
    return g.constant(np.asarray(numbers, "int64").reshape(-1))


def transpose(g: Drawing) -> None:
    x = g.pick(lambda v: v.rank > 1)
    perm = list(range(x.rank))
    if g.chance.random() < 0.3:
        g.node("Transpose", x)
    elif x.rank == 4 and g.chance.random() < 0.5:
        g.node("Transpose", x, perm=g.chance.choice([[0, 2, 3, 1], [0, 3, 1, 2], [0, 1, 3, 2]]))
    else:
        g.chance.shuffle(perm)
        g.node("Transpose", x, perm=perm)


def factors(g: Drawing, total: int) -> list[int]:
    """Some whose product it is."""
    shape: list[int] = []
    while total > 1 and len(shape) < 3:
        part = g.chance.choice([d for d in range(1, total + 1) if total % d == 0])
        shape.append(part)
        total //= part
    return [*shape, total]


def reshape(g: Drawing) -> None:
    x = g.pick(lambda v: v.array.size > 0)
    style = g.chance.random()
    if style < 0.3 and x.rank > 0:
        g.node("Flatten", x, axis=g.chance.randint(0, x.rank))
        return
    if style < 0.5 and x.rank > 1:  # neighbours joined
        at = g.chance.randrange(x.rank - 1)
        shape = [*x.shape[:at], x.shape[at] * x.shape[at + 1], *x.shape[at + 2 :]]
    elif style < 0.7 and x.rank:  # one split
        at = g.chance.randrange(x.rank)
        shape = [*x.shape[:at], *factors(g, x.shape[at]), *x.shape[at + 1 :]]
    else:
        shape = factors(g, x.array.size)
        g.chance.shuffle(shape)
    if shape and g.chance.random() < 0.3:
        shape[g.chance.randrange(len(shape))] = -1
    if len(shape) <= 6:
        g.node("Reshape", x, integers(g, shape))


def squeeze(g: Drawing) -> None:
    x = g.pick(lambda v: 1 in v.shape and v.rank > 1)
    ones = [n for n, d in enumerate(x.shape) if d == 1]
    g.node("Squeeze", x, integers(g, g.chance.sample(ones, g.chance.randint(1, len(ones)))))


def unsqueeze(g: Drawing) -> None:
    x = g.pick(lambda v: v.rank < 5)
    g.node("Unsqueeze", x, integers(g, g.chance.randrange(-x.rank - 1, x.rank + 1)))


def concat(g: Drawing) -> None:
    x = g.pick(has_axes)
    axis = axis_of(g, x)

    def fits(v: Value) -> bool:
        return (v.dtype, without(v.shape, axis)) == (x.dtype, without(x.shape, axis))

    parts = [x, *(g.pick(fits) for _ in range(g.chance.randint(0, 2)))]
    if g.chance.random() < 0.3 or len(parts) == 1:
        shape = list(x.shape)
        shape[axis] = g.chance.choice([1, 2, 3, 8])
        parts.append(g.constant(g.random(shape, x.dtype)))
    g.chance.shuffle(parts)
    g.node("Concat", *parts, axis=axis)


def without(shape: Shape, axis: int) -> Shape | None:
    if not -len(shape) <= axis < len(shape):
        return None
    axis %= len(shape)
    return (*shape[:axis], -1, *shape[axis + 1 :])


def split(g: Drawing) -> None:
    """Into parts that are joined again in another order, or go their own ways."""
    x = g.pick(lambda v: v.rank > 0 and max(v.shape) > 1)
    axis = g.chance.choice([n for n, d in enumerate(x.shape) if d > 1])
    length = x.shape[axis]
    count = g.chance.randint(2, min(3, length))
    cuts = sorted(g.chance.sample(range(1, length), count - 1))
    sizes = np.diff([0, *cuts, length])
    parts = g.several(
        "Split", count, x, integers(g, sizes), axis=axis - g.chance.choice([0, x.rank])
    )
    if g.chance.random() < 0.4:
        g.chance.shuffle(parts)
        g.node("Concat", *parts, axis=axis)


def cut(g: Drawing) -> None:
    x = g.pick(has_axes)
    axes = g.chance.sample(range(x.rank), g.chance.randint(1, min(2, x.rank)))
    starts, ends, steps = [], [], []
    for axis in axes:
        length = x.shape[axis]
        step = g.chance.choice([1, 1, 1, 2, 3, -1, -2])
        low = g.chance.randint(0, max(0, length - 1))
        high = g.chance.randint(low, length) if g.chance.random() < 0.9 else 2**31
        if g.chance.random() < 0.95:
            high = max(high, low + 1)
        start, end = (low, high) if step > 0 else (high - 1, low - 1)
        starts.append(start if g.chance.random() < 0.6 else start - length)
        ends.append(end if end >= 0 else -length - 1)
        steps.append(step)
    g.node("Slice", x, *(integers(g, n) for n in (starts, ends, axes, steps)))


def pad(g: Drawing) -> None:
    x = g.pick(lambda v: v.rank > 0 and v.array.size > 0 and v.dtype in (*FLOATS, "int32", "int64"))
    mode = g.chance.choice(["constant", "constant", "reflect", "edge"])
    most = [min(2, d - 1) if mode == "reflect" else 2 for d in x.shape]
    pads = [g.chance.randint(0, m) if g.chance.random() < 0.5 else 0 for m in (*most, *most)]
    if mode == "constant" and g.chance.random() < 0.2:
        pads = [p - 1 for p in pads]
    fill = [g.constant(g.chance.choice([0, 1, -2]), x.dtype)] if g.chance.random() < 0.5 else []
    g.node("Pad", x, integers(g, pads), *(fill if mode == "constant" else ()), mode=mode)


def gather(g: Drawing) -> None:
    x = g.pick(has_axes)
    axis = axis_of(g, x)
    length = x.shape[axis]
    if not length:
        raise Declined
    shape = g.chance.choice([(), (1,), (3,), (2, 2), (5,)])
    chosen = np.asarray(g.numbers.integers(-length, length, shape), "int64")
    g.node("Gather", x, g.constant(chosen), axis=axis)


def gather_given(g: Drawing) -> None:
    """By indices that are known at run time only."""
    x = g.pick(lambda v: v.rank > 0 and 0 not in v.shape)
    axis = axis_of(g, x)
    length = x.shape[axis]
    at = g.input(
        np.asarray(g.numbers.integers(-length, length, g.chance.choice([(), (3,), (2, 2)])))
    )
    g.node("Gather", x, at, axis=axis)


def gather_elements(g: Drawing) -> None:
    x = g.pick(lambda v: v.rank > 0 and v.array.size > 0)
    axis = axis_of(g, x)
    shape = list(x.shape)
    shape[axis] = g.chance.randint(1, 4)
    at = np.asarray(g.numbers.integers(0, x.shape[axis], shape), "int64")
    g.node("GatherElements", x, g.constant(at), axis=axis)


def scatter(g: Drawing) -> None:
    x = g.pick(lambda v: v.rank > 0 and v.array.size > 0 and v.dtype in FLOATS)
    rows = g.numbers.permutation(x.shape[0])[: g.chance.randint(1, x.shape[0])]
    if g.chance.random() < 0.5:
        updates = g.constant(g.random((len(rows), *x.shape[1:]), x.dtype))
        g.node("ScatterND", x, g.constant(np.asarray(rows[:, None], "int64")), updates)
    else:
        at = np.broadcast_to(rows.reshape(-1, *[1] * (x.rank - 1)), (len(rows), *x.shape[1:]))
        updates = g.constant(g.random(at.shape, x.dtype))
        g.node("ScatterElements", x, g.constant(np.array(at, "int64")), updates, axis=0)


def expand(g: Drawing) -> None:
    x = g.pick(lambda v: 1 in v.shape or v.rank < 4)
    shape = [g.chance.choice([2, 3, 8]) if d == 1 else d for d in x.shape]
    if g.chance.random() < 0.4:
        shape = [g.chance.choice([1, 2, 3]), *shape]
    g.node("Expand", x, integers(g, shape))


def tile(g: Drawing) -> None:
    x = g.pick(has_axes)
    g.node("Tile", x, integers(g, [g.chance.choice([1, 1, 2, 3]) for _ in x.shape]))


def shape_arithmetic(g: Drawing) -> None:
    """A reshape whose target the graph computes from a shape, as exporters write it."""
    x = g.pick(lambda v: v.rank > 1 and math.prod(v.shape) > 0)
    first = g.node("Gather", g.node("Shape", x), g.constant([0], "int64"), axis=0)
    g.node("Reshape", x, g.node("Concat", first, g.constant([-1], "int64"), axis=0))


def triangle(g: Drawing) -> None:
    x = g.pick(lambda v: v.rank > 1)
    g.node("Trilu", x, g.constant(g.chance.randint(-2, 2), "int64"), upper=g.chance.randint(0, 1))


ROWS: tuple[Row, ...] = (
    (5, transpose),
    (5, reshape),
    (2, squeeze),
    (2, unsqueeze),
    (4, concat),
    (4, split),
    (4, cut),
    (3, pad),
    (2, gather),
    (1, gather_given),
    (1, gather_elements),
    (1, scatter),
    (2, expand),
    (1, tile),
    (1, shape_arithmetic),
    (0.5, triangle),
)
