"""Layers without weights: pools, moves, products and joins."""

from __future__ import annotations

import math

import numpy as np

from frontends.darknet.activations import ACTIVATIONS
from frontends.darknet.cfg import Section
from frontends.darknet.graph import Graph, Value
from frontends.model import ModelError

MOST_NORMALISED = 4096  # channels: a square matrix of them


def maxpool(g: Graph, s: Section, x: Value) -> Value:
    if s.integer("maxpool_depth", 0):
        return _over_depth(g, s, x)
    return _pool(g, s, x, "MaxPool")


def local_avgpool(g: Graph, s: Section, x: Value) -> Value:
    return _pool(g, s, x, "AveragePool")


def _pool(g: Graph, s: Section, x: Value, kind: str) -> Value:
    """`padding` is what both sides have together, the smaller half before."""
    channels, *image = x.image
    step = s.integer("stride", 1, 1)
    strides = [s.integer(key, step, 1) for key in ("stride_y", "stride_x")]
    size = s.integer("size", step, 1)
    padding = s.integer("padding", size - 1, 0)
    before = padding // 2
    made = [(n + padding - size) // k + 1 for n, k in zip(image, strides, strict=True)]
    out = g.value("", channels, *made)
    after = [
        max(0, (m - 1) * k + size - n - before)
        for m, k, n in zip(made, strides, image, strict=True)
    ]
    if max(before, *after) >= size:
        raise ModelError(f"with padding={padding} windows of {size} lie outside of the image.")
    pads = [before, before, *after]
    name = g.add(kind, x.name, kernel_shape=[size, size], strides=strides, pads=pads)
    return Value(name, out.dims)


def _over_depth(g: Graph, s: Section, x: Value) -> Value:
    """Each output channel is the largest of those that lie `out_channels` apart."""
    channels, height, width = x.image
    made = s.integer("out_channels", 1, 1)
    if channels % made:
        raise ModelError(f"out_channels={made} does not divide {channels} channels.")
    parted = g.reshaped(x.name, channels // made, made, height, width)
    axis = g.constant(np.array([1]))
    return g.value(g.add("ReduceMax", parted, axis, keepdims=0), made, height, width)


def avgpool(g: Graph, s: Section, x: Value) -> Value:
    return g.value(g.add("GlobalAveragePool", x.name), x.image[0], 1, 1)


def upsample(g: Graph, s: Section, x: Value) -> Value:
    (channels, height, width), step = x.image, s.integer("stride", 2, 1)
    out = g.value("", channels, height * step, width * step)
    sizes = g.constant(np.array([1, 1, step, step], np.float32))
    attributes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    name = g.add("Resize", x.name, "", sizes, mode="nearest", **attributes)
    return Value(g.scaled(name, s.number("scale", 1)), out.dims)


def reorg(g: Graph, s: Section, x: Value) -> Value:
    """As the original does it: what is read is taken for an image of the result's kind."""
    return _reorg(g, s, x, original=True)


def reorg3d(g: Graph, s: Section, x: Value) -> Value:
    return _reorg(g, s, x, original=False)


def _reorg(g: Graph, s: Section, x: Value, original: bool) -> Value:
    """Blocks of pixels become channels, or with `reverse` channels blocks of pixels."""
    (channels, height, width), step = x.image, s.integer("stride", 1, 1)
    square, reverse = step * step, bool(s.integer("reverse", 0))
    if reverse:
        made = (channels // square, height * step, width * step)
    else:
        made = (channels * square, height // step, width // step)
    parts, high, wide = x.image if original else made
    if math.prod(made) != x.size or parts % square:
        raise ModelError(f"stride={step} does not divide {channels} x {height} x {width}.")
    few = parts // square
    out = g.value("", *made)
    if reverse:
        name = g.reshaped(x.name, step, step, few, high, wide)
        name = g.add("Transpose", name, perm=[0, 3, 4, 1, 5, 2])
    else:
        name = g.reshaped(x.name, few, high, step, wide, step)
        name = g.add("Transpose", name, perm=[0, 3, 5, 1, 2, 4])
    return Value(g.reshaped(name, *made), out.dims)


def crop(g: Graph, s: Section, x: Value) -> Value:
    """The middle, from -1 to 1 unless `noadjust`."""
    channels, height, width = x.image
    high, wide = s.integer("crop_height", 1, 1), s.integer("crop_width", 1, 1)
    if high > height or wide > width:
        raise ModelError(f"it takes {high} x {wide} out of {height} x {width}.")
    top, left = (height - high) // 2, (width - wide) // 2
    ends = [[top, left], [top + high, left + wide], [2, 3]]
    name = g.add("Slice", x.name, *(g.constant(np.array(e)) for e in ends))
    if not s.integer("noadjust", 0):
        name = g.add("Sub", g.scaled(name, 2.0), g.scalar(1.0))
    return g.value(name, channels, high, wide)


def normalization(g: Graph, s: Section, x: Value) -> Value:
    """x / (kappa + alpha * sum of the squares of some channels) ^ beta. Darknet moves its window
    by what enters and what leaves: the channel that the first window just misses never enters, and
    is taken off all the same.
    """
    channels, *_ = x.image
    if channels > MOST_NORMALISED:
        raise ModelError(f"{channels} channels are more than {MOST_NORMALISED}.")
    size = s.integer("size", 5, 1)
    rows = np.zeros((channels, channels), np.float32)
    rows[0, : size // 2] = 1
    for k in range(1, channels):
        rows[k] = rows[k - 1]
        leaves, enters = k - (size - 1) // 2 - 1, k + size // 2
        if leaves >= 0:
            rows[k, leaves] -= 1
        if enters < channels:
            rows[k, enters] += 1
    kernel = rows[:, :, None, None] * np.float32(s.number("alpha", 0.0001))
    bias = np.full(channels, s.number("kappa", 1), np.float32)
    squares = g.add("Mul", x.name, x.name)
    norms = g.add("Conv", squares, g.constant(kernel), g.constant(bias))
    power = g.add("Pow", norms, g.scalar(-s.number("beta", 0.75)))
    return Value(g.add("Mul", x.name, power), x.dims)


def route(g: Graph, s: Section, x: Value) -> Value:
    """Earlier layers one behind the other: by channels where their images have one size."""
    parts = [g.layer(n) for n in s.integers("layers")]
    if not parts:
        raise ModelError("it has no layers=.")
    groups, group = s.integer("groups", 1, 1), s.integer("group_id", 0, 0)
    same = len(parts[0].dims) == 3 and len({p.dims[1:] for p in parts}) == 1
    if group >= groups or any((p.dims[0] if same else p.size) % groups for p in parts):
        raise ModelError(f"group_id={group} of groups={groups} does not fit its layers.")
    names = [p.name if same else g.reshaped(p.name, p.size) for p in parts]
    lengths = [(p.dims[0] if same else p.size) // groups for p in parts]
    if groups > 1:
        names = [
            g.split(name, [length] * groups, 1)[group]
            for name, length in zip(names, lengths, strict=True)
        ]
    name = names[0] if len(names) == 1 else g.add("Concat", *names, axis=1)
    return g.value(name, sum(lengths), *(parts[0].dims[1:] if same else ()))


def scale_channels(g: Graph, s: Section, x: Value) -> Value:
    """An earlier layer times x: a number for each channel, or with scale_wh for each pixel."""
    scaled = g.layer(s.integer("from", 0))
    channels, height, width = scaled.image
    want = (1, height, width) if s.integer("scale_wh", 0) else (channels, 1, 1)
    if x.image != want:
        raise ModelError(f"{scaled.dims} cannot be scaled by {x.dims}.")
    return _product(g, s, scaled, x)


def sam(g: Graph, s: Section, x: Value) -> Value:
    other = g.layer(s.integer("from", 0))
    if other.dims != x.dims:
        raise ModelError(f"{other.dims} cannot be multiplied with {x.dims}.")
    return _product(g, s, other, x)


def _product(g: Graph, s: Section, a: Value, b: Value) -> Value:
    name = g.add("Mul", a.name, b.name)
    return Value(ACTIVATIONS[s.text("activation", "linear")](g, name), a.dims)


def activation(g: Graph, s: Section, x: Value) -> Value:
    return Value(ACTIVATIONS[s.text("activation", "linear")](g, x.name), x.dims)


def same(g: Graph, s: Section, x: Value) -> Value:
    """Nothing to do but in training."""
    return x
