"""Convolutions, pooling and what else moves a window over images; channels come second."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from frontends.model import ModelError
from frontends.mxnet.attributes import Ints
from frontends.mxnet.graph import Graph, Table, Value

LAYOUTS = (None, "NCW", "NCHW", "NCDHW")


def _spread(given: Ints, axes: int, default: int, name: str) -> list[int]:
    """A number for each axis."""
    values = list(given) or [default] * axes
    if len(values) != axes:
        raise ModelError(f"{name} has {len(values)} numbers for {axes} axes")
    return values


def _check_layout(layout: str | None) -> None:
    if layout not in LAYOUTS:
        raise ModelError(f"the layout {layout} is not supported; channels come second")


def convolution(
    g: Graph,
    data: Value,
    weight: Value,
    bias: Value | None = None,
    *,
    kernel: Ints,
    stride: Ints = (),
    dilate: Ints = (),
    pad: Ints = (),
    num_filter: int,
    num_group: int = 1,
    no_bias: bool = False,
    layout: str | None = None,
) -> Value:
    _check_layout(layout)
    axes = len(kernel)
    pads = _spread(pad, axes, 0, "pad")
    _check_weight(weight, (num_filter, None, *kernel))
    return g(
        "Conv", data, weight, None if no_bias else bias, group=num_group,
        kernel_shape=list(kernel), pads=pads + pads,
        strides=_spread(stride, axes, 1, "stride"),
        dilations=_spread(dilate, axes, 1, "dilate"),
    )  # fmt: skip


def _check_weight(weight: Value, wanted: Sequence[int | None]) -> None:
    fits = weight.rank == len(wanted) and all(
        w in (None, d) for w, d in zip(wanted, weight.shape, strict=True)
    )
    if not fits:
        shown = ["?" if w is None else w for w in wanted]
        raise ModelError(f"the weight has the shape {list(weight.shape)}, not {shown}")


def deconvolution(
    g: Graph,
    data: Value,
    weight: Value,
    bias: Value | None = None,
    *,
    kernel: Ints,
    stride: Ints = (),
    dilate: Ints = (),
    pad: Ints = (),
    adj: Ints = (),
    target_shape: Ints = (),
    num_filter: int,
    num_group: int = 1,
    no_bias: bool = True,
    layout: str | None = None,
) -> Value:
    """A target shape decides pad and adj."""
    _check_layout(layout)
    axes = len(kernel)
    _check_weight(weight, (data.shape[1], num_filter // num_group, *kernel))
    strides = _spread(stride, axes, 1, "stride")
    dilations = _spread(dilate, axes, 1, "dilate")
    pads, extra = _spread(pad, axes, 0, "pad"), _spread(adj, axes, 0, "adj")
    if any(target_shape):
        targets = _spread(target_shape, axes, 0, "target_shape")
        sizes = zip(strides, data.shape[2:], dilations, kernel, targets, strict=True)
        surplus = [s * (n - 1) + d * (k - 1) + 1 - t for s, n, d, k, t in sizes]
        if min(surplus) < 0:
            raise ModelError(f"target_shape {target_shape} is too large")
        pads, extra = [(s + 1) // 2 for s in surplus], [s % 2 for s in surplus]
    return g(
        "ConvTranspose", data, weight, None if no_bias else bias, group=num_group,
        kernel_shape=list(kernel), pads=pads + pads, strides=strides, dilations=dilations,
        output_padding=extra,
    )  # fmt: skip


def pooling(
    g: Graph,
    data: Value,
    *,
    kernel: Ints = (),
    pool_type: str = "max",
    global_pool: bool = False,
    pooling_convention: str = "valid",
    stride: Ints = (),
    pad: Ints = (),
    p_value: int = 2,
    count_include_pad: bool | None = None,
    layout: str | None = None,
) -> Value:
    _check_layout(layout)
    axes = data.rank - 2
    if global_pool:
        window = list(data.shape[2:])
        return _pooled(g, data, pool_type, p_value, window, [1] * axes, [0] * 2 * axes, True)
    window = _spread(kernel, axes, 1, "kernel")
    strides = _spread(stride, axes, 1, "stride")
    pads = _spread(pad, axes, 0, "pad")
    if any(p >= k for p, k in zip(pads, window, strict=True)):
        raise ModelError(f"pad {pad} is not below the kernel {kernel}")
    further = _further(data.shape[2:], window, strides, pads, pooling_convention)
    ends = [p + f for p, f in zip(pads, further, strict=True)]
    if any(e >= k for e, k in zip(ends, window, strict=True)):
        raise ModelError("the last window lies wholly in the padding")
    included = count_include_pad is not False
    y = _pooled(g, data, pool_type, p_value, window, strides, pads + ends, included)
    if pool_type != "avg" or not included or not any(further):
        return y
    counted = [
        np.minimum(k, n + 2 * p - s * np.arange(o))
        for n, k, s, p, o in zip(data.shape[2:], window, strides, pads, y.shape[2:], strict=True)
    ]
    shares = functools.reduce(np.multiply.outer, counted) / math.prod(window)
    return g("Div", y, np.asarray(shares, y.dtype))


def _further(
    sizes: Sequence[int], window: list[int], strides: list[int], pads: list[int], convention: str
) -> list[int]:
    """What the last window needs behind the padding."""
    if convention == "valid":
        return [0] * len(window)
    if convention != "full":
        raise ModelError(f"the pooling convention {convention!r} is not supported")
    further = []
    for n, k, s, p in zip(sizes, window, strides, pads, strict=True):
        count = -(-(n + 2 * p - k) // s) + 1
        further.append(max(0, (count - 1) * s + k - n - 2 * p))
    return further


def _pooled(
    g: Graph,
    x: Value,
    kind: str,
    power: int,
    window: list[int],
    strides: list[int],
    pads: list[int],
    included: bool,
) -> Value:
    shape = {"kernel_shape": window, "strides": strides, "pads": pads}
    if kind == "max":
        return g("MaxPool", x, **shape)
    if kind == "lp":
        return g("LpPool", x, p=power, **shape)
    if kind == "avg":
        return g("AveragePool", x, count_include_pad=int(included), **shape)
    if kind == "sum":
        return g("Mul", g("AveragePool", x, count_include_pad=1, **shape), float(math.prod(window)))
    raise ModelError(f"the pooling {kind!r} is unknown")


def adaptive_pooling(g: Graph, data: Value, *, output_size: Ints = ()) -> Value:
    """Each output is the mean of its own share of an axis, shares may overlap: a product by a
    matrix for each axis.
    """
    wanted = _spread(output_size * (2 if len(output_size) == 1 else 1), 2, 1, "output_size")
    height, width = (_shares(n, o) for n, o in zip(data.shape[2:], wanted, strict=True))
    rows = g("MatMul", height.astype(data.dtype), data)
    return g("MatMul", rows, np.ascontiguousarray(width.T).astype(data.dtype))


def _shares(size: int, outputs: int) -> np.ndarray:
    made = np.zeros((outputs, size))
    for n in range(outputs):
        first, last = n * size // outputs, -(-(n + 1) * size // outputs)
        made[n, first:last] = 1 / (last - first)
    return made


def upsampling(
    g: Graph,
    *data: Value,
    scale: int,
    sample_type: str,
    num_filter: int = 0,
    multi_input_mode: str = "concat",
) -> Value:
    if sample_type == "bilinear":
        x, weight = data
        size = 2 * scale - scale % 2
        margin = math.ceil((scale - 1) / 2)
        return deconvolution(
            g, x, weight, kernel=(size, size), stride=(scale, scale), pad=(margin, margin),
            num_filter=num_filter or x.shape[1], num_group=num_filter or x.shape[1],
        )  # fmt: skip
    if sample_type != "nearest":
        raise ModelError(f"the sample_type {sample_type!r} is unknown")
    height, width = (n * scale for n in data[0].shape[2:])
    made = []
    for x in data:
        scales = np.array([1, 1, height / x.shape[2], width / x.shape[3]], np.float32)
        made.append(
            g("Resize", x, None, scales, mode="nearest",
              coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        )  # fmt: skip
    if len(made) == 1:
        return made[0]
    if multi_input_mode == "concat":
        return g("Concat", *made, axis=1)
    return functools.reduce(lambda a, b: g("Add", a, b), made)


def bilinear_resize(
    g: Graph,
    data: Value,
    like: Value | None = None,
    *,
    height: int = 1,
    width: int = 1,
    scale_height: float | None = None,
    scale_width: float | None = None,
    mode: str = "size",
    align_corners: bool = True,
) -> Value:
    if mode == "like" and like is not None:
        height, width = like.shape[2:]
    elif mode != "size":
        raise ModelError(f"the mode {mode!r} is not supported")
    elif scale_height is not None and scale_width is not None:
        height, width = int(scale_height * data.shape[2]), int(scale_width * data.shape[3])
    sizes = [*data.shape[:2], height, width]
    how = "align_corners" if align_corners else "half_pixel"
    return g("Resize", data, None, None, sizes, mode="linear", coordinate_transformation_mode=how)


def crop(
    g: Graph,
    data: Value,
    crop_like: Value | None = None,
    *,
    offset: Ints = (0, 0),
    h_w: Ints = (0, 0),
    center_crop: bool = False,
) -> Value:
    """The last two axes, from `offset` or the centre."""
    wanted = crop_like.shape[2:] if crop_like is not None else h_w
    starts = list(offset)
    if center_crop:
        starts = [(n - w) // 2 for n, w in zip(data.shape[2:], wanted, strict=True)]
    stops = [s + w for s, w in zip(starts, wanted, strict=True)]
    if any(not 0 <= s < e <= n for s, e, n in zip(starts, stops, data.shape[2:], strict=True)):
        raise ModelError(f"{list(data.shape)} has no part {starts} to {stops}")
    return g("Slice", data, starts, stops, [2, 3])


OPS: Table = {
    "Convolution": convolution,
    "Convolution_v1": convolution,
    "Crop": crop,
    "Deconvolution": deconvolution,
    "Pooling": pooling,
    "Pooling_v1": pooling,
    "UpSampling": upsampling,
    "_contrib_AdaptiveAvgPooling2D": adaptive_pooling,
    "_contrib_BilinearResize2D": bilinear_resize,
}
