"""Where elements lie: shapes, order, parts and copies. All sizes are known, so all is constant."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from frontends.model import ModelError
from frontends.mxnet.attributes import Ints, Spans
from frontends.mxnet.graph import Graph, Table, Value
from frontends.mxnet.ops.elementwise import element_type

MAX_ELEMENTS = 1 << 27  # of a constant that attributes ask for


def reshape(
    g: Graph,
    data: Value,
    *,
    shape: Ints = (),
    reverse: bool = False,
    target_shape: Ints = (),
    keep_highest: bool = False,
) -> Value:
    """target_shape, of before 0.9: a 0 there is what is left."""
    if shape:
        return g.reshape(data, resolved(data.shape, shape, reverse))
    kept = data.shape[:1] if keep_highest else ()
    wanted = (*kept, *target_shape[len(kept) :])
    return g.reshape(data, resolved(data.shape, [d if d > 0 else -1 for d in wanted], False))


def resolved(source: Sequence[int], codes: Sequence[int], reverse: bool) -> tuple[int, ...]:
    """MXNet's codes: 0 keeps an axis, -1 is what is left, -2 all further axes, -3 the product of
    two, -4 splits one in two that follow. `reverse` reads from the right.
    """
    if reverse:
        return resolved(source[::-1], codes[::-1], False)[::-1]
    made: list[int] = []
    left, groups = list(source), _groups(codes)
    for group in groups:
        code = group[0]
        needed = {0: 1, -3: 2, -4: 1}.get(code, 0)
        if len(left) < needed or code < -4:
            raise ModelError(f"the shape {list(codes)} does not fit {list(source)}")
        if code == 0:
            made.append(left[0])
        elif code == -2:
            made += left
            left = []
        elif code == -3:
            made.append(left[0] * left[1])
        elif code == -4:
            made += _split(left[0], group[1:])
        else:
            made.append(code)
            needed = min(1, len(left))
        left = left[needed:]
    return _completed(source, made)


def _groups(codes: Sequence[int]) -> list[list[int]]:
    """-4 comes with the two numbers behind it."""
    groups, at = [], 0
    while at < len(codes):
        size = 3 if codes[at] == -4 else 1
        group = list(codes[at : at + size])
        if len(group) < size:
            raise ModelError(f"the shape {list(codes)} has no two numbers behind -4")
        groups.append(group)
        at += size
    return groups


def _split(size: int, parts: Sequence[int]) -> list[int]:
    first, second = parts
    if first == -1 and second > 0:
        first = size // second
    if second == -1 and first > 0:
        second = size // first
    if first * second != size:
        raise ModelError(f"an axis of {size} is not split in {list(parts)}")
    return [first, second]


def _completed(source: Sequence[int], made: Sequence[int]) -> tuple[int, ...]:
    known = math.prod(d for d in made if d != -1)
    if made.count(-1) == 1 and known:
        made = [math.prod(source) // known if d == -1 else d for d in made]
    if math.prod(made) != math.prod(source) or min(made, default=0) < 0:
        raise ModelError(f"the shape {list(source)} cannot become {list(made)}")
    return tuple(made)


def reshape_like(
    g: Graph,
    lhs: Value,
    rhs: Value,
    *,
    lhs_begin: int | None = None,
    lhs_end: int | None = None,
    rhs_begin: int | None = None,
    rhs_end: int | None = None,
) -> Value:
    first, last, _ = slice(lhs_begin, lhs_end).indices(lhs.rank)
    taken = rhs.shape[slice(rhs_begin, rhs_end)]
    return g.reshape(lhs, (*lhs.shape[:first], *taken, *lhs.shape[last:]))


def flatten(g: Graph, data: Value) -> Value:
    return g.reshape(data, (data.shape[0], math.prod(data.shape[1:])))


def expand_dims(g: Graph, data: Value, *, axis: int) -> Value:
    if not -data.rank - 1 <= axis <= data.rank:
        raise ModelError(f"there is no place {axis} in {list(data.shape)}")
    return g("Unsqueeze", data, [axis])


def squeeze(g: Graph, data: Value, *, axis: Ints | None = None) -> Value:
    found = [a for a, d in enumerate(data.shape) if d == 1] if axis is None else axis
    gone = {data.axis(a) for a in found}
    if any(data.shape[a] != 1 for a in gone):
        raise ModelError(f"the axes {axis} of {list(data.shape)} are not of one element")
    kept = [d for a, d in enumerate(data.shape) if a not in gone]
    return g.reshape(data, kept or [1])


def transpose(g: Graph, data: Value, *, axes: Ints = ()) -> Value:
    order = [data.axis(a) for a in axes] or list(reversed(range(data.rank)))
    if sorted(order) != list(range(data.rank)):
        raise ModelError(f"{list(axes)} is no order of the axes of {list(data.shape)}")
    return g.transpose(data, order)


def swap_axes(g: Graph, data: Value, *, dim1: int = 0, dim2: int = 0) -> Value:
    order = list(range(data.rank))
    a, b = data.axis(dim1), data.axis(dim2)
    order[a], order[b] = b, a
    return g.transpose(data, order)


def concat(g: Graph, *data: Value, dim: int = 1) -> Value:
    return g("Concat", *data, axis=data[0].axis(dim)) if data else _nothing()


def _nothing() -> Value:
    raise ModelError("it has no inputs")


def stack(g: Graph, *data: Value, axis: int = 0) -> Value:
    return g("Concat", *(expand_dims(g, x, axis=axis) for x in data), axis=axis)


def split(
    g: Graph, data: Value, *, num_outputs: int, axis: int = 1, squeeze_axis: bool = False
) -> Sequence[Value]:
    place = data.axis(axis)
    if num_outputs < 1 or data.shape[place] % num_outputs:
        raise ModelError(f"an axis of {data.shape[place]} is not split in {num_outputs}")
    each = data.shape[place] // num_outputs
    return _parts(g, data, place, [each] * num_outputs, squeeze_axis)


def split_at(
    g: Graph,
    data: Value,
    *,
    indices: Ints = (),
    axis: int = 1,
    squeeze_axis: bool = False,
    sections: int = 0,
) -> Sequence[Value]:
    if sections:
        return split(g, data, num_outputs=sections, axis=axis, squeeze_axis=squeeze_axis)
    place = data.axis(axis)
    starts = [i for i in indices if i] if indices[:1] == (0,) else list(indices)
    ends = [*starts, data.shape[place]]
    return _parts(g, data, place, np.diff([0, *ends]).tolist(), squeeze_axis)


def _parts(
    g: Graph, data: Value, place: int, sizes: Sequence[int], squeezed: bool
) -> Sequence[Value]:
    if min(sizes) < 1:
        raise ModelError(f"an axis of {data.shape[place]} is not split in {list(sizes)}")
    made = g.several(len(sizes), "Split", data, list(sizes), axis=place)
    return [squeeze(g, part, axis=(place,)) for part in made] if squeezed else made


def slice_spans(g: Graph, data: Value, *, begin: Spans, end: Spans, step: Spans = ()) -> Value:
    steps = [s or 1 for s in step] + [1] * (len(begin) - len(step))
    if not len(begin) == len(end) == len(steps) <= data.rank:
        raise ModelError(f"begin {begin}, end {end} and step {step} do not fit")
    parts = zip(begin, end, steps, data.shape, strict=False)
    spans = [range(*slice(b, e, s).indices(n)) for b, e, s, n in parts]
    if not all(spans):
        raise ModelError(f"begin {begin} and end {end} leave nothing of {list(data.shape)}")
    # A span that goes down to the first element ends before it: a number below all.
    stops = [s.stop if s.stop >= 0 else -(1 << 31) for s in spans]
    starts = [s.start for s in spans]
    return g("Slice", data, starts, stops, list(range(len(spans))), [s.step for s in spans])


def slice_axis(g: Graph, data: Value, *, axis: int, begin: int, end: int | None) -> Value:
    place = data.axis(axis)
    span = range(*slice(begin, end).indices(data.shape[place]))
    if not span:
        raise ModelError(f"begin {begin} and end {end} leave nothing of {list(data.shape)}")
    return g.slice(data, place, span.start, span.stop)


def slice_like(g: Graph, data: Value, shape_like: Value, *, axes: Ints = ()) -> Value:
    places = [data.axis(a) for a in axes] or list(range(min(data.rank, shape_like.rank)))
    return g("Slice", data, [0] * len(places), [shape_like.shape[p] for p in places], places)


def tile(g: Graph, data: Value, *, reps: Ints) -> Value:
    rank = max(len(reps), data.rank)
    x = g.reshape(data, (1,) * (rank - data.rank) + data.shape)
    _check_size(math.prod(x.shape) * math.prod(reps))
    return g("Tile", x, [1] * (rank - len(reps)) + list(reps))


def repeat(g: Graph, data: Value, *, repeats: int, axis: int | None = None) -> Value:
    x = g.reshape(data, (math.prod(data.shape),)) if axis is None else data
    place = x.axis(axis or 0)
    _check_size(math.prod(x.shape) * repeats)
    wide = g.reshape(x, (*x.shape[: place + 1], 1, *x.shape[place + 1 :]))
    times = [repeats if a == place + 1 else 1 for a in range(wide.rank)]
    dims = [d * (repeats if a == place else 1) for a, d in enumerate(x.shape)]
    return g.reshape(g("Tile", wide, times), dims)


def _check_size(elements: int) -> None:
    if not 0 < elements <= MAX_ELEMENTS:
        raise ModelError(f"it asks for {elements} elements")


def flip(g: Graph, data: Value, *, axis: Ints) -> Value:
    places = [data.axis(a) for a in axis]
    count = len(places)
    return g("Slice", data, [-1] * count, [-(1 << 31)] * count, places, [-1] * count)


PADDINGS = ("constant", "edge", "reflect")


def pad(g: Graph, data: Value, *, mode: str, pad_width: Ints, constant_value: float = 0.0) -> Value:
    if mode not in PADDINGS or len(pad_width) != 2 * data.rank:
        raise ModelError(f"the mode {mode!r} with pad_width {pad_width} does not fit")
    pads = [*pad_width[::2], *pad_width[1::2]]
    value = constant_value if mode == "constant" else None
    return g("Pad", data, pads, value, mode=mode)


def broadcast_axis(g: Graph, data: Value, *, axis: Ints, size: Ints) -> Value:
    dims = list(data.shape)
    for a, n in zip(axis, size, strict=False):
        dims[data.axis(a)] = n
    _check_size(math.prod(dims))
    return g("Expand", data, dims)


def broadcast_to(g: Graph, data: Value, *, shape: Ints = ()) -> Value:
    """A 0 keeps the axis."""
    if len(shape) != data.rank:
        raise ModelError(f"{list(data.shape)} cannot become {list(shape)}")
    dims = [n or d for n, d in zip(shape, data.shape, strict=True)]
    _check_size(math.prod(dims))
    return g("Expand", data, dims)


def broadcast_like(
    g: Graph, lhs: Value, rhs: Value, *, lhs_axes: Ints = (), rhs_axes: Ints = ()
) -> Value:
    if not lhs_axes:
        return g("Expand", lhs, list(rhs.shape))
    sizes = tuple(rhs.shape[rhs.axis(a)] for a in rhs_axes)
    return broadcast_axis(g, lhs, axis=lhs_axes, size=sizes)


def depth_to_space(g: Graph, data: Value, *, block_size: int) -> Value:
    return g("DepthToSpace", data, blocksize=block_size, mode="DCR")


def space_to_depth(g: Graph, data: Value, *, block_size: int) -> Value:
    return g("SpaceToDepth", data, blocksize=block_size)


# --- from nothing


def filled(value: float) -> Callable[..., Value]:
    def constant(g: Graph, *, shape: Ints = (), dtype: str = "float32") -> Value:
        return full(g, shape=shape, dtype=dtype, value=value)

    return constant


def full(g: Graph, *, shape: Ints = (), dtype: str = "float32", value: float = 0.0) -> Value:
    """An axis of 0 elements is one that MXNet infers, a batch: one element stands for it, which
    the operators behind spread.
    """
    dims = [d or 1 for d in shape]
    _check_size(math.prod(dims))
    return g.constant(np.full(dims, value, element_type(dtype)))


def arange(
    g: Graph,
    *,
    start: float = 0.0,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool = False,
    dtype: str = "float32",
) -> Value:
    first, last = (0.0, start) if stop is None else (start, stop)
    if infer_range or not step:
        raise ModelError("a range without an end, or a step, is not supported")
    _check_size(math.ceil((last - first) / step) * repeat)
    made = np.repeat(np.arange(first, last, step), repeat)
    return g.constant(made.astype(element_type(dtype)))


def arange_like(
    g: Graph,
    data: Value,
    *,
    start: float = 0.0,
    step: float = 1.0,
    repeat: int = 1,
    axis: int | None = None,
) -> Value:
    count = math.prod(data.shape) if axis is None else data.shape[data.axis(axis)]
    made = start + step * (np.arange(count) // repeat)
    dims = data.shape if axis is None else (count,)
    return g.constant(made.reshape(dims).astype(data.dtype))


def shape_array(g: Graph, data: Value) -> Value:
    return g.constant(np.array(data.shape, np.int64))


def size_array(g: Graph, data: Value) -> Value:
    return g.constant(np.array([math.prod(data.shape)], np.int64))


OPS: Table = {
    "Concat": concat,
    "Flatten": flatten,
    "Pad": pad,
    "Reshape": reshape,
    "SliceChannel": split,
    "SwapAxis": swap_axes,
    "_arange": arange,
    "_contrib_arange_like": arange_like,
    "_full": full,
    "_ones": filled(1.0),
    "_rnn_param_concat": concat,
    "_split_v2": split_at,
    "_zeros": filled(0.0),
    "broadcast_axes": broadcast_axis,
    "broadcast_axis": broadcast_axis,
    "broadcast_like": broadcast_like,
    "broadcast_to": broadcast_to,
    "concat": concat,
    "crop": slice_spans,
    "depth_to_space": depth_to_space,
    "expand_dims": expand_dims,
    "flatten": flatten,
    "flip": flip,
    "pad": pad,
    "repeat": repeat,
    "reshape": reshape,
    "reshape_like": reshape_like,
    "reverse": flip,
    "shape_array": shape_array,
    "size_array": size_array,
    "slice": slice_spans,
    "slice_axis": slice_axis,
    "slice_like": slice_like,
    "space_to_depth": space_to_depth,
    "split": split,
    "squeeze": squeeze,
    "stack": stack,
    "swapaxes": swap_axes,
    "tile": tile,
    "transpose": transpose,
}
