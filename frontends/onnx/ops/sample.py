"""Images read at places that the graph computes: GridSample, RoiAlign, deformable convolution.

Each is a sum over corners of a gathered pixel times a weight; corners outside have no weight.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import Builder, R, Table, Value, constant, dtype, rank, shape
from frontends.onnx.ops.window import per_axis


def _pixels(b: Builder, x: Value, at: Sequence[Value], inside: bool) -> Value:
    """x [N, C, *S] at whole float coordinates, each [N, P] -> [N, C, P]; zero where one is outside,
    unless all are known to be inside.
    """
    n, c, *spatial = shape(x)
    flat: Value | None = None
    mask: Value | None = None
    for place, length in zip(at, spatial, strict=True):
        near = b.cast(b.clip(place, 0, length - 1), "int32")
        flat = near if flat is None else b(R.add, b(R.multiply, flat, length), near)
        ok = b(R.equal, b.clip(place, 0, length - 1), place)
        mask = ok if mask is None else b(R.logical_and, mask, ok)
    assert flat is not None and mask is not None
    points = shape(flat)[1]
    index = b(R.broadcast_to, b.reshape(flat, (n, 1, points)), shape=(n, c, points))
    found = b(R.gather_elements, b.reshape(x, (n, c, math.prod(spatial))), index, axis=2)
    return found if inside else b(R.where, b.reshape(mask, (n, 1, points)), found, 0.0)


def _linear(b: Builder, part: Value) -> list[tuple[int, Value]]:
    """Offsets from the floor, and weights."""
    return [(0, b(R.subtract, 1.0, part)), (1, part)]


def _cubic(b: Builder, part: Value) -> list[tuple[int, Value]]:
    """Keys's curve with a = -0.75."""
    a = -0.75

    def near(t: Value) -> Value:
        y = b(R.subtract, b(R.multiply, t, a + 2), a + 3)
        return b(R.add, b(R.multiply, b(R.multiply, y, t), t), 1.0)

    def far(t: Value) -> Value:
        y = b(R.subtract, b(R.multiply, t, a), 5 * a)
        y = b(R.add, b(R.multiply, y, t), 8 * a)
        return b(R.subtract, b(R.multiply, y, t), 4 * a)

    rest = b(R.subtract, 1.0, part)
    return [
        (-1, far(b(R.add, part, 1.0))),
        (0, near(part)),
        (1, near(rest)),
        (2, far(b(R.add, rest, 1.0))),
    ]


CURVES = {"linear": _linear, "bilinear": _linear, "cubic": _cubic, "bicubic": _cubic}


def _reflected(b: Builder, v: Value, low: float, high: float) -> Value:
    """Mirrored at both borders till it is inside."""
    span = high - low
    if span <= 0:
        return b(R.multiply, v, 0.0)
    turned = b(R.floor_mod, b(R.abs, b(R.subtract, v, low)), 2 * span)
    inside = b(R.subtract, span, b(R.abs, b(R.subtract, turned, span)))
    return b(R.add, inside, low)


def _bordered(b: Builder, v: Value, length: int, padding: str, align: bool) -> Value:
    if padding == "border":
        return b.clip(v, 0, length - 1)
    if padding == "reflection":
        low, high = (0.0, length - 1.0) if align else (-0.5, length - 0.5)
        return _reflected(b, v, low, high)
    return v


def grid_sample(
    b: Builder,
    x: Value,
    grid: Value,
    *,
    mode: str = "linear",
    padding_mode: str = "zeros",
    align_corners: int = 0,
) -> Value:
    """x [N, C, *S], grid [N, *S', len(S)] in -1..1, the last spatial axis first."""
    n, c, *spatial = shape(x)
    axes, outer = len(spatial), shape(grid)[1:-1]
    if padding_mode not in ("zeros", "border", "reflection") or mode not in ("nearest", *CURVES):
        raise ModelError(f"mode '{mode}' with padding_mode '{padding_mode}' is not implemented")
    if rank(grid) != rank(x) or shape(grid)[-1] != axes or shape(grid)[0] != n:
        raise ModelError(f"a grid {shape(grid)} does not fit an input {shape(x)}")
    flat = b.reshape(b.cast(grid, dtype(x)), (n, math.prod(outer), axes))
    align = bool(align_corners)
    centres = []
    for i, length in enumerate(spatial):
        one = [range(n), range(math.prod(outer)), range(axes - 1 - i, axes - i)]
        v = b.reshape(b.pick(flat, one), (n, math.prod(outer)))
        scale, shift = (length - align) / 2, (length - 1) / 2
        v = b(R.add, b(R.multiply, v, scale), shift)
        v = b(R.round, v) if mode == "nearest" else v
        free = mode in ("cubic", "bicubic") and padding_mode == "border"  # as PyTorch has it
        centres.append(v if free else _bordered(b, v, length, padding_mode, align))
    if mode == "nearest":
        places = [b(R.round, v) for v in centres]
        y = _pixels(b, x, _kept(b, places, spatial, padding_mode, align), padding_mode != "zeros")
    else:
        y = _interpolated(b, x, centres, mode, padding_mode, align)
    return b.reshape(y, (n, c, *outer))


def _kept(
    b: Builder, places: Sequence[Value], spatial: Sequence[int], padding: str, align: bool
) -> list[Value]:
    """Whole coordinates of corners, which lie beyond the border that their centre respects."""
    whole = [_bordered(b, v, n, padding, align) for v, n in zip(places, spatial, strict=True)]
    if padding != "reflection" or align:
        return whole
    return [b(R.round, v) for v in whole]


def _interpolated(
    b: Builder, x: Value, centres: Sequence[Value], mode: str, padding: str, align: bool
) -> Value:
    n, points = shape(centres[0])
    corners = []
    for v in centres:
        low = b(R.floor, v)
        corners.append([(b(R.add, low, float(o)), w)
                        for o, w in CURVES[mode](b, b(R.subtract, v, low))])  # fmt: skip
    total: Value | None = None
    for corner in itertools.product(*corners):
        places = _kept(b, [p for p, _ in corner], shape(x)[2:], padding, align)
        weight = corner[0][1]
        for _, w in corner[1:]:
            weight = b(R.multiply, weight, w)
        found = _pixels(b, x, places, padding != "zeros")
        part = b(R.multiply, found, b.reshape(weight, (n, 1, points)))
        total = part if total is None else b(R.add, total, part)
    assert total is not None
    return total


def deform_conv(
    b: Builder,
    x: Value,
    w: Value,
    offset: Value,
    bias: Value | None = None,
    mask: Value | None = None,
    *,
    dilations: Sequence[int] = (),
    group: int = 1,
    kernel_shape: Sequence[int] = (),
    offset_group: int = 1,
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> Value:
    """Columns of sampled pixels [N, C * taps, P], then one product a group."""
    if rank(x) != 4:
        raise ModelError(f"an input {shape(x)} is not implemented; two spatial dimensions are")
    (n, c, height, width), (o, _, kh, kw) = shape(x), shape(w)
    rows, columns = shape(offset)[2:]
    stride, dilation = per_axis(strides, 2, 1, "strides"), per_axis(dilations, 2, 1, "dilations")
    before = per_axis(pads, 4, 0, "pads")[:2]
    taps, points = kh * kw, rows * columns
    y0 = np.add.outer(np.arange(kh) * dilation[0], np.arange(rows) * stride[0]) - before[0]
    x0 = np.add.outer(np.arange(kw) * dilation[1], np.arange(columns) * stride[1]) - before[1]
    start = np.empty((taps, 2, rows, columns), np.float32)
    start[:, 0] = np.repeat(y0, kw, axis=0)[:, :, None]
    start[:, 1] = np.tile(x0, (kh, 1))[:, None, :]
    moved = b.reshape(offset, (n * offset_group, taps, 2, rows, columns))
    moved = b(R.add, moved, start.astype(dtype(x)))
    parts = b.split(b.reshape(b.transpose(moved, (0, 2, 1, 3, 4)),
                              (n * offset_group, 2, taps * points)), [1, 1], 1)  # fmt: skip
    at = [b.reshape(p, (n * offset_group, taps * points)) for p in parts]
    grouped = b.reshape(x, (n * offset_group, c // offset_group, height, width))
    found = _interpolated(b, grouped, at, "linear", "zeros", False)
    if mask is not None:
        found = b(R.multiply, found, b.reshape(mask, (n * offset_group, 1, taps * points)))
    found = b.reshape(found, (n, group, c // group * taps, points))
    weights = b.reshape(w, (group, o // group, c // group * taps))
    y = b.reshape(b(R.matmul, weights, found), (n, o, rows, columns))
    return y if bias is None else b(R.add, y, b.reshape(bias, (o, 1, 1)))


@dataclass(frozen=True)
class Samples:
    """Of regions along one axis: coordinates [R, bins * count] in the image and whether they
    count; share [R, 1, 1] is 1 / the number of those in a bin.
    """

    at: Value
    ok: Value
    share: Value
    bins: int
    count: int

    def weights(self, b: Builder, length: int) -> Value:
        """[R, 1, bins, length]: of the image's elements in the mean of each bin."""
        rois, points = shape(self.at)
        places = b.reshape(self.at, (rois, points, 1))
        away = b(R.abs, b(R.subtract, places, np.arange(length, dtype=np.float32)))
        hat = b(R.maximum, b(R.subtract, 1.0, away), 0.0)
        hat = b(R.where, b.reshape(self.ok, (rois, points, 1)), hat, 0.0)
        summed = b(R.sum, b.reshape(hat, (rois, self.bins, self.count, length)), axis=[2])
        return b.reshape(b(R.multiply, summed, self.share), (rois, 1, self.bins, length))


def _samples(
    b: Builder, start: Value, extent: Value, bins: int, count: int, each: Value, again: bool
) -> tuple[Value, Value]:
    """Coordinates [R, bins * count], and which are used: `each` [R, 1, 1] of the `count`. The rest
    lies where the last of them does, if `again`.
    """
    rois = shape(start)[0]
    width = b(R.multiply, extent, 1 / bins)
    index = np.arange(bins, dtype=np.float32).reshape(1, bins, 1)
    inner: Value = (np.arange(count, dtype=np.float32) + 0.5).reshape(1, 1, count)
    if again:
        inner = b(R.minimum, inner, b(R.subtract, b(R.maximum, each, 1.0), 0.5))
    at = b(R.add, b(R.multiply, b(R.divide, inner, each), width), b(R.multiply, width, index))
    used = b(R.broadcast_to, b(R.less, inner, each), shape=(rois, bins, count))
    points = (rois, bins * count)
    return b.reshape(b(R.add, at, start), points), b.reshape(used, points)


def _roi_maximum(b: Builder, images: Value, rows: Samples, columns: Samples) -> Value:
    """The largest product of a pixel with its weight, of the four around each sample."""
    rois, channels, *spatial = shape(images)
    grid = (rois, rows.bins * rows.count, columns.bins * columns.count)
    flat = (rois, math.prod(grid[1:]))

    def spread(value: Value, axis: int) -> Value:
        dims = [rois, 1, 1]
        dims[1 + axis] = grid[1 + axis]
        return b.reshape(b(R.broadcast_to, b.reshape(value, dims), shape=grid), flat)

    corners = []
    for axis, samples in enumerate((rows, columns)):
        low = b(R.floor, samples.at)
        above = b(R.subtract, samples.at, low)
        high = b(R.minimum, b(R.add, low, 1.0), spatial[axis] - 1)
        corners.append([(spread(low, axis), spread(b(R.subtract, 1.0, above), axis)),
                        (spread(high, axis), spread(above, axis))])  # fmt: skip
    best: Value | None = None
    for (y, down), (x, right) in itertools.product(*corners):
        weight = b.reshape(b(R.multiply, down, right), (rois, 1, flat[1]))
        part = b(R.multiply, _pixels(b, images, [y, x], True), weight)
        best = part if best is None else b(R.maximum, best, part)
    assert best is not None
    ok = b(R.logical_and, spread(rows.ok, 0), spread(columns.ok, 1))
    best = b(R.where, b.reshape(ok, (rois, 1, flat[1])), best, 0.0)
    dims = (rois, channels, rows.bins, rows.count, columns.bins, columns.count)
    return b(R.max, b.reshape(best, dims), axis=[3, 5])


UNSHIFTED = "output_half_pixel"  # all that there was before opset 16


def roi_align(
    b: Builder,
    x: Value,
    rois: Value,
    batch: Value,
    *,
    coordinate_transformation_mode: str = "half_pixel",
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> Value:
    """x [N, C, H, W], rois [R, 4] -> [R, C, h, w]; a mean is a product with a matrix an axis."""
    if mode not in ("avg", "max"):
        raise ModelError(f"attribute mode is '{mode}'; known are avg, max")
    half = coordinate_transformation_mode == "half_pixel"
    count = sampling_ratio
    if count <= 0:
        what = "with sampling_ratio 0, the regions decide how many samples there are: rois"
        rois = constant(rois, what)
    scaled = b(R.subtract, b(R.multiply, rois, spatial_scale), 0.5 if half else 0.0)
    sides = b.split(scaled, [1, 1, 1, 1], 1)
    number, axes = shape(rois)[0], []
    for axis, bins in enumerate((output_height, output_width)):
        low, high = (b.reshape(sides[i], (number, 1, 1)) for i in (1 - axis, 3 - axis))
        extent = b(R.subtract, high, low)
        extent = extent if half else b(R.maximum, extent, 1.0)
        each: Value = np.full((number, 1, 1), float(count), np.float32)
        most = count
        if count <= 0:
            spans = (rois[:, 3 - axis] - rois[:, 1 - axis]) * np.float32(spatial_scale)
            spans = spans if half else np.maximum(spans, 1)
            each = np.ceil(spans / bins).astype(np.float32).reshape(-1, 1, 1)
            most = max(int(each.max()), 1)
        at, used = _samples(b, low, extent, bins, most, each, mode == "max")
        length = shape(x)[2 + axis]
        ok = b(R.logical_and, b(R.greater_equal, at, -1.0), b(R.less_equal, at, float(length)))
        share = b(R.divide, 1.0, b(R.maximum, each, 1.0))
        inside = b.clip(at, 0, length - 1)
        axes.append(Samples(inside, b(R.logical_and, ok, used), share, bins, most))
    images = b.take(x, b(R.maximum, b.cast(batch, "int32"), 0), 0)
    if mode == "max":
        return _roi_maximum(b, images, *axes)
    rows, columns = (a.weights(b, n) for a, n in zip(axes, shape(x)[2:], strict=True))
    return b(R.matmul, b(R.matmul, rows, images), b.transpose(columns, (0, 1, 3, 2)))


def max_roi_pool(
    b: Builder,
    x: Value,
    rois: Value,
    *,
    pooled_shape: Sequence[int],
    spatial_scale: float = 1.0,
) -> Value:
    """x [N, C, H, W], rois [R, 5] of image, left, top, right, bottom, all pixels of which count
    -> [R, C, *pooled_shape]; zero where a bin has no pixel.
    """
    image, left, top, right, bottom = b.split(rois, [1] * 5, 1)
    number = shape(rois)[0]
    places = b.cast(b.reshape(image, (number,)), "int32")
    y = b.take(x, b(R.maximum, places, 0), 0)
    for axis, low, high in ((3, left, right), (2, top, bottom)):
        bins, length = pooled_shape[axis - 2], shape(x)[axis]
        start, end = (
            b(R.floor, b(R.add, b(R.multiply, side, spatial_scale), 0.5)) for side in (low, high)
        )
        width = b(R.maximum, b(R.add, b(R.subtract, end, start), 1.0), 1.0)
        each = b(R.divide, width, float(bins))
        number_of = np.arange(bins, dtype=np.float32).reshape(1, bins)
        first = b(R.add, b(R.floor, b(R.multiply, each, number_of)), start)
        last = b(R.add, b(R.ceil, b(R.multiply, each, number_of + 1)), start)
        pixel = np.arange(length, dtype=np.float32)
        first, last = (b.reshape(side, (number, bins, 1)) for side in (first, last))
        inside = b(R.logical_and, b(R.greater_equal, pixel, first), b(R.less, pixel, last))
        y = _binned(b, y, inside, axis)
    empty = b(R.less_equal, y, float(np.finfo(dtype(x)).min))
    return b(R.where, empty, 0.0, y)


def _binned(b: Builder, x: Value, inside: Value, axis: int) -> Value:
    """The maximum of each bin's elements along the axis. inside: [R, bins, length]."""
    rois, bins, length = shape(inside)
    dims = list(shape(x))
    dims.insert(axis, 1)
    mask = [rois, *[1] * (len(dims) - 1)]
    mask[axis : axis + 2] = bins, length
    kept = b(
        R.where, b.reshape(inside, mask), b.reshape(x, dims), np.asarray(np.finfo(dtype(x)).min)
    )
    return b(R.max, kept, axis=[axis + 1])


OPS: Table = {
    "DeformConv": deform_conv,
    "GridSample": grid_sample,
    "MaxRoiPool": max_roi_pool,
    "RoiAlign": {10: partial(roi_align, coordinate_transformation_mode=UNSHIFTED), 16: roi_align},
}
