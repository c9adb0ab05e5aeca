"""Rules of lookups and of writing at places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from frontends.onnx.builder import (
    Builder,
    R,
    Value,
    axis_of,
    dtype,
    rank,
    shape,
)
from frontends.onnx.padded.value import Given, Operator, beside, only, refuse, seen, sizes


def gather(o: Operator, x: Value, indices: Value) -> Sequence[Value]:
    axis, found = axis_of(o.attribute("axis", 0), rank(x)), dict[int, Value]()
    for a, length in o.b.lengths(x).items():
        if a != axis:
            found[a if a < axis else a + rank(indices) - 1] = length
    found |= {axis + a: length for a, length in o.b.lengths(indices).items()}
    return o.made([x, _from_front(o.b, indices, o.b.lengths(x).get(axis))], found)


def _from_front(b: Builder, indices: Value, length: Given) -> Value:
    """Negative indices count from the end of what is to be seen."""
    known = isinstance(indices, np.ndarray) and not (indices < 0).any()
    if length is None or known or dtype(indices).startswith("uint"):
        return indices
    shifted = b(R.add, indices, b.cast(length, dtype(indices)))
    return b(R.where, b(R.less, indices, 0), shifted, indices)


def gather_elements(o: Operator, x: Value, indices: Value) -> Sequence[Value]:
    axis = axis_of(o.attribute("axis", 0), rank(x))
    moved = _from_front(o.b, indices, o.b.lengths(x).get(axis))
    return o.made([x, moved], o.b.lengths(indices))


def gather_nd(o: Operator, x: Value, indices: Value) -> Sequence[Value]:
    if o.attribute("batch_dims", 0):
        raise refuse("attribute batch_dims must be 0")
    beside(o, indices, rank(indices) - 1)
    depth, found = shape(indices)[-1], dict(o.b.lengths(indices))
    for a, length in o.b.lengths(x).items():
        if a >= depth:
            found[a - depth + rank(indices) - 1] = length
    ends = None
    if any(a < depth for a in o.b.lengths(x)):
        ends = o.b.pick(sizes(o.b, x), [range(depth)])
    return o.made([x, _from_front(o.b, indices, ends)], found)


def one_hot(o: Operator, indices: Value, *rest: Given) -> Sequence[Value]:
    axis = axis_of(o.attribute("axis", -1), rank(indices) + 1)
    found = {a + (a >= axis): n for a, n in o.b.lengths(indices).items()}
    return o.made([indices, *rest], found)


def scatter(o: Operator, x: Value, indices: Value, updates: Value) -> Sequence[Value]:
    """What is not to be seen goes to a place more along an axis, which is cut off again."""
    b, each = o.b, o.node.op == "ScatterND"
    only(o, (1, 2), [x, indices, updates])
    if each:
        beside(o, indices, rank(indices) - 1)
    if b.lengths(updates) not in ({}, b.lengths(indices)):
        raise refuse("there are places and updates of different sizes")
    axis = 0 if each else axis_of(o.attribute("axis", 0), rank(x))
    ends = shape(x)[: shape(indices)[-1]] if each else shape(x)[axis : axis + 1]
    lengths, extent = b.lengths(indices), shape(x)[axis]
    places = b.padded(_from_front(b, indices, np.array(ends, np.int64)), lengths)
    if each:
        first, *rest = b.split(places, [1, *[1] * (len(ends) - 1)], rank(indices) - 1)
        parts = [seen(b, b.padded(first, lengths), extent)]
        parts += [seen(b, b.padded(v, lengths)) for v in rest]
        places = b.concat(parts, rank(indices) - 1) if rest else parts[0]
    else:
        places = seen(b, places, extent)
    room = [*shape(x)[:axis], 1, *shape(x)[axis + 1 :]]
    [y] = o.plain([b.concat([x, np.zeros(room, dtype(x))], axis), places, updates])
    return [b.pick(y, [range(d) for d in shape(x)])]
