"""Shapes and layout: what moves elements and computes none."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import helper

from frontends.model import ModelError
from frontends.onnx.builder import (
    Builder,
    R,
    Table,
    Value,
    affordable,
    axis_of,
    constant,
    integers,
    rank,
    shape,
    size,
)
from frontends.onnx.builder import dtype as dtype_of
from frontends.onnx.graph import Array


def constant_node(b: Builder, **attributes: Any) -> Array:
    """Exactly one of value, value_float(s), value_int(s)."""
    dtypes = {"value": None, "value_float": "float32", "value_floats": "float32"}
    dtypes |= {"value_int": "int64", "value_ints": "int64"}
    if len(attributes) != 1 or not attributes.keys() <= dtypes.keys():
        raise ModelError(f"needs one attribute of {sorted(dtypes)}, has {sorted(attributes)}")
    name, value = next(iter(attributes.items()))
    return np.asarray(value, dtypes[name])


def shape_node(b: Builder, x: Value, *, start: int = 0, end: int | None = None) -> Array:
    return np.asarray(shape(x)[start:end], np.int64)


def size_node(b: Builder, x: Value) -> Array:
    return np.asarray(size(x), np.int64)


def reshape(b: Builder, x: Value, to: Value | Sequence[int], *, allowzero: int = 0) -> Value:
    """0 keeps a dimension unless allowzero; -1 takes what is left."""
    dims = integers(to, "the new shape")
    if not allowzero:
        dims = [shape(x)[i] if d == 0 else d for i, d in enumerate(dims)]
    if -1 in dims:
        dims[dims.index(-1)] = size(x) // max(1, -math.prod(dims))
    if math.prod(dims) != size(x) or min(dims, default=0) < 0:
        asked = integers(to, "the new shape")
        raise ModelError(f"a tensor {list(shape(x))} cannot take the shape {asked}")
    return b.reshape(x, dims)


def reshape_attribute(
    b: Builder, x: Value, *, shape: Sequence[int], consumed_inputs: tuple[int, ...] = ()
) -> Value:
    return reshape(b, x, shape)


def flatten(b: Builder, x: Value, *, axis: int = 1) -> Value:
    dims = shape(x)
    start = axis if axis >= 0 else axis + rank(x)
    return b.reshape(x, (math.prod(dims[:start]), math.prod(dims[start:])))


def transpose(b: Builder, x: Value, *, perm: Sequence[int] = ()) -> Value:
    order = list(perm) or list(reversed(range(rank(x))))
    if sorted(order) != list(range(rank(x))):
        raise ModelError(f"attribute perm is {order} for a tensor of rank {rank(x)}")
    return b.transpose(x, order)


def squeeze(b: Builder, x: Value, axes: Value | Sequence[int] | None = None) -> Value:
    if axes is None:
        return b.reshape(x, [d for d in shape(x) if d != 1])
    gone = {axis_of(a, rank(x)) for a in integers(axes, "axes")}
    if bad := [a for a in sorted(gone) if shape(x)[a] != 1]:
        raise ModelError(f"axis {bad[0]} of {list(shape(x))} cannot be squeezed; it is not 1")
    return b.reshape(x, [d for i, d in enumerate(shape(x)) if i not in gone])


def squeeze_attribute(b: Builder, x: Value, *, axes: Sequence[int] | None = None) -> Value:
    return squeeze(b, x, axes)


def unsqueeze(b: Builder, x: Value, axes: Value | Sequence[int]) -> Value:
    wanted = integers(axes, "axes")
    new = {axis_of(a, rank(x) + len(wanted)) for a in wanted}
    dims = iter(shape(x))
    return b.reshape(x, [1 if i in new else next(dims) for i in range(rank(x) + len(wanted))])


def unsqueeze_attribute(b: Builder, x: Value, *, axes: Sequence[int]) -> Value:
    return unsqueeze(b, x, axes)


def concat(b: Builder, *inputs: Value, axis: int = 1) -> Value:
    """Empty parts add nothing and are left out."""
    axis = axis_of(axis, rank(inputs[0]))
    parts = [x for x in inputs if size(x)] or [inputs[0]]
    return parts[0] if len(parts) == 1 else b.concat(parts, axis)


def split_by(
    b: Builder,
    x: Value,
    sizes: Value | Sequence[int] | None = None,
    *,
    axis: int = 0,
    num_outputs: int | None = None,
) -> tuple[Value, ...]:
    """Into the given sizes, or as many equal parts as there are outputs, the last one smaller."""
    axis = axis_of(axis, rank(x))
    total = shape(x)[axis]
    if sizes is None:
        count = num_outputs or len(b.node.outputs)
        each = -(-total // count)
        lengths = [max(0, min(each, total - i * each)) for i in range(count)]
    else:
        lengths = integers(sizes, "split")
    if sum(lengths) != total or min(lengths, default=0) < 0:
        raise ModelError(f"parts of {lengths} do not make up the {total} of axis {axis}")
    return b.split(x, lengths, axis)


def split_attribute(
    b: Builder, x: Value, sizes: Value | None = None, *, axis: int = 0, split: Sequence[int] = ()
) -> tuple[Value, ...]:
    return split_by(b, x, sizes if sizes is not None else (split or None), axis=axis)


def slice_node(
    b: Builder,
    x: Value,
    starts: Value | Sequence[int],
    ends: Value | Sequence[int],
    axes: Value | Sequence[int] | None = None,
    steps: Value | None = None,
) -> Value:
    begins, stops = integers(starts, "starts"), integers(ends, "ends")
    along = list(range(len(begins))) if axes is None else integers(axes, "axes")
    strides = [1] * len(begins) if steps is None else integers(steps, "steps")
    picked = [range(d) for d in shape(x)]
    for a, begin, stop, step in zip(along, begins, stops, strides, strict=True):
        axis = axis_of(a, rank(x))
        if step == 0:
            raise ModelError("steps must not be 0")
        picked[axis] = _span(shape(x)[axis], begin, stop, step)
    return b.pick(x, picked)


def _span(length: int, begin: int, stop: int, step: int) -> range:
    """Clamped as the standard has it. Backwards, Python's slices may begin before the first element
    and are empty then; these begin with it."""
    low, high = (0, length) if step > 0 else (-1, length - 1)
    begin, stop = (n + length if n < 0 else n for n in (begin, stop))
    return range(min(max(begin, 0), high), min(max(stop, low), high), step)


def slice_attributes(
    b: Builder,
    x: Value,
    *,
    starts: Sequence[int],
    ends: Sequence[int],
    axes: Sequence[int] | None = None,
) -> Value:
    return slice_node(b, x, starts, ends, axes)


def expand(b: Builder, x: Value, to: Value) -> Value:
    """numpy's rule both ways: a 1 in the new shape keeps x's dimension."""
    dims = np.broadcast_shapes(shape(x), tuple(integers(to, "the new shape")))
    return x if dims == shape(x) else b(R.broadcast_to, x, shape=dims)


def tile(b: Builder, x: Value, repeats: Value) -> Value:
    times = integers(repeats, "repeats")
    return x if set(times) <= {1} else b(R.tile, x, repeats=times)


def tile_axis(b: Builder, x: Value, tiles: Value, axis: Value) -> Value:
    times = [1] * rank(x)
    times[integers(axis, "axis")[0]] = integers(tiles, "tiles")[0]
    return tile(b, x, np.asarray(times))


# numpy's names of the modes that repeat elements
PAD_MODES = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}


def pad(
    b: Builder,
    x: Value,
    pads: Value | Sequence[int],
    fill: Value | None = None,
    axes: Value | None = None,
    *,
    mode: str = "constant",
) -> Value:
    """Negative widths cut. Modes other than constant take elements by an index along each axis."""
    widths = integers(pads, "pads")
    along = (
        range(rank(x)) if axes is None else [axis_of(a, rank(x)) for a in integers(axes, "axes")]
    )
    before, after = dict.fromkeys(range(rank(x)), 0), dict.fromkeys(range(rank(x)), 0)
    before |= dict(zip(along, widths[: len(along)], strict=True))
    after |= dict(zip(along, widths[len(along) :], strict=True))
    kept = [range(max(0, -before[i]), d - max(0, -after[i])) for i, d in enumerate(shape(x))]
    x = b.pick(x, kept)
    grown = [(max(0, before[i]), max(0, after[i])) for i in range(rank(x))]
    if not any(map(any, grown)):
        return x
    if mode == "constant":
        value = 0 if fill is None else constant(fill, "the padding value").item()
        return _pad_constant(b, x, grown, value)
    if mode not in PAD_MODES:
        raise ModelError(f"attribute mode is '{mode}'; known are constant, {', '.join(PAD_MODES)}")
    for axis, width in enumerate(grown):
        x = b.take(x, _padded_index(shape(x)[axis], width, mode), axis)
    return x


def _padded_index(length: int, width: tuple[int, int], mode: str) -> Array:
    affordable(length + sum(width))
    return np.pad(np.arange(length), width, mode=PAD_MODES[mode])  # type: ignore[call-overload,no-any-return]  # mode is a str


def _pad_constant(b: Builder, x: Value, grown: Sequence[tuple[int, int]], value: float) -> Value:
    if dtype_of(x) == "bool":
        return b.cast(_pad_constant(b, b.cast(x, "uint8"), grown, int(value)), "bool")
    flat = [w for pair in grown for w in pair]
    return b(R.nn.pad, x, pad_width=flat, pad_value=value)


def pad_attributes(
    b: Builder,
    x: Value,
    *,
    pads: Sequence[int] = (),
    paddings: Sequence[int] = (),
    value: float = 0.0,
    mode: str = "constant",
) -> Value:
    """`paddings` is opset 1's name."""
    return pad(b, x, pads or paddings, np.asarray(value), mode=mode)


def depth_to_space(b: Builder, x: Value, *, blocksize: int, mode: str = "DCR") -> Value:
    n, c, h, w = shape(x)
    s = blocksize
    if mode == "DCR":
        y = b.transpose(b.reshape(x, (n, s, s, c // s**2, h, w)), (0, 3, 4, 1, 5, 2))
    else:
        y = b.transpose(b.reshape(x, (n, c // s**2, s, s, h, w)), (0, 1, 4, 2, 5, 3))
    return b.reshape(y, (n, c // s**2, h * s, w * s))


def space_to_depth(b: Builder, x: Value, *, blocksize: int, mode: str = "DCR") -> Value:
    n, c, h, w = shape(x)
    s = blocksize
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    y = b.transpose(b.reshape(x, (n, c, h // s, s, w // s, s)), order)
    return b.reshape(y, (n, c * s**2, h // s, w // s))


def eye_like(b: Builder, x: Value, *, dtype: int | None = None, k: int = 0) -> Array:
    kind = helper.tensor_dtype_to_np_dtype(dtype) if dtype else np.dtype(dtype_of(x))
    rows, columns = shape(x)
    return np.eye(rows, columns, k, kind)


def trilu(b: Builder, x: Value, k: Value | None = None, *, upper: int = 1) -> Value:
    offset = 0 if k is None else integers(k, "k")[0]
    ones = np.ones(shape(x)[-2:], bool)
    mask = np.triu(ones, offset) if upper else np.tril(ones, offset)
    return b(R.where, mask, x, 0)


OPS: Table = {
    "Concat": concat,
    "Constant": constant_node,
    "DepthToSpace": depth_to_space,
    "Expand": expand,
    "EyeLike": eye_like,
    "Flatten": flatten,
    "Pad": {1: pad_attributes, 11: pad},
    "Reshape": {1: reshape_attribute, 5: reshape},
    "Shape": shape_node,
    "Size": size_node,
    "Slice": {1: slice_attributes, 10: slice_node},
    "SpaceToDepth": space_to_depth,
    "Split": {1: split_attribute, 13: split_by},
    "Squeeze": {1: squeeze_attribute, 13: squeeze},
    "Tile": {1: tile_axis, 6: tile},
    "Transpose": transpose,
    "Trilu": trilu,
    "Unsqueeze": {1: unsqueeze_attribute, 13: unsqueeze},
}
