"""Rules of operators that move elements, or put shapes together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from frontends.onnx.builder import (
    Builder,
    R,
    Value,
    axis_of,
    constant,
    integers,
    rank,
    shape,
    size,
)
from frontends.onnx.ops import selection
from frontends.onnx.padded.value import (
    Given,
    Operator,
    beside,
    bounds,
    lengths_among,
    refuse,
    same,
    sizes,
)


def transpose(o: Operator, x: Value) -> Sequence[Value]:
    order = list(o.attribute("perm", ())) or list(reversed(range(rank(x))))
    return o.made([x], {order.index(a): n for a, n in o.b.lengths(x).items()})


def reshape(o: Operator, x: Value, *how: Given) -> Sequence[Value]:
    """The padded axis stays, or it is the outermost one, and the elements to be seen come first."""
    if o.node.op == "Squeeze" and not how and "axes" not in o.node.attributes:
        raise refuse("name the axes to squeeze")
    wanted: dict[int, Value] = {}
    if o.node.op == "Reshape" and how:
        to, asked = bounds(o.b, how[0])
        how, wanted = (to,), lengths_among(asked)
    [y] = o.plain([x, *how])
    found: dict[int, Value] = {}
    for axis, length in o.b.lengths(x).items():
        before, behind = math.prod(shape(x)[:axis]), math.prod(shape(x)[axis + 1 :])
        extent = shape(x)[axis]
        target = next(
            (
                a
                for a, d in enumerate(shape(y))
                if d == extent > 1 and math.prod(shape(y)[:a]) == before
            ),
            None,
        )
        if target is None:
            first = next((a for a, d in enumerate(shape(y)) if d > 1), None)
            if first is None or before > 1 or len(o.b.lengths(x)) > 1:
                raise refuse(f"{list(shape(x))} cannot become {list(shape(y))}")
            target, rest = first, math.prod(shape(y)[first + 1 :])
            length = o.b(R.floor_divide, o.b(R.multiply, length, behind), rest)
        found[target] = length
    if not wanted.keys() <= found.keys():
        raise refuse(f"{list(shape(x))} cannot become {list(shape(y))}")
    return [o.b.padded(y, found)]


def shape_node(o: Operator, x: Value) -> Sequence[Value]:
    picked = range(rank(x))[slice(o.attribute("start", 0), o.attribute("end", None))]
    lengths = o.b.lengths(x)
    if not lengths.keys() & set(picked):
        return [np.array([shape(x)[a] for a in picked], np.int64)]
    elements = np.array([lengths.get(a, shape(x)[a]) for a in picked], object)
    return [o.b.noted(o.b.pick(sizes(o.b, x), [picked]), elements)]


def size_node(o: Operator, x: Value) -> Sequence[Value]:
    total: Value = np.array(1, np.int64)
    for axis, extent in enumerate(shape(x)):
        total = o.b(R.multiply, total, o.b.lengths(x).get(axis, np.array(extent)))
    return [total]


def expand(o: Operator, x: Value, to: Value) -> Sequence[Value]:
    largest, asked = bounds(o.b, to)
    [y] = o.plain([x, largest])
    found = {a + rank(y) - rank(x): n for a, n in o.b.lengths(x).items()}
    fixed = {a + rank(y) - rank(x) for a, d in enumerate(shape(x)) if d > 1} - found.keys()
    for n, length in lengths_among(asked).items():
        axis = n + rank(y) - len(asked)
        if axis in fixed:
            raise refuse(f"its input has a fixed size along axis {axis}")
        same(found, axis, length)
    return [o.b.padded(_apart(o.b, y, x), found)]


def constant_of_shape(o: Operator, to: Value) -> Sequence[Value]:
    largest, asked = bounds(o.b, to)
    [whole] = o.plain([largest])
    if not size(whole):
        return [whole]
    assert isinstance(whole, np.ndarray)
    y = o.b(R.broadcast_to, whole.reshape(-1)[:1], shape=whole.shape)
    return [o.b.padded(y, lengths_among(asked))]


def range_node(o: Operator, start: Value, limit: Value, delta: Value) -> Sequence[Value]:
    first, step = constant(start, "start"), constant(delta, "delta")
    bound, [length] = bounds(o.b, limit)
    if first != 0 or step != 1:
        raise refuse("a range must count from 0 by 1")
    [whole] = o.plain([first, bound, step])
    if not size(whole):
        return [whole]
    return [o.b.padded(o.b(R.minimum, whole, limit), {0: length})]


def concat(o: Operator, *inputs: Value) -> Sequence[Value]:
    """Along a padded axis: what is to be seen of each part is taken together."""
    b, axis = o.b, axis_of(o.attribute("axis", 1), rank(inputs[0]))
    others: dict[int, Value] = {}
    for value in inputs:
        for a, length in b.lengths(value).items():
            if a != axis:
                same(others, a, length)
    if any(others.keys() - b.lengths(v).keys() for v in inputs if size(v)):
        raise refuse("its parts are of different sizes along another axis")
    if not any(axis in b.lengths(v) for v in inputs):
        return o.made(inputs, others)
    [whole] = o.plain(inputs)
    parts = [v for v in inputs if size(v)]
    marks = [_seen_along(b, v, axis) for v in parts]
    places, count = selection.chosen(b, b.concat(marks, 0))
    return [b.padded(b.take(whole, places, axis), {**others, axis: count})]


def _seen_along(b: Builder, x: Value, axis: int) -> Value:
    place, lengths = np.arange(shape(x)[axis]), b.lengths(x)
    return b(R.less, place, lengths[axis]) if axis in lengths else np.ones(place.shape, bool)


def slice_node(
    o: Operator, x: Value, starts: Given = None, ends: Given = None, *rest: Given
) -> Sequence[Value]:
    """Along a padded axis: forwards, with both ends counted from the front."""
    if "starts" in o.node.attributes:
        starts, ends = (np.asarray(o.node.attributes[n]) for n in ("starts", "ends"))
        rest = (o.attribute("axes", None),)
    axes, steps = [*rest, None, None][:2]
    ends, asked = bounds(o.b, ends)
    begins, stops = (integers(constant(v, n), n) for v, n in ((starts, "starts"), (ends, "ends")))
    along = list(range(len(begins))) if axes is None else integers(axes, "axes")
    strides = [1] * len(begins) if steps is None else integers(steps, "steps")
    found, limits = dict(o.b.lengths(x)), lengths_among(asked)
    for n, (a, begin, stop, step) in enumerate(zip(along, begins, stops, strides, strict=True)):
        axis = axis_of(a, rank(x))
        if axis not in found and n not in limits:
            continue
        if min(begin, stop) < 0 or step < 1:
            raise refuse(f"it slices axis {axis} from the end or backwards")
        whole = found.get(axis, np.array(shape(x)[axis]))
        end = limits.get(n, np.array(min(stop, shape(x)[axis])))
        if (
            begin == 0
            and step == 1
            and (end is whole or (stop >= shape(x)[axis] and n not in limits))
        ):
            continue
        last = o.b(R.minimum, whole, end)
        count = o.b(R.maximum, o.b(R.subtract, last, begin - step + 1), 0)
        found[axis] = count if step == 1 else o.b(R.floor_divide, count, step)
    [y] = o.plain([x] if "starts" in o.node.attributes else [x, starts, ends, *rest])
    return [o.b.padded(_apart(o.b, y, x), found) if size(y) else y]


def _apart(b: Builder, y: Value, x: Value) -> Value:
    """y, so that what is noted of it is not noted of x."""
    return b(R.reshape, y, shape=shape(y)) if y is x else y


def split(o: Operator, x: Value, *how: Given) -> Sequence[Value]:
    beside(o, x, axis_of(o.attribute("axis", 0), rank(x)))
    return o.made([x, *how], o.b.lengths(x))
