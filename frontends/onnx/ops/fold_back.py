"""The opposites of windows: pixels and columns put back where they were taken from."""

import math
from collections.abc import Sequence

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import Builder, R, Table, Value, dtype, integers, rank, shape
from frontends.onnx.ops.window import per_axis


def column_to_image(
    b: Builder,
    x: Value,
    image_shape: Value,
    block_shape: Value,
    *,
    dilations: Sequence[int] = (),
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> Value:
    """x [N, C * taps, positions] -> [N, C, *image]: what falls on one pixel is summed."""
    image = integers(image_shape, "image_shape")
    block = integers(block_shape, "block_shape")
    axes, taps = len(image), math.prod(block)
    stride = per_axis(strides, axes, 1, "strides")
    dilation = per_axis(dilations, axes, 1, "dilations")
    margin = per_axis(pads, 2 * axes, 0, "pads")
    grid = []
    for i, size in enumerate(image):
        span = (block[i] - 1) * dilation[i] + 1
        count = (size + margin[i] + margin[axes + i] - span) // stride[i] + 1
        at = np.add.outer(np.arange(block[i]) * dilation[i], np.arange(count) * stride[i])
        grid.append(at - margin[i])
    n, rows, positions = shape(x)
    if rows % taps or positions != math.prod(g.shape[1] for g in grid):
        raise ModelError(f"columns {shape(x)} do not fit blocks {block} of an image {image}")
    flat, inside = np.zeros((), np.int64), np.ones((), bool)
    for i, at in enumerate(grid):
        wide = [1] * (2 * axes)
        wide[i], wide[axes + i] = at.shape
        flat = flat * image[i] + np.clip(at, 0, image[i] - 1).reshape(wide)
        inside = inside & ((at >= 0) & (at < image[i])).reshape(wide)
    pixels, channels = math.prod(image), rows // taps
    place = np.where(inside, flat, pixels).reshape(-1, 1)  # one more for all that is outside
    columns = b.reshape(x, (n * channels, taps * positions))
    start = np.zeros((pixels + 1, n * channels), dtype(x))
    summed = b(R.scatter_nd, start, place, b.transpose(columns, (1, 0)), reduction="add")
    kept = b.pick(summed, [range(pixels), range(n * channels)])
    return b.reshape(b.transpose(kept, (1, 0)), (n, channels, *image))


def max_unpool(
    b: Builder,
    x: Value,
    indices: Value,
    output_shape: Value | None = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> Value:
    """Zeros with each maximum at its index, which counts in the whole unpooled tensor. A larger
    output_shape adds zeros at its ends.
    """
    axes = rank(x) - 2
    stride = per_axis(strides, axes, 1, "strides")
    margin = per_axis(pads, 2 * axes, 0, "pads")
    spatial = [
        (d - 1) * s - margin[i] - margin[axes + i] + k
        for i, (d, s, k) in enumerate(zip(shape(x)[2:], stride, kernel_shape, strict=True))
    ]
    dims = [*shape(x)[:2], *spatial]
    total = math.prod(shape(x))
    zeros = np.zeros(math.prod(dims), dtype(x))
    places = b.cast(b.reshape(indices, (total,)), "int64")
    y = b(R.scatter_elements, zeros, places, b.reshape(x, (total,)), axis=0, reduction="update")
    whole = integers(output_shape, "output_shape") if output_shape is not None else dims
    grown = [(0, w - d) for w, d in zip(whole, dims, strict=True)]
    y = b.reshape(y, dims)
    return y if whole == dims else b(R.nn.pad, y, pad_width=[w for g in grown for w in g])


OPS: Table = {"Col2Im": column_to_image, "MaxUnpool": max_unpool}
