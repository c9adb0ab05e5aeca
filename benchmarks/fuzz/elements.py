"""Rows of element-wise operators: functions, arithmetic with broadcasting, comparisons, casts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import helper

from benchmarks.fuzz.drawing import FLOATS, INTEGERS, Drawing, Shape, Value
from benchmarks.fuzz.oracle import Declined

Row = tuple[float, Callable[[Drawing], object]]

ANYWHERE = (
    "Abs Atan Ceil Cos Elu Erf Exp Floor Gelu HardSigmoid HardSwish Identity LeakyRelu Mish Neg "
    "Relu Round Selu Sigmoid Sign Sin Sinh Softplus Softsign Tanh Swish ThresholdedRelu Celu"
).split()
POSITIVE = ("Log", "Sqrt", "Reciprocal")  # of what is at least a half
WITHIN_ONE = ("Asin", "Acos", "Atanh")
SINCE = {"Gelu": 20, "Mish": 18, "HardSwish": 14, "Swish": 24}
ALPHA = ("Elu", "LeakyRelu", "HardSigmoid", "ThresholdedRelu", "Celu")
ARITHMETIC = ("Add", "Mul", "Sub", "Div", "Max", "Min", "Pow", "Mod", "PRelu", "Sum", "Mean")
COMPARISONS = ("Greater", "Less", "Equal", "GreaterOrEqual", "LessOrEqual")


def is_float(value: Value) -> bool:
    return value.dtype in FLOATS


def is_number(value: Value) -> bool:
    return value.dtype != "bool"


def function(g: Drawing) -> None:
    op = g.chance.choice(ANYWHERE)
    if SINCE.get(op, 0) > g.opset:
        raise Declined
    x = g.pick(is_float)
    attributes: dict[str, Any] = {"alpha": g.chance.choice([0.2, 0.5, 1.0])} if op in ALPHA else {}
    if op == "Gelu":
        attributes = {"approximate": g.chance.choice(["none", "tanh"])}
    g.node(op, x, **attributes)


def chain(g: Drawing) -> None:
    for _ in range(g.chance.randint(2, 4)):
        g.chance.choice([function, arithmetic])(g)


def guarded(g: Drawing) -> None:
    """A function of what was brought into its domain first."""
    x = g.pick(is_float)
    if g.chance.random() < 0.6:
        half = g.constant(0.5, x.dtype)
        g.node(g.chance.choice(POSITIVE), g.node("Add", g.node("Abs", x), half))
    else:
        part = g.constant(0.9, x.dtype)
        g.node(g.chance.choice(WITHIN_ONE), g.node("Mul", g.node("Tanh", x), part))


def narrower(g: Drawing, shape: Shape) -> Shape:
    """One that broadcasts to it."""
    kept = shape[g.chance.randint(0, len(shape)) :] if g.chance.random() < 0.4 else shape
    return tuple(1 if g.chance.random() < 0.4 else d for d in kept)


def broadcasts(one: Shape, other: Shape) -> bool:
    pairs = zip(reversed(one), reversed(other), strict=False)
    return all(1 in pair or len(set(pair)) == 1 for pair in pairs)


def other_operand(g: Drawing, x: Value) -> Value:
    """A value that broadcasts with it, or a constant of a narrower shape."""
    if g.chance.random() < 0.6:
        return g.pick(lambda v: v.dtype == x.dtype and broadcasts(v.shape, x.shape))
    return g.constant(g.random(narrower(g, x.shape), x.dtype))


def arithmetic(g: Drawing) -> None:
    op = g.chance.choices(ARITHMETIC, (6, 6, 4, 3, 2, 2, 1, 1, 1, 1, 1))[0]
    x = g.pick(is_number)
    if op == "PRelu":
        x = g.pick(is_float)
        g.node(op, x, g.constant(g.random(narrower(g, x.shape), x.dtype)))
        return
    y = other_operand(g, x)
    if op == "Pow" and is_float(x):
        x, y = x, g.constant(g.chance.choice([2.0, 3.0, 1.0, 0.0]), x.dtype)
    elif op in ("Div", "Mod", "Pow") and is_float(x):
        y = g.node("Add", g.node("Abs", y), g.constant(0.5, x.dtype))
    elif op in ("Div", "Mod", "Pow"):
        y = g.constant(np.abs(g.random(narrower(g, x.shape), x.dtype)) % 3 + 1, x.dtype)
    if op == "Mod":
        g.node(op, x, y, fmod=int(is_float(x) or g.chance.random() < 0.5))
    elif op in ("Sub", "Div", "Mod", "Pow") or g.chance.random() < 0.5:
        g.node(op, x, y)
    else:
        g.node(op, y, x)


def residual(g: Drawing) -> None:
    """Values of one shape added."""
    x = g.pick(lambda v: is_float(v) and v.rank > 1)
    y = g.pick(lambda v: (v.dtype, v.shape) == (x.dtype, x.shape))
    total = g.node("Add", x, y)
    if g.chance.random() < 0.5:
        g.node("Relu", total)


def affine(g: Drawing) -> None:
    """Scales and offsets of channels, as layers that were folded leave them."""
    x = g.pick(lambda v: is_float(v) and v.rank > 1)
    axis = g.chance.choice([1, x.rank - 1])
    shape = tuple(d if n == axis else 1 for n, d in enumerate(x.shape))
    scaled = g.node("Mul", x, g.constant(g.random(shape, x.dtype)))
    g.node("Add", scaled, g.constant(g.random(shape, x.dtype)))


def gate(g: Drawing) -> None:
    """x * sigmoid(x), and its like."""
    x = g.pick(is_float)
    op = g.chance.choice(["Sigmoid", "HardSigmoid", "Tanh", "Relu"])
    g.node("Mul", x, g.node(op, x)) if g.chance.random() < 0.5 else g.node("Mul", g.node(op, x), x)


def clip(g: Drawing) -> None:
    x = g.pick(lambda v: v.dtype in ("float32", "float64", "int32", "int64", "int8", "float16"))
    low, high = g.constant(-1 if x.dtype != "uint8" else 1, x.dtype), g.constant(2, x.dtype)
    g.node("Clip", x, *g.chance.choice([(low, high), (low,), (None, high)]))


def compare(g: Drawing) -> None:
    x = g.pick(is_number)
    g.node(g.chance.choice(COMPARISONS), x, other_operand(g, x))


def logic(g: Drawing) -> None:
    x = g.pick(lambda v: v.dtype == "bool")
    if g.chance.random() < 0.3:
        g.node("Not", x)
    else:
        g.node(g.chance.choice(["And", "Or", "Xor"]), x, other_operand(g, x))


def bits(g: Drawing) -> None:
    if g.opset < 18:
        raise Declined
    x = g.pick(lambda v: v.dtype in INTEGERS)
    if g.chance.random() < 0.3:
        g.node("BitwiseNot", x)
    else:
        op = g.chance.choice(["BitwiseAnd", "BitwiseOr", "BitwiseXor"])
        g.node(op, x, other_operand(g, x))


def choose(g: Drawing) -> None:
    x = g.pick()
    y = other_operand(g, x)
    shape = np.broadcast_shapes(x.shape, y.shape)
    if g.chance.random() < 0.6:
        condition = g.pick(lambda v: v.dtype == "bool" and broadcasts(v.shape, shape))
    else:
        condition = g.constant(g.random(narrower(g, shape), "bool"))
    g.node("Where", condition, x, y)


def cast(g: Drawing) -> None:
    """To integers only after rounding: a float that is near one may become either."""
    x = g.pick()
    to = g.chance.choice(
        ["float32"] * 5 + ["float16", "float64", "int32", "int64", "int8", "uint8", "bool"]
    )
    if is_float(x) and to in INTEGERS:
        x = g.node("Round", g.node("Abs", x) if to == "uint8" else x)
    elif to == "uint8" and x.dtype != "bool":
        raise Declined
    g.node("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(to)))


ROWS: tuple[Row, ...] = (
    (8, function),
    (3, guarded),
    (5, chain),
    (10, arithmetic),
    (4, residual),
    (3, affine),
    (2, gate),
    (2, clip),
    (2, compare),
    (1, logic),
    (1, bits),
    (2, choose),
    (2, cast),
)
