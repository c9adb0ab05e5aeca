"""Quantised operators, in integers: sums of products in int32, scaled and rounded once."""

from collections.abc import Sequence

import numpy as np
from onnx import helper

from frontends.model import ModelError
from frontends.onnx.builder import Builder, R, Table, Value, axis_of, dtype, rank, shape, size
from frontends.onnx.graph import NARROW
from frontends.onnx.ops.conv import conv
from frontends.onnx.ops.linear import matmul

RANGES = {
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (2, 4, 8, 16)},
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (2, 4, 8, 16)},
}


def _kind(number: int) -> str:
    return str(np.dtype(helper.tensor_dtype_to_np_dtype(number)))


def _spread(b: Builder, v: Value, x: Value, axis: int, block: int) -> Value:
    """A scale or zero point as it broadcasts to x: one, one an index of `axis`, or one a block."""
    if size(v) == 1 and rank(v) <= 1:
        return b.reshape(v, ())
    axis = axis_of(axis, rank(x))
    length = shape(x)[axis]
    if rank(v) == 1:
        if shape(v)[0] != length:
            raise ModelError(f"{shape(v)[0]} scales do not fit the {length} of axis {axis}")
        return b.reshape(v, (length,) + (1,) * (rank(x) - axis - 1))
    fits = rank(v) == rank(x) and block > 0 and shape(v)[axis] == -(-length // block)
    rest = all(n in (1, m) for a, (n, m) in enumerate(zip(shape(v), shape(x), strict=False))
               if a != axis)  # fmt: skip
    if not fits or not rest:
        raise ModelError(f"scales {shape(v)} in blocks of {block} do not fit {shape(x)}")
    if isinstance(v, np.ndarray):
        whole: Value = np.repeat(v, block, axis)
    else:
        whole = b(R.repeat, v, repeats=block, axis=axis)
    spans = [range(d) for d in shape(whole)]
    spans[axis] = range(length)
    return whole[tuple(map(slice, (len(s) for s in spans)))] if isinstance(
        whole, np.ndarray) else b.pick(whole, spans)  # fmt: skip


def _wide(b: Builder, v: Value) -> Value:
    """float32 of any number, float64 kept."""
    return v if dtype(v) == "float64" else b.cast(v, "float32")


def _saturated(b: Builder, x: Value, zero: Value | None, kind: str) -> Value:
    """x rounded to even, moved by the zero point, inside the type's range. x is a float."""
    low, high = RANGES[kind]
    y = b(R.round, x)
    y = y if zero is None else b(R.add, y, b.cast(zero, dtype(y)))
    return b.cast(b.cast(b.clip(y, low, high), "int32"), kind)


def quantize(
    b: Builder,
    x: Value,
    scale: Value,
    zero: Value | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Value:
    """The division is done in `precision`, else in the wider of both types."""
    kind = dtype(zero) if zero is not None else _kind(output_dtype) if output_dtype else "uint8"
    scale = _spread(b, scale, x, axis, block_size)
    near = _kind(precision) if precision else ""
    if near not in ("", "float32"):
        raise ModelError(f"attribute precision is {near}; only float32 is implemented")
    ratio = b(R.divide, _wide(b, x), _wide(b, scale))
    if not near and {dtype(x), dtype(scale)} == {"float16"}:
        ratio = _wide(b, b.cast(ratio, "float16"))
    if kind in RANGES:
        moved = None if zero is None else _spread(b, zero, x, axis, block_size)
        return _saturated(b, ratio, _integer(b, moved), kind)
    if kind not in NARROW or kind == "bfloat16":
        raise ModelError(f"a result of {kind} is not implemented")
    return b.cast(ratio, kind, bool(saturate))


def dynamic_quantize(b: Builder, x: Value) -> tuple[Value, Value, Value]:
    """x in bytes, scale and zero point, by the range of x with 0. Of nothing but zeros the scale is
    1, as with ONNX Runtime: the standard's body divides 0 by 0 there.
    """
    low = b(R.minimum, b(R.min, x), 0.0)
    high = b(R.maximum, b(R.max, x), 0.0)
    spread = b(R.divide, b(R.subtract, high, low), 255.0)
    scale = b(R.where, b(R.equal, spread, 0.0), np.ones((), np.float32), spread)
    zero = b.cast(b(R.round, b.clip(b(R.negative, b(R.divide, low, scale)), 0, 255)), "uint8")
    return quantize(b, x, scale, zero), scale, zero


def _integer(b: Builder, v: Value | None) -> Value | None:
    return None if v is None else b.cast(v, "int32")


def dequantize(
    b: Builder,
    x: Value,
    scale: Value,
    zero: Value | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
) -> Value:
    kind = _kind(output_dtype) if output_dtype else dtype(scale)
    scale = _spread(b, scale, x, axis, block_size)
    value = b.cast(x, "float32") if "float" in dtype(x) else b.cast(x, "int32")
    if zero is not None and "float" not in dtype(x):
        moved = _spread(b, zero, x, axis, block_size)
        value = b(R.subtract, value, b.cast(moved, "int32"))
    return b.cast(b(R.multiply, _wide(b, value), _wide(b, scale)), kind)


def _centred(b: Builder, x: Value, zero: Value | None, dims: Sequence[int] = ()) -> Value:
    """int32 of x without its zero point, which is one number or takes the shape `dims`."""
    whole = b.cast(x, "int32")
    if zero is None or (isinstance(zero, np.ndarray) and not zero.any()):
        return whole
    zero = b.reshape(b.cast(zero, "int32"), () if size(zero) == 1 else dims)
    if isinstance(whole, np.ndarray) and isinstance(zero, np.ndarray):
        return np.asarray(whole - zero)
    return b(R.subtract, whole, zero)


def matmul_integer(
    b: Builder, x: Value, y: Value, x_zero: Value | None = None, y_zero: Value | None = None
) -> Value:
    """Zero points: one, one a row of x, one a column of y."""
    rows = (*shape(x_zero), 1) if x_zero is not None and rank(x_zero) == 1 else ()
    rows = shape(x_zero) if x_zero is not None and rank(x_zero) > 1 else rows
    columns = shape(y_zero) if y_zero is not None else ()
    return matmul(b, _centred(b, x, x_zero, rows), _centred(b, y, y_zero, columns))


def conv_integer(
    b: Builder,
    x: Value,
    w: Value,
    x_zero: Value | None = None,
    w_zero: Value | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] = (),
    group: int = 1,
    kernel_shape: Sequence[int] = (),
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> Value:
    """Padding is zero, which is the zero point of what it pads."""
    channels = (shape(w)[0],) + (1,) * (rank(w) - 1)
    return conv(
        b,
        _centred(b, x, x_zero),
        _centred(b, w, w_zero, channels),
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
    )


def _rescaled(
    b: Builder, total: Value, scales: tuple[Value, Value, Value], zero: Value, tail: int
) -> Value:
    """total * (first * second / result), rounded; `tail` axes follow that of the second's."""
    first, second, result = (b.cast(s, "float32") for s in scales)
    first, result = (b.reshape(s, ()) if size(s) == 1 else s for s in (first, result))
    second = b.reshape(second, () if size(second) == 1 else (size(second),) + (1,) * tail)
    if all(isinstance(s, np.ndarray) for s in (first, second, result)):
        factor: Value = np.asarray(first * second / result, np.float32)
    else:
        factor = b(R.divide, b(R.multiply, first, second), result)
    return _saturated(
        b, b(R.multiply, b.cast(total, "float32"), factor), b.reshape(b.cast(zero, "int32"), ()),
        dtype(zero),
    )  # fmt: skip


def qlinear_matmul(
    b: Builder,
    x: Value,
    x_scale: Value,
    x_zero: Value,
    y: Value,
    y_scale: Value,
    y_zero: Value,
    scale: Value,
    zero: Value,
) -> Value:
    """Scales: one, for y one a column."""
    if max(map(size, (x_scale, scale, zero))) > 1 or rank(y_scale) > 1:
        raise ModelError("scales by rows are not implemented; one a tensor or a column is")
    total = matmul_integer(b, x, y, x_zero, y_zero)
    return _rescaled(b, total, (x_scale, y_scale, scale), zero, 0)


def qlinear_conv(
    b: Builder,
    x: Value,
    x_scale: Value,
    x_zero: Value,
    w: Value,
    w_scale: Value,
    w_zero: Value,
    scale: Value,
    zero: Value,
    bias: Value | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] = (),
    group: int = 1,
    kernel_shape: Sequence[int] = (),
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> Value:
    total = conv_integer(
        b,
        x,
        w,
        x_zero,
        w_zero,
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
    )
    tail = rank(x) - 2
    if bias is not None:
        total = b(R.add, total, b.reshape(bias, (size(bias),) + (1,) * tail))
    return _rescaled(b, total, (x_scale, w_scale, scale), zero, tail)


OPS: Table = {
    "ConvInteger": conv_integer,
    "DequantizeLinear": dequantize,
    "DynamicQuantizeLinear": dynamic_quantize,
    "MatMulInteger": matmul_integer,
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
    "QuantizeLinear": quantize,
}
