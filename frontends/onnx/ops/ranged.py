"""Operators along one axis with a place for each element: running products, reversals, caches."""

import math

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import (
    Builder,
    R,
    Table,
    Value,
    axis_of,
    dtype,
    integers,
    rank,
    shape,
)

MAX_MATRIX = 32  # rows of a determinant, which is written out


def cumulative_product(
    b: Builder, x: Value, axis: Value, *, exclusive: int = 0, reverse: int = 0
) -> Value:
    """By doubling: after the step d each element is the product of the 2d up to it."""
    along = axis_of(integers(axis, "axis")[0], rank(x))
    x = b(R.flip, x, axis=along) if reverse else x
    length = shape(x)[along]
    if exclusive:
        x = _shifted(b, x, along, 1)
    distance = 1
    while distance < length:
        x = b(R.multiply, x, _shifted(b, x, along, distance))
        distance *= 2
    return b(R.flip, x, axis=along) if reverse else x


def _shifted(b: Builder, x: Value, axis: int, distance: int) -> Value:
    """Ones come in where elements move on."""
    ones = list(shape(x))
    ones[axis] = distance
    spans = [range(d) for d in shape(x)]
    spans[axis] = range(shape(x)[axis] - distance)
    lead = np.ones(ones, dtype(x))
    return b.concat([lead, b.pick(x, spans)], axis) if spans[axis] else lead


def reverse_sequence(
    b: Builder, x: Value, lengths: Value, *, batch_axis: int = 1, time_axis: int = 0
) -> Value:
    """The first lengths[n] elements of row n in reverse, the rest as they are."""
    batch, time = axis_of(batch_axis, rank(x)), axis_of(time_axis, rank(x))
    if {batch, time} != {0, 1}:
        raise ModelError("attributes batch_axis and time_axis must be 0 and 1")
    order = [time, batch, *range(2, rank(x))]
    moved = b.transpose(x, order)
    steps, rows, *rest = shape(moved)
    wide = math.prod(rest)
    step = np.arange(steps).reshape(-1, 1)
    count = b.cast(b.reshape(lengths, (1, rows)), "int64")
    back = b(R.subtract, b(R.subtract, count, 1), step)
    place = b(R.where, b(R.less, step, count), back, step)
    index = b(R.broadcast_to, b.reshape(place, (steps, rows, 1)), shape=(steps, rows, wide))
    flat = b.reshape(moved, (steps, rows, wide))
    y = b.reshape(b(R.gather_elements, flat, index, axis=0), shape(moved))
    return b.transpose(y, order)


def tensor_scatter(
    b: Builder,
    past: Value,
    update: Value,
    starts: Value | None = None,
    *,
    axis: int = -2,
    mode: str = "linear",
) -> Value:
    """past with update written from starts[n] on in each row n, around the end if circular."""
    if mode not in ("linear", "circular"):
        raise ModelError(f"attribute mode is '{mode}'; known are linear, circular")
    along = axis_of(axis, rank(past))
    total, count = shape(past)[along], shape(update)[along]
    if along == 0:
        raise ModelError("attribute axis must not be the batch's")
    rows = shape(past)[0]
    first: Value = np.zeros(rows, np.int64) if starts is None else b.cast(starts, "int64")
    first = b.reshape(first, (rows,) + (1,) * (rank(past) - 1))
    place = np.arange(total).reshape((-1,) + (1,) * (rank(past) - along - 1))
    source = b(R.subtract, place, first)
    source = b(R.floor_mod, source, total) if mode == "circular" else source
    inside = b(R.logical_and, b(R.greater_equal, source, 0), b(R.less, source, count))
    near = b(R.maximum, b(R.minimum, source, count - 1), 0)
    index = b(R.broadcast_to, near, shape=shape(past))
    return b(R.where, inside, b(R.gather_elements, update, index, axis=along), past)


def determinant(b: Builder, x: Value) -> Value:
    """Elimination with the largest element of each column as its pivot."""
    *batch, size, columns = shape(x)
    if size != columns or size > MAX_MATRIX:
        raise ModelError(f"matrices of {size} x {columns}; square ones to {MAX_MATRIX} compile")
    count = math.prod(batch)
    rest, result = b.reshape(x, (count, size, size)), None
    one, minus = np.asarray(1, dtype(x)), np.asarray(-1, dtype(x))
    for n in range(size, 0, -1):
        spans = [range(count), range(n), range(1)]
        first = b.pick(rest, spans)
        best = b(R.argmax, b(R.abs, first), axis=1, keepdims=True)
        rows = np.arange(n).reshape(1, n, 1)
        swapped = b(R.where, b(R.equal, rows, best), np.zeros((1, 1, 1), np.int64), rows)
        order = b(R.where, np.equal(rows, 0), best, swapped)
        index = b(R.broadcast_to, order, shape=(count, n, n))
        rest = b(R.gather_elements, rest, index, axis=1)
        pivot = b.pick(rest, [range(count), range(1), range(1)])
        sign = b(R.where, b(R.equal, best, 0), one, minus)
        factor = b(R.multiply, pivot, sign)
        result = factor if result is None else b(R.multiply, result, factor)
        if n > 1:
            below = b.pick(rest, [range(count), range(1, n), range(1)])
            top = b.pick(rest, [range(count), range(1), range(1, n)])
            safe = b(R.where, b(R.equal, pivot, 0), one, pivot)
            corner = b.pick(rest, [range(count), range(1, n), range(1, n)])
            rest = b(R.subtract, corner, b(R.multiply, b(R.divide, below, safe), top))
    assert result is not None
    return b.reshape(result, batch)


OPS: Table = {
    "CumProd": cumulative_product,
    "Det": determinant,
    "ReverseSequence": reverse_sequence,
    "TensorScatter": tensor_scatter,
}
