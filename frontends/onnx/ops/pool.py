"""Pooling over any number of spatial axes, two at a time.

A maximum of maxima is the maximum, and a mean's divisor is the product of each axis's own count, so
a pool over three axes is one over the last two, then one over the first. One axis runs as two.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import Builder, R, Table, Value, affordable, dtype, rank, shape
from frontends.onnx.graph import Array
from frontends.onnx.ops.window import Window, resolve


def max_pool(
    b: Builder,
    x: Value,
    *,
    kernel_shape: Sequence[int],
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] = (),
    pads: Sequence[int] = (),
    storage_order: int = 0,
    strides: Sequence[int] = (),
) -> Value | tuple[Value, Value]:
    """The indices of the maxima are only computed where the model asks for them."""
    window = resolve(
        shape(x)[2:],
        kernel_shape,
        strides=strides,
        dilations=dilations,
        pads=pads,
        auto_pad=auto_pad,
        ceil_mode=ceil_mode,
    )
    if b.wants(1):
        return _indexed(b, x, window, storage_order)
    return _pool(b, R.nn.max_pool2d, x, window)


def _indexed(b: Builder, x: Value, window: Window, storage_order: int) -> tuple[Value, Value]:
    """Maxima, and where each was found first, counted in the whole tensor, by columns if asked."""
    n, c, *spatial = shape(x)
    place, inside = np.zeros((), np.int64), np.ones((), bool)
    axes, area = len(spatial), math.prod(spatial)
    columns = np.zeros((), np.int64)
    for i, length in enumerate(spatial):
        starts = np.arange(window.output[i]) * window.strides[i] - window.before[i]
        at = starts[:, None] + np.arange(window.kernel[i]) * window.dilations[i]
        wide = [1] * (2 * axes)
        wide[i], wide[axes + i] = at.shape
        near = np.clip(at, 0, length - 1).reshape(wide)
        place = place * length + near
        columns = columns + near * math.prod(spatial[:i])
        inside = inside & ((at >= 0) & (at < length)).reshape(wide)
    affordable(float(place.size))
    count, taps = math.prod(window.output), math.prod(window.kernel)
    flat, mask = place.reshape(count, taps), inside.reshape(count, taps)
    found = b.take(b.reshape(x, (n * c, area)), flat, 1)
    kind = np.dtype(dtype(x))
    least = -np.inf if kind.kind == "f" else np.iinfo(kind).min
    found = found if mask.all() else b(R.where, mask, found, np.asarray(least, kind))
    best = b(R.argmax, found, axis=2)
    numbers = (columns if storage_order else place).reshape(-1)
    at = b(R.add, best, np.arange(count) * taps)
    index = b(R.add, b.take(numbers, at, 0), (np.arange(n * c) * area).reshape(-1, 1))
    dims = (n, c, *window.output)
    return b.reshape(b(R.max, found, axis=[2]), dims), b.reshape(index, dims)


def average_pool(
    b: Builder,
    x: Value,
    *,
    kernel_shape: Sequence[int],
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Sequence[int] = (),
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> Value:
    window = resolve(
        shape(x)[2:],
        kernel_shape,
        strides=strides,
        dilations=dilations,
        pads=pads,
        auto_pad=auto_pad,
        ceil_mode=ceil_mode,
    )
    counted = bool(count_include_pad)
    # avg_pool2d counts either all padding or, with windows that have no gaps, none of it
    plain = window.after == window.asked if counted else max(window.dilations) == 1
    if plain or not any(window.before + window.after):
        return _pool(b, R.nn.avg_pool2d, x, window, count_include_pad=counted)
    means = _pool(b, R.nn.avg_pool2d, x, window, count_include_pad=True)
    factor = _correction(window, shape(x)[2:], counted)
    return b(R.multiply, means, factor.astype(dtype(x)))


def _correction(window: Window, spatial: Sequence[int], counted: bool) -> Array:
    """Per output position: the window's size over how many of its elements the mean counts.

    Those are the input's and, where padding is counted, of that what the model asks for, never
    what ceil_mode adds.
    """
    axes = len(spatial)
    factor = np.ones(window.output)
    for i, size in enumerate(spatial):
        low, high = (-window.before[i], size + window.asked[i]) if counted else (0, size)
        starts = np.arange(window.output[i]) * window.strides[i] - window.before[i]
        taps = starts[:, None] + np.arange(window.kernel[i]) * window.dilations[i]
        count = ((taps >= low) & (taps < high)).sum(axis=1)
        share = window.kernel[i] / np.maximum(count, 1)
        factor = factor * share.reshape([-1] + [1] * (axes - i - 1))
    return factor


def lp_pool(
    b: Builder,
    x: Value,
    *,
    kernel_shape: Sequence[int],
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] = (),
    p: int = 2,
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> Value:
    """(sum |x|^p)^(1/p): a mean that counts the padding, times the window's size."""
    window = resolve(
        shape(x)[2:],
        kernel_shape,
        strides=strides,
        dilations=dilations,
        pads=pads,
        auto_pad=auto_pad,
        ceil_mode=ceil_mode,
    )
    powers = b(R.power, b(R.abs, x), float(p))
    means = _pool(b, R.nn.avg_pool2d, powers, window, count_include_pad=True)
    return b(R.power, b(R.multiply, means, float(math.prod(window.kernel))), 1 / p)


def _pool(b: Builder, op: Callable[..., Any], x: Value, window: Window, **attrs: Any) -> Value:
    """Pool the last two axes with the others folded into the channels, then the axes before."""
    axes = rank(x) - 2
    if axes < 1:
        raise ModelError(f"an input {shape(x)} has no spatial dimensions")
    done = axes
    while done > 0:
        first = max(0, done - 2)
        x = _pool_axes(b, op, x, window, range(first, done), attrs)
        done = first
    return x


def _pool_axes(
    b: Builder, op: Callable[..., Any], x: Value, window: Window, axes: range, attrs: dict[str, Any]
) -> Value:
    def pair(values: Sequence[int], fill: int) -> tuple[int, ...]:
        picked = tuple(values[a] for a in axes)
        return picked if len(picked) == 2 else (*picked, fill)

    dims = list(shape(x))
    low, high = 2 + axes[0], 3 + axes[-1]
    kernel, strides = pair(window.kernel, 1), pair(window.strides, 1)
    padding = pair(window.before, 0) + pair(window.after, 0)
    if (kernel, strides, padding) == ((1, 1), (1, 1), (0, 0, 0, 0)):
        return x
    height = dims[low]
    width = math.prod(dims[low + 1 :]) if len(axes) == 1 else dims[low + 1]
    y = b(
        op,
        b.reshape(x, (dims[0], math.prod(dims[1:low]), height, width)),
        pool_size=kernel,
        strides=strides,
        padding=padding,
        dilation=pair(window.dilations, 1),
        layout="NCHW",
        **attrs,
    )
    return b.reshape(y, (*dims[:low], *shape(y)[2 : 2 + len(axes)], *dims[high:]))


def global_average_pool(b: Builder, x: Value) -> Value:
    return b(R.mean, x, axis=list(range(2, rank(x))), keepdims=True)


def global_max_pool(b: Builder, x: Value) -> Value:
    return b(R.max, x, axis=list(range(2, rank(x))), keepdims=True)


def global_lp_pool(b: Builder, x: Value, *, p: int = 2) -> Value:
    powers = b(R.power, b(R.abs, x), float(p))
    return b(R.power, b(R.sum, powers, axis=list(range(2, rank(x))), keepdims=True), 1 / p)


def local_response(
    b: Builder,
    x: Value,
    *,
    size: int,
    alpha: float = 0.0001,
    beta: float = 0.75,
    bias: float = 1.0,
) -> Value:
    """LRN: x / (bias + alpha * mean of squares over `size` neighbouring channels) ^ beta."""
    dims = shape(x)
    rows = b.reshape(b(R.multiply, x, x), (dims[0], 1, dims[1], math.prod(dims[2:])))
    before = (size - 1) // 2
    means = b(
        R.nn.avg_pool2d,
        rows,
        pool_size=(size, 1),
        strides=(1, 1),
        padding=(before, 0, size - 1 - before, 0),
        count_include_pad=True,
        layout="NCHW",
    )
    base = b(R.add, b(R.multiply, b.reshape(means, dims), alpha), bias)
    return b(R.divide, x, b(R.power, base, beta))


OPS: Table = {
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalLpPool": global_lp_pool,
    "GlobalMaxPool": global_max_pool,
    "LRN": local_response,
    "LpPool": lp_pool,
    "MaxPool": max_pool,
}
