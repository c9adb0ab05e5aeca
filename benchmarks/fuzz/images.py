"""Rows of operators on images and signals: convolutions, pools, normalisations, resizing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.fuzz.drawing import FLOATS, Drawing, Value
from benchmarks.fuzz.elements import Row
from benchmarks.fuzz.oracle import Declined

WIDTHS = (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 40)
ACTIVATIONS = ("Relu", "Sigmoid", "HardSwish", "LeakyRelu", "Tanh", "Clip", "Elu", "")


def is_image(value: Value) -> bool:
    """Or a signal, or a volume."""
    return value.dtype in FLOATS and 3 <= value.rank <= 5 and value.array.size > 0


def is_flat_image(value: Value) -> bool:
    return is_image(value) and value.rank == 4


def window(g: Drawing, x: Value, dilated: bool = True) -> dict[str, Any]:
    """kernel_shape, strides, pads and perhaps dilations."""
    axes = x.rank - 2
    kernel = [g.chance.choice([1, 1, 2, 3, 3, 3, 4, 5, 7]) for _ in range(axes)]
    if g.chance.random() < 0.6:
        kernel = kernel[:1] * axes
    found: dict[str, Any] = {"kernel_shape": kernel}
    if g.chance.random() < 0.5:
        found["strides"] = [g.chance.choice([1, 2, 2, 3]) for _ in kernel]
    if dilated and g.chance.random() < 0.2:
        found["dilations"] = [g.chance.choice([1, 2, 3]) for _ in kernel]
    style = g.chance.random()
    if style < 0.5:
        found["pads"] = [k // 2 for k in kernel] * 2
    elif style < 0.75:
        found["pads"] = [g.chance.randint(0, max(0, k - 1)) for k in (*kernel, *kernel)]
    elif style < 0.85 and "dilations" not in found:
        found["auto_pad"] = g.chance.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
    pads, dilations = found.get("pads", [0] * 2 * axes), found.get("dilations", [1] * axes)
    for n, size in enumerate(x.shape[2:]):
        if (kernel[n] - 1) * dilations[n] >= size + pads[n] + pads[n + axes]:
            raise Declined
    return found


def activation(g: Drawing, x: Value) -> Value:
    op = g.chance.choice(ACTIVATIONS)
    if not op or (op == "HardSwish" and g.opset < 14):
        return x
    if op == "Clip":
        return g.node(op, x, g.constant(0, x.dtype), g.constant(6, x.dtype))
    return g.node(op, x)


def conv(g: Drawing) -> None:
    x = g.pick(is_image)
    channels = x.shape[1]
    group = g.chance.choice([1, 1, 1, channels, *(d for d in range(2, 9) if channels % d == 0)])
    outputs = g.chance.choice(WIDTHS)
    if group > 1:
        outputs = group * g.chance.choice([1, 1, 2, 3])
    if outputs > 64:
        raise Declined
    attributes = window(g, x)
    depth = channels // group
    shape = (outputs, depth, *attributes["kernel_shape"])
    w = g.weight(shape, x.dtype, int(np.prod(shape[1:])))
    bias = [g.weight((outputs,), x.dtype, 1)] if g.chance.random() < 0.6 else []
    y = g.node("Conv", x, w, *bias, group=group, **attributes)
    if g.chance.random() < 0.3:
        y = batch_normalised(g, y)
    if g.chance.random() < 0.3:
        same = [v for v in g.values if (v.dtype, v.shape) == (y.dtype, y.shape) and v != y]
        if same:
            y = g.node("Add", *g.chance.sample([y, g.chance.choice(same)], 2))
    activation(g, y)


def conv_transpose(g: Drawing) -> None:
    x = g.pick(is_image)
    group = 1 if g.chance.random() < 0.7 else x.shape[1]
    outputs = g.chance.choice([1, 2, 3, 5, 8, 9, 16])
    attributes = window(g, x)
    attributes.pop("auto_pad", None)
    if "strides" in attributes and g.chance.random() < 0.4:
        attributes["output_padding"] = [s - 1 for s in attributes["strides"]]
    depth = outputs if group == 1 else 1
    shape = (x.shape[1], depth, *attributes["kernel_shape"])
    w = g.weight(shape, x.dtype, x.shape[1] * 4)
    bias = [g.weight((depth * group,), x.dtype, 1)] if g.chance.random() < 0.5 else []
    g.node("ConvTranspose", x, w, *bias, group=group, **attributes)


def pool(g: Drawing) -> None:
    x = g.pick(is_image)
    op = g.chance.choice(["MaxPool", "AveragePool", "AveragePool", "LpPool"])
    attributes = window(g, x, dilated=op == "MaxPool" or g.opset >= 19)
    if op == "LpPool" and ("dilations" in attributes or g.opset < 18):
        raise Declined
    if crops(**attributes):
        raise Declined
    if op != "LpPool" and g.chance.random() < 0.3:
        attributes["ceil_mode"] = 1
    if op == "AveragePool":
        attributes["count_include_pad"] = g.chance.randint(0, 1)
    g.node(op, x, **attributes)


def crops(
    kernel_shape: list[int], strides: Sequence[int] = (), auto_pad: str = "", **_: object
) -> bool:
    """Whether SAME may ask for less than no padding: two of ONNX Runtime's pools then leave out the
    image's border, the third refuses, and its convolutions do not pad, as TensorFlow and we do.
    """
    longer = any(k < s for k, s in zip(kernel_shape, strides, strict=False))
    return auto_pad.startswith("SAME") and longer


def positions(g: Drawing) -> None:
    """A pool that also says where the largest are."""
    attributes = window(g, x := g.pick(is_image))
    g.several("MaxPool", 2, x, **attributes)


def global_pool(g: Drawing) -> None:
    g.node(g.chance.choice(["GlobalAveragePool", "GlobalMaxPool"]), g.pick(is_image))


def squeeze_excite(g: Drawing) -> None:
    x = g.pick(is_flat_image)
    channels, inner = x.shape[1], g.chance.choice([1, 2, 4, 8])
    mean = g.node("GlobalAveragePool", x)
    w = g.weight((inner, channels, 1, 1), x.dtype, channels)
    hidden = g.node("Relu", g.node("Conv", mean, w))
    w = g.weight((channels, inner, 1, 1), x.dtype, inner)
    gate = g.node(g.chance.choice(["Sigmoid", "HardSigmoid"]), g.node("Conv", hidden, w))
    g.node("Mul", x, gate)


def batch_normalised(g: Drawing, x: Value) -> Value:
    channels = (x.shape[1],)
    scale, offset, mean = (g.constant(g.random(channels, x.dtype)) for _ in range(3))
    variance = g.constant(np.abs(g.random(channels, x.dtype)) + np.asarray(0.5, x.dtype))
    return g.node("BatchNormalization", x, scale, offset, mean, variance, epsilon=1e-3)


def batch_norm(g: Drawing) -> None:
    batch_normalised(g, g.pick(lambda v: v.dtype in FLOATS and v.rank > 1))


def channel_norm(g: Drawing) -> None:
    x = g.pick(is_image)
    kind = g.chance.choice(["InstanceNormalization", "LRN", "GroupNormalization"])
    channels = x.shape[1]
    if kind == "LRN":
        if x.rank != 4:
            raise Declined
        g.node(kind, x, size=g.chance.choice([1, 3, 5]), alpha=0.1, beta=0.75, bias=1.0)
    elif kind == "InstanceNormalization":
        if x.array.size == x.shape[0] * channels:
            raise Declined  # the offset, but ONNX Runtime gives x * s + (offset - x * s)
        scale, offset = (g.constant(g.random((channels,), x.dtype)) for _ in range(2))
        g.node(kind, x, scale, offset, epsilon=1e-2)
    elif g.opset >= 21:
        groups = g.chance.choice([d for d in range(1, channels + 1) if channels % d == 0])
        scale, offset = (g.constant(g.random((channels,), x.dtype)) for _ in range(2))
        g.node(kind, x, scale, offset, num_groups=groups, epsilon=1e-2)


def resize(g: Drawing) -> None:
    x = g.pick(is_flat_image)
    mode = g.chance.choice(["nearest", "linear", "linear", "cubic"])
    places = ["half_pixel", "asymmetric", "pytorch_half_pixel", "align_corners"]
    sizes = [
        *x.shape[:2],
        *(max(1, int(d * g.chance.choice([0.5, 1, 2, 1.5]))) for d in x.shape[2:]),
    ]
    attributes: dict[str, Any] = {
        "mode": mode,
        "coordinate_transformation_mode": g.chance.choice(places),
    }
    if mode == "nearest":
        attributes["nearest_mode"] = g.chance.choice(["round_prefer_floor", "floor", "ceil"])
        attributes["coordinate_transformation_mode"] = g.chance.choice(["asymmetric", "half_pixel"])
    if g.chance.random() < 0.5:
        g.node("Resize", x, None, None, g.constant(sizes, "int64"), **attributes)
    else:
        scales = [1, 1, *(g.chance.choice([1, 2, 2, 3]) for _ in range(2))]
        g.node("Resize", x, None, g.constant(scales, "float32"), **attributes)


def shuffle(g: Drawing) -> None:
    """Channels in another order, by the usual three operators, or depth for space."""
    x = g.pick(is_flat_image)
    n, c, h, w = x.shape
    if g.chance.random() < 0.4:
        g.node("SpaceToDepth" if h % 2 == w % 2 == 0 else "DepthToSpace", x, blocksize=2)
        return
    groups = g.chance.choice([d for d in range(1, c + 1) if c % d == 0])
    parts = g.node("Reshape", x, g.constant([n, groups, c // groups, h, w], "int64"))
    turned = g.node("Transpose", parts, perm=[0, 2, 1, 3, 4])
    g.node("Reshape", turned, g.constant([n, c, h, w], "int64"))


def branches(g: Drawing) -> None:
    """Convolutions side by side, joined by their channels, as in Inception and DenseNet."""
    x = g.pick(is_flat_image)
    parts = [x] if g.chance.random() < 0.4 else []
    for _ in range(g.chance.randint(1, 3)):
        k = g.chance.choice([1, 3])
        outputs = g.chance.choice([1, 3, 4, 8, 9, 16])
        w = g.weight((outputs, x.shape[1], k, k), x.dtype, x.shape[1] * k * k)
        parts.append(activation(g, g.node("Conv", x, w, pads=[k // 2] * 4)))
    if g.chance.random() < 0.3:
        op = g.chance.choice(["MaxPool", "AveragePool"])
        parts.append(g.node(op, x, kernel_shape=[3, 3], pads=[1] * 4))
    g.node("Concat", *parts, axis=1)


ROWS: tuple[Row, ...] = (
    (12, conv),
    (2, conv_transpose),
    (5, pool),
    (1, positions),
    (2, global_pool),
    (2, squeeze_excite),
    (3, batch_norm),
    (2, channel_norm),
    (2, resize),
    (3, shuffle),
    (4, branches),
)
