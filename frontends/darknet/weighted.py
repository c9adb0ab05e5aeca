"""Layers with weights."""

from __future__ import annotations

import numpy as np

from frontends.darknet.activations import ACTIVATIONS
from frontends.darknet.cfg import Section
from frontends.darknet.graph import Graph, Value
from frontends.model import Array, ModelError

EPSILON = 1e-5


def convolutional(g: Graph, s: Section, x: Value) -> Value:
    channels, *image = x.image
    filters, size = s.integer("filters", 1, 1), s.integer("size", 1, 1)
    groups = s.integer("groups", 1, 1)
    step = s.integer("stride", 1, 1)
    strides = [s.integer(key, step, 1) for key in ("stride_y", "stride_x")]
    spread = s.integer("dilation", 1, 1) if size > 1 else 1
    pad = size // 2 if s.integer("pad", 0) else s.integer("padding", 0, 0)
    if channels % groups or filters % groups:
        raise ModelError(f"{groups} groups do not divide {channels} channels into {filters}.")
    made = [(n + 2 * pad - size) // k + 1 for n, k in zip(image, strides, strict=True)]
    reach = spread * (size - 1) + 1
    if made != [
        (n + 2 * pad * spread - reach) // k + 1 for n, k in zip(image, strides, strict=True)
    ]:
        raise ModelError(f"dilation={spread} needs pad=1 and an odd size.")
    out = g.value("", filters, *made)
    weight, bias, *norm = _convolution(g, s, (filters, channels // groups, size, size))
    attributes = {
        "group": groups,
        "strides": strides,
        "dilations": [spread] * 2,
        "pads": [pad * spread] * 4,
    }
    inputs = [x.name, g.constant(weight)]
    name = g.add("Conv", *inputs, *([] if norm else [g.constant(bias)]), **attributes)
    if norm:
        name = _normalized(g, name, [norm[0], bias, *norm[1:]])
    return Value(_activated(g, s, name, "logistic"), out.dims)


def _convolution(g: Graph, s: Section, shape: tuple[int, int, int, int]) -> list[Array]:
    """Weights, biases, and with batch normalisation scales, means and variances. A layer with
    share_index has those of another.
    """
    place = len(g.layers)
    if "share_index" in s.options:
        of = s.integer("share_index", 0)
        loaded = g.loaded.get(of if of >= 0 else place + of)
        if loaded is None or loaded[0].shape != shape or len(loaded) != (5 if _norm(s) else 2):
            raise ModelError(f"share_index={of} names no convolution like it.")
    else:
        filters, *kernel = shape
        vectors = [g.weights.take(filters) for _ in range(4 if _norm(s) else 1)]
        if s.integer("flipped", 0):
            weight = g.weights.take(*kernel, filters).transpose(3, 0, 1, 2)
        else:
            weight = g.weights.take(*shape)
        loaded = [weight, *vectors]
    g.loaded[place] = loaded
    return loaded


def _norm(s: Section) -> bool:
    return bool(s.integer("batch_normalize", 0) or s.integer("cbn", 0))


def connected(g: Graph, s: Section, x: Value) -> Value:
    outputs = s.integer("output", 1, 1)
    bias = g.weights.take(outputs)
    if g.weights.transposed:
        weight = g.weights.take(x.size, outputs).T
    else:
        weight = g.weights.take(outputs, x.size)
    flat = g.reshaped(x.name, x.size)
    if not _norm(s):
        name = g.add("Gemm", flat, g.constant(weight), g.constant(bias), transB=1)
    else:
        scale, mean, variance = (g.weights.take(outputs) for _ in range(3))
        name = g.add("Gemm", flat, g.constant(weight), transB=1)
        name = _normalized(g, name, [scale, bias, mean, variance])
    return g.value(_activated(g, s, name, "logistic"), outputs)


def batchnorm(g: Graph, s: Section, x: Value) -> Value:
    channels, *_ = x.image
    bias, scale, mean, variance = (g.weights.take(channels) for _ in range(4))
    return Value(_normalized(g, x.name, [scale, bias, mean, variance]), x.dims)


def shortcut(g: Graph, s: Section, x: Value) -> Value:
    """Adds earlier layers: the channels that both have; of another size, every so many pixels."""
    others = [g.layer(n) for n in s.integers("from")]
    if not others:
        raise ModelError("it has no from=.")
    if s.number("alpha", 1) != 1 or s.number("beta", 1) != 1:
        raise ModelError("alpha and beta compile as 1.")
    shares = _shares(g, s, 1 + len(others), x)
    name = x.name if shares is None else g.add("Mul", x.name, shares[0])
    for k, other in enumerate(others, 1):
        fitted = _fitted(g, other, x)
        if shares is not None:
            fitted = g.add("Mul", fitted, shares[k])
        name = g.add("Add", name, fitted)
    return Value(_activated(g, s, name, "linear"), x.dims)


def _shares(g: Graph, s: Section, count: int, x: Value) -> list[str] | None:
    """What each addend is multiplied with."""
    kind, norm = s.text("weights_type", "none"), s.text("weights_normalization", "none")
    if kind == "none":
        return None
    channels = {"per_feature": 1, "per_layer": 1, "per_channel": x.image[0]}.get(kind)
    if channels is None or norm not in ("none", "relu", "avg_relu", "softmax"):
        raise ModelError(f"weights_type={kind} with weights_normalization={norm} is unknown.")
    weight = g.weights.take(count, channels, 1, 1)
    if norm == "softmax":
        weight = np.exp(weight - weight.max(0))
    elif norm != "none":
        weight = np.maximum(weight, 0)
    if norm != "none":
        weight = weight / (weight.sum(0) + np.float32(1e-4))
    return [g.constant(w) for w in weight]


def _fitted(g: Graph, other: Value, x: Value) -> str:
    (channels, *have), (wanted, *want) = other.image, x.image
    name = other.name
    if channels > wanted:
        name = g.split(name, [wanted, channels - wanted], 1)[0]
    most = min(channels, wanted)
    if have != want:
        name = _resampled(g, name, most, (have[0], have[1]), (want[0], want[1]))
    if channels < wanted:
        name = _padded(g, name, [0, 0, 0, 0, 0, wanted - channels, 0, 0])
    return name


def _resampled(
    g: Graph, name: str, channels: int, have: tuple[int, int], want: tuple[int, int]
) -> str:
    """Every n-th pixel of a larger image; the pixels of a smaller one n apart, zeros between."""
    (h, w), (high, wide) = have, want
    step = h // high
    if step > 1 and (h, w) == (high * step, wide * step):
        parted = g.reshaped(name, channels, high, step, wide, step)
        for axis in (3, 5):
            parted = g.add("Gather", parted, g.constant(np.array([0])), axis=axis)
        return g.reshaped(parted, channels, high, wide)
    step = high // h
    if step > 1 and (high, wide) == (h * step, w * step):
        apart = g.reshaped(name, channels, h, 1, w, 1)
        ends = [0, 0, 0, step - 1, 0, step - 1]
        return g.reshaped(_padded(g, apart, [0] * 6 + ends), channels, high, wide)
    raise ModelError(f"it adds an image of {h} x {w} to one of {high} x {wide}.")


def _padded(g: Graph, name: str, pads: list[int]) -> str:
    return g.add("Pad", name, g.constant(np.array(pads, np.int64)))


def _normalized(g: Graph, name: str, arrays: list[Array]) -> str:
    """arrays: scale, bias, mean and variance."""
    given = [g.constant(a) for a in arrays]
    return g.add("BatchNormalization", name, *given, epsilon=EPSILON)


def _activated(g: Graph, s: Section, name: str, default: str) -> str:
    return ACTIVATIONS[s.text("activation", default)](g, name)
