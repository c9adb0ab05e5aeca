"""What is chosen of a tensor by its data: results of a size that is known at run time.

They are as large as they may become, with their length beside them (see frontends/onnx/padded/).
"""

import math

import numpy as np
from tvm import relax

from frontends.model import ModelError
from frontends.onnx.builder import (
    Builder,
    R,
    Table,
    Value,
    axis_of,
    dtype,
    is_float,
    rank,
    shape,
    size,
)


def chosen(b: Builder, mask: Value) -> tuple[Value, Value]:
    """Where a mask is true, counted through the whole of it, then zeros; and how often. What is
    chosen by one mask has one length.
    """

    def make() -> tuple[Value, Value]:
        places = b.own("neoc.places", [mask], (size(mask),), "int64")
        return places, b(R.sum, b.cast(mask, "int64"))

    return b.once(("chosen", mask), make)


def non_zero(b: Builder, x: Value) -> Value:
    """[rank, places]: a row for each axis."""
    dims = shape(x) or (1,)
    mask = x if dtype(x) == "bool" else b.once(("not zero", x), lambda: b(R.not_equal, x, 0))
    places, count = chosen(b, mask)
    found = b.concat([b.reshape(v, (1, size(x))) for v in _coordinates(b, places, dims)], 0)
    return b.padded(found, {1: count})


def _coordinates(b: Builder, places: Value, dims: tuple[int, ...]) -> list[Value]:
    """Places in a whole tensor as one along each axis."""
    made = []
    for axis, extent in enumerate(dims):
        step = math.prod(dims[axis + 1 :])
        along = b(R.floor_divide, places, step) if step > 1 else places
        made.append(b(R.floor_mod, along, extent) if axis else along)
    return made


def compress(b: Builder, x: Value, condition: Value, *, axis: int | None = None) -> Value:
    """A condition may be shorter than the axis: it does not choose what is behind it."""
    if axis is None:
        x, axis = b.reshape(x, (size(x),)), 0
    axis = axis_of(axis, rank(x))
    if size(condition) > shape(x)[axis]:
        raise ModelError(f"{size(condition)} conditions for {shape(x)[axis]} elements")
    if isinstance(condition, np.ndarray):
        return b.take(x, np.flatnonzero(condition), axis)
    places, count = chosen(b, condition)
    return b.padded(b.take(x, places, axis), {axis: count})


def unique(
    b: Builder, x: Value, *, axis: int | None = None, sorted: int = 1
) -> tuple[Value, Value, Value, Value]:
    """Equal elements stand side by side in ascending order; the first of them is where one of the
    results begins. Unsorted: the results in the order of their first appearance.
    """
    if axis is None:
        x = b.reshape(x, (size(x),))
    along = axis_of(axis or 0, rank(x))
    count = shape(x)[along]
    front = [along, *(n for n in range(rank(x)) if n != along)]
    rows = b.reshape(b.transpose(x, front), (count, size(x) // count))
    order = b.own("neoc.order", [rows], (count,), "int64")
    begins = _begins(b, b.take(rows, order, 0))
    group, length = _running(b, begins), b(R.sum, begins)
    spots, _ = chosen(b, b(R.not_equal, begins, 0))
    first = b.take(order, spots, 0)
    inverse = _put(b, count, order, group)
    if not sorted:
        appears = _put(b, count, first, np.ones(count, np.int64))
        rank_of = b.take(_running(b, appears), first, 0)
        first, _ = chosen(b, b(R.not_equal, appears, 0))
        inverse = b.take(rank_of, inverse, 0)
    counts = _put(b, count, inverse, np.ones(count, np.int64), "add")
    made = b.padded(b.take(x, first, along), {along: length})
    return made, b.padded(first, {0: length}), inverse, b.padded(counts, {0: length})


def _begins(b: Builder, rows: Value) -> Value:
    """1 for each row that differs from the one before it; NaN is equal to NaN."""
    count, width = shape(rows)
    if count == 1:
        return np.ones(1, np.int64)
    above, below = (b.pick(rows, [range(n, count - 1 + n), range(width)]) for n in range(2))
    differs = b(R.not_equal, above, below)
    if is_float(rows):
        both = b(R.logical_and, b(R.isnan, above), b(R.isnan, below))
        differs = b(R.logical_and, differs, b(R.logical_not, both))
    some = b(R.max, b.cast(differs, "int32"), axis=[1])
    return b.concat([np.ones(1, np.int64), b.cast(some, "int64")], 0)


def _running(b: Builder, flags: Value) -> Value:
    """How many flags there are before each place, and at it, less one."""
    return b(R.subtract, b(R.cumsum, flags, axis=0, dtype="int64"), 1)


def _put(b: Builder, count: int, at: Value, values: Value, how: str = "update") -> Value:
    zeros = np.zeros(count, np.int64)
    return b(R.scatter_elements, zeros, at, values, axis=0, reduction=how)


def non_max_suppression(
    b: Builder,
    boxes: Value,
    scores: Value,
    most: Value | None = None,
    overlap: Value | None = None,
    threshold: Value | None = None,
    *,
    center_point_box: int = 0,
) -> Value:
    """[results, 3]: image, class and box of each."""
    images, classes, count = shape(scores)
    limit = np.zeros(1, np.int64) if most is None else b.reshape(b.cast(most, "int64"), (1,))
    wanted = max(int(limit[0]), 0) if isinstance(limit, np.ndarray) else count
    width = min(count, wanted)
    if not width:
        return np.zeros((0, 3), np.int64)
    least = np.zeros(1, np.float32) if overlap is None else b.reshape(overlap, (1,))
    above = np.zeros(1, np.float32) if threshold is None else b.reshape(threshold, (1,))
    how = relax.ShapeExpr([width, center_point_box, int(threshold is not None)])
    kind = (images, classes, width)
    kept = b.own("neoc.suppress", [boxes, scores, limit, least, above, how], kind, "int64")
    flat = b.reshape(kept, (images * classes * width,))
    places, length = chosen(b, b(R.greater_equal, flat, 0))
    image, group, _ = _coordinates(b, places, kind)
    columns = [b.reshape(v, (size(flat), 1)) for v in (image, group, b.take(flat, places, 0))]
    return b.padded(b.concat(columns, 1), {0: length})


OPS: Table = {
    "Compress": compress,
    "NonMaxSuppression": non_max_suppression,
    "NonZero": non_zero,
    "Unique": unique,
}
