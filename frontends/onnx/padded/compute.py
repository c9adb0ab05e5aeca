"""Rules of operators that compute: element by element, along an axis, products, selections."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from frontends.onnx.builder import (
    Builder,
    Lengths,
    R,
    Value,
    axis_of,
    dtype,
    integers,
    is_float,
    rank,
    shape,
)
from frontends.onnx.padded.value import (
    Given,
    Operator,
    Rule,
    beside,
    bounds,
    highest,
    lengths_among,
    lowest,
    only,
    refuse,
    same,
    seen,
)


def pointwise(o: Operator, *inputs: Given) -> Sequence[Value]:
    return o.made(inputs, _aligned(o.b, [v for v in inputs if v is not None]))


def _aligned(b: Builder, values: Sequence[Value]) -> Lengths:
    """Of the result of values that broadcast as numpy's do."""
    dims, found = np.broadcast_shapes(*map(shape, values)), dict[int, Value]()
    for value in values:
        for axis, length in b.lengths(value).items():
            same(found, axis + len(dims) - rank(value), length)
    for value in values:
        moved = len(dims) - rank(value)
        fixed = {a + moved for a, d in enumerate(shape(value)) if d > 1} - {
            a + moved for a in b.lengths(value)
        }
        if clash := fixed & found.keys():
            raise refuse(f"another one has a fixed size along axis {min(clash)}")
    return found


def kept(o: Operator, *inputs: Given) -> Sequence[Value]:
    """What only hands values on."""
    return o.plain(inputs)


# What changes nothing of a reduction.
NEUTRAL: Mapping[str, Callable[[str], float | int | bool]] = {
    **dict.fromkeys(
        ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceMean", "ReduceSum", "ReduceSumSquare"),
        lambda kind: 0,
    ),
    "ReduceProd": lambda kind: 1,
    **dict.fromkeys(("ArgMax", "ReduceLogSumExp", "ReduceMax"), lowest),
    **dict.fromkeys(("ArgMin", "ReduceMin"), highest),
}


def reduction(o: Operator, x: Value, axes: Given = None) -> Sequence[Value]:
    given = integers(axes, "axes") if axes is not None else o.attribute("axes", ())
    if not len(given) and o.attribute("noop_with_empty_axes", 0):
        return pointwise(o, x)
    gone = {axis_of(a, rank(x)) for a in given} or set(range(rank(x)))
    return _reduced(o, x, gone, [axes] if axes is not None else [])


def argument(o: Operator, x: Value) -> Sequence[Value]:
    axis = axis_of(o.attribute("axis", 0), rank(x))
    if o.attribute("select_last_index", 0):
        beside(o, x, axis)
    return _reduced(o, x, {axis}, [])


def _reduced(o: Operator, x: Value, gone: set[int], rest: list[Given]) -> Sequence[Value]:
    lengths, op = o.b.lengths(x), o.node.op
    left = [a for a in range(rank(x)) if a not in gone]
    place = {a: a if o.attribute("keepdims", 1) else left.index(a) for a in left}
    found = {place[a]: n for a, n in lengths.items() if a in place}
    mixed = {a: n for a, n in lengths.items() if a in gone}
    if not mixed:
        return o.made([x, *rest], found)
    [y] = o.plain([seen(o.b, x, NEUTRAL[op](dtype(x))), *rest])
    if op == "ReduceMean":
        if not is_float(x):
            raise refuse("a mean of integers")
        for a, length in mixed.items():
            share = o.b(R.divide, np.asarray(shape(x)[a], dtype(x)), o.b.cast(length, dtype(x)))
            y = o.b(R.multiply, y, share)
    return [o.b.padded(y, found)]


def top_k(o: Operator, x: Value, *k: Given) -> Sequence[Value]:
    """As many as there are, at most, where the number of the best is such a length."""
    axis = axis_of(o.attribute("axis", -1), rank(x))
    lengths = o.b.lengths(x)
    if axis in lengths:
        worst = lowest if o.attribute("largest", 1) else highest
        x = seen(o.b, x, worst(dtype(x)))
    found = {a: n for a, n in lengths.items() if a != axis}
    if k:
        most, asked = bounds(o.b, k[0])
        k = (most,)
        for length in lengths_among(asked).values():
            found[axis] = length
    return o.made([x, *k], found)


def softmax(o: Operator, x: Value) -> Sequence[Value]:
    """Before opset 13 along all axes from the given one on."""
    return o.made([seen(o.b, x, -math.inf)], o.b.lengths(x))


def normalization(o: Operator, x: Value, *rest: Given) -> Sequence[Value]:
    beside(o, x, *range(axis_of(o.attribute("axis", -1), rank(x)), rank(x)))
    y, *further = o.plain([x, *rest])
    return [o.b.padded(y, o.b.lengths(x)), *further]


def cumulative(o: Operator, x: Value, axis: Value) -> Sequence[Value]:
    if o.attribute("reverse", 0):
        beside(o, x, axis_of(integers(axis, "axis")[0], rank(x)))
    return o.made([x, axis], o.b.lengths(x))


def matmul(o: Operator, x: Value, y: Value) -> Sequence[Value]:
    if min(rank(x), rank(y)) < 2:
        raise refuse("a product with a vector")
    b, dims = o.b, max(rank(x), rank(y))
    lengths = [{a - rank(v): n for a, n in b.lengths(v).items()} for v in (x, y)]
    if lengths[0].get(-1) is not lengths[1].get(-2):
        raise refuse("the other one has a fixed size along the axis of the sum")
    if -1 in lengths[0]:
        x, y = seen(b, x), seen(b, y)
    found: dict[int, Value] = {}
    for side, summed in zip(lengths, (-1, -2), strict=True):
        for a, length in side.items():
            if a != summed:
                same(found, a + dims, length)
    return o.made([x, y], found)


def gemm(o: Operator, x: Value, *rest: Given) -> Sequence[Value]:
    only(o, 0, [x, *rest])
    beside(o, x, 0 if o.attribute("transA", 0) else 1)
    [length] = o.b.lengths(x).values()
    return o.made([x, *rest], {0: length})


def batched(*padded: int) -> Rule:
    """Each element along the first axis is computed from that of the inputs `padded` alone."""

    def rule(o: Operator, *inputs: Given) -> Sequence[Value]:
        only(o, padded, inputs)
        found: dict[int, Value] = {}
        for n in padded:
            for axis, length in o.b.lengths(inputs[n]).items():
                if axis:
                    raise refuse("it may only be that of the first axis")
                same(found, 0, length)
        return o.made(inputs, found)

    return rule


def non_zero(o: Operator, x: Value) -> Sequence[Value]:
    return o.plain([seen(o.b, x)])


def compress(o: Operator, x: Value, condition: Value) -> Sequence[Value]:
    axis = o.attribute("axis", None)
    if axis is None and rank(x) > 1:
        beside(o, x, *range(rank(x)))
    along = axis_of(axis or 0, rank(x))
    [y] = o.plain([x, seen(o.b, condition)])
    others = {a: n for a, n in o.b.lengths(x).items() if a != along}
    return [o.b.padded(y, {**others, **o.b.lengths(y)})]


def non_max_suppression(o: Operator, boxes: Value, scores: Value, *how: Given) -> Sequence[Value]:
    """A box that is not to be seen has a score below every threshold."""
    beside(o, boxes, 0, 2)
    beside(o, scores, 0, 1)
    most, overlap, threshold = [*how, None, None, None][:3]
    least = np.array([-math.inf], np.float32) if threshold is None else threshold
    if 1 in o.b.lengths(boxes) and 2 not in o.b.lengths(scores):
        raise refuse("there are boxes and scores of different sizes")
    return o.plain([boxes, seen(o.b, scores, -math.inf), most, overlap, least])
