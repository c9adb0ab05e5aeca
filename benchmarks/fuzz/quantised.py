"""Rows of quantised operators, most between QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.fuzz.drawing import Drawing, Value
from benchmarks.fuzz.elements import Row
from benchmarks.fuzz.images import is_flat_image, window
from benchmarks.fuzz.oracle import Declined
from benchmarks.fuzz.products import LENGTHS, is_matrix

BYTES = ("uint8", "int8")


def is_float32(value: Value) -> bool:
    return value.dtype == "float32" and value.array.size > 0


def scaled(g: Drawing, x: Value) -> tuple[Value, Value]:
    """A scale and a zero point of a byte that hold most of it."""
    kind = g.chance.choice(BYTES)
    zero = g.constant(g.chance.choice([0, 3, 128 if kind == "uint8" else -5]), kind)
    largest = max(float(np.abs(x.array).max()), 0.1)
    return g.constant(largest / g.chance.choice([100, 60, 127]), "float32"), zero


def round_trip(g: Drawing, x: Value) -> Value:
    scale, zero = scaled(g, x)
    return g.node("DequantizeLinear", g.node("QuantizeLinear", x, scale, zero), scale, zero)


def pair(g: Drawing) -> None:
    round_trip(g, g.pick(is_float32))


def weights(g: Drawing, shape: tuple[int, ...], axis: int) -> Value:
    """Bytes with a scale for all or for each row along the axis."""
    bytes_ = g.constant(g.numbers.integers(-127, 128, shape).astype("int8"))
    fan_in = max(1, int(np.prod(shape)) // shape[axis])
    if g.chance.random() < 0.5:
        scale = g.constant(0.02 * fan_in**-0.5, "float32")
        return g.node("DequantizeLinear", bytes_, scale, g.constant(0, "int8"))
    scales = (g.numbers.random(shape[axis]) + 0.5) * 0.01 * fan_in**-0.5
    zeros = g.constant(np.zeros(shape[axis], "int8"))
    return g.node("DequantizeLinear", bytes_, g.constant(scales, "float32"), zeros, axis=axis)


def conv(g: Drawing) -> None:
    x = g.pick(lambda v: is_flat_image(v) and v.dtype == "float32")
    attributes = window(g, x)
    group = g.chance.choice([1, 1, x.shape[1]])
    outputs = g.chance.choice(LENGTHS) if group == 1 else group
    w = weights(g, (outputs, x.shape[1] // group, *attributes["kernel_shape"]), 0)
    y = g.node("Conv", round_trip(g, x), w, group=group, **attributes)
    if g.chance.random() < 0.5:
        y = g.node("Relu", y)
    round_trip(g, y)


def matmul(g: Drawing) -> None:
    x = g.pick(lambda v: is_matrix(v) and v.dtype == "float32")
    w = weights(g, (x.shape[-1], g.chance.choice(LENGTHS)), 1)
    round_trip(g, g.node("MatMul", round_trip(g, x), w))


def add(g: Drawing) -> None:
    x = g.pick(is_float32)
    y = g.pick(lambda v: is_float32(v) and v.shape == x.shape)
    round_trip(g, g.node("Add", round_trip(g, x), round_trip(g, y)))


def integer_product(g: Drawing) -> None:
    x = g.pick(lambda v: is_matrix(v) and v.dtype == "float32")
    scale, zero = scaled(g, x)
    bytes_ = g.node("QuantizeLinear", x, scale, zero)
    n = g.chance.choice(LENGTHS)
    # Of seven bits: without VNNI, ONNX Runtime adds two products of bytes in 16 bits.
    w = g.constant(g.numbers.integers(-64, 64, (x.shape[-1], n)).astype("int8"))
    if g.chance.random() < 0.5:
        g.node("MatMulInteger", bytes_, w, zero)
        return
    out = g.constant(0.5, "float32")
    of_weights = (g.constant(0.01, "float32"), g.constant(0, "int8"))
    g.node("QLinearMatMul", bytes_, scale, zero, w, *of_weights, out, zero)


def integer_conv(g: Drawing) -> None:
    x = g.pick(lambda v: is_flat_image(v) and v.dtype == "float32")
    scale, zero = scaled(g, x)
    if zero.dtype != "uint8":
        raise Declined
    bytes_ = g.node("QuantizeLinear", x, scale, zero)
    attributes: dict[str, Any] = window(g, x)
    outputs = g.chance.choice(LENGTHS)
    shape = (outputs, x.shape[1], *attributes["kernel_shape"])
    w = g.constant(g.numbers.integers(0, 256, shape).astype("uint8"))
    if g.chance.random() < 0.5:
        g.node("ConvInteger", bytes_, w, zero, g.constant(128, "uint8"), **attributes)
        return
    of_weights = (g.constant(0.01, "float32"), g.constant(128, "uint8"))
    out = (g.constant(0.1, "float32"), g.constant(100, "uint8"))
    g.node("QLinearConv", bytes_, scale, zero, w, *of_weights, *out, **attributes)


def dynamic(g: Drawing) -> None:
    g.several("DynamicQuantizeLinear", 3, g.pick(is_float32))


ROWS: tuple[Row, ...] = (
    (2, pair),
    (2, conv),
    (2, matmul),
    (1, add),
    (1, integer_product),
    (1, integer_conv),
    (0.5, dynamic),
)
