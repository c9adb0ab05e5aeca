"""What every element-wise operator of Relax computes: operator name -> a function of lazy values.

These fuse freely: each says what stands at one index of its result. All loads stay inside their
tensors whatever the data (indices are clamped), so that a Select may evaluate both sides.
"""

from __future__ import annotations

from collections.abc import Callable

import tvm
from tvm import relax, tirx

from compiler.kernels.value import Expr, Index, Value, broadcast, element_type

# Calls that only give a tensor another shape: aliases, not kernels.
VIEWS = ("relax.reshape", "relax.expand_dims", "relax.squeeze")
# Calls that name bytes of other values, or values side by side: no kernels either (see joins.py).
PLACED = ("neoc.join", "neoc.part")
# Calls that run other functions of the module (see regions.py).
REGIONS = ("neoc.if", "neoc.loop")

Operator = Callable[[relax.Call, list[Value]], Value]


def shape_of(expr: relax.Expr) -> tuple[int, ...]:
    return tuple(int(d) for d in expr.ty.shape)


def dtype_of(expr: relax.Expr) -> str:
    return str(expr.ty.dtype)


def integers(expr: relax.Expr) -> list[int]:
    """A ShapeExpr or a tuple of PrimValues as integers."""
    fields = expr.values if isinstance(expr, relax.ShapeExpr) else list(expr.fields)
    return [int(f) for f in fields]


def result(call: relax.Call, compute: Callable[[Index], Expr]) -> Value:
    return Value(shape_of(call), dtype_of(call), compute)


def const(value: float | bool, dtype: str) -> Expr:
    return tirx.const(value, dtype)


# ---- element by element ----


def mapped(function: Callable[..., Expr]) -> Operator:
    """One function of the broadcast operands' elements."""
    return lambda call, args: result(call, lambda i: function(*(broadcast(a, i) for a in args)))


def in_float32(function: Callable[[Expr], Expr]) -> Operator:
    """A mathematical function; half precision is computed in single."""

    def operator(call: relax.Call, args: list[Value]) -> Value:
        def compute(i: Index) -> Expr:
            x = args[0].at(i)
            return (
                function(x.astype("float32")).astype("float16")
                if element_type(x) == "float16"
                else function(x)
            )

        return result(call, compute)

    return operator


def reciprocal(x: Expr) -> Expr:
    return const(1.0, element_type(x)) / x


POWERS: dict[float, Callable[[Expr], Expr]] = {
    2.0: lambda x: x * x,
    3.0: lambda x: x * x * x,
    1.0: lambda x: x,
    0.5: tirx.sqrt,
    -0.5: lambda x: reciprocal(tirx.sqrt(x)),
    -1.0: reciprocal,
}


def power(x: Expr, y: Expr) -> Expr:
    """Constant small exponents are products and roots."""
    if isinstance(y, tirx.FloatImm) and element_type(x) in ("float32", "float64"):
        if float(y.value) in POWERS:
            return POWERS[float(y.value)](x)
    if element_type(x).startswith("float"):
        return tirx.power(x, y)
    wide = tirx.power(x.astype("float64"), y.astype("float64"))
    return wide.astype(element_type(x))


def sign(x: Expr) -> Expr:
    """Of NaN: NaN."""
    kind = element_type(x)
    zero, one = const(0, kind), const(1, kind)
    if kind.startswith("uint"):
        return tirx.min(x, one)
    below = tirx.Select(tirx.LT(x, zero), zero - one, x if kind.startswith("float") else zero)
    return tirx.Select(tirx.GT(x, zero), one, below)


def absolute(x: Expr) -> Expr:
    return x if element_type(x).startswith("uint") else tirx.abs(x)


def equal(x: Expr, y: Expr) -> Expr:
    """Booleans are compared as bytes: LLVM compares vectors of numbers only."""
    if element_type(x) == "bool":
        x, y = x.astype("int8"), y.astype("int8")
    return tirx.EQ(x, y)


def differs(x: Expr, y: Expr) -> Expr:
    """NaN differs from everything, which LLVM's ordered comparison behind tirx.NE denies."""
    return tirx.Not(equal(x, y))


def gelu(x: Expr) -> Expr:
    return (
        x
        * const(0.5, element_type(x))
        * (const(1.0, element_type(x)) + tirx.erf(x * const(0.7071067811865476, element_type(x))))
    )


def leaky_relu(call: relax.Call, args: list[Value]) -> Value:
    def compute(i: Index) -> Expr:
        x = args[0].at(i)
        return tirx.Select(
            x > const(0, element_type(x)), x, x * const(float(call.attrs.alpha), element_type(x))
        )

    return result(call, compute)


def clip(call: relax.Call, args: list[Value]) -> Value:
    """The number last: it is what tirx.max and tirx.min give where it is NaN."""
    low, high = call.args[1:]

    def compute(i: Index) -> Expr:
        x = args[0].at(i)
        return tirx.min(
            const(number(high), element_type(x)), tirx.max(const(number(low), element_type(x)), x)
        )

    return result(call, compute)


def number(value: Expr) -> float:
    return float(value.value) if isinstance(value, tirx.FloatImm) else int(value)


def astype(call: relax.Call, args: list[Value]) -> Value:
    def compute(i: Index) -> Expr:
        x = args[0].at(i)
        target = dtype_of(call)
        return (
            differs(x, const(0, element_type(x)))
            if target == "bool" and element_type(x) != "bool"
            else x.astype(target)
        )

    return result(call, compute)


def whole(function: Callable[[Expr, Expr], Expr]) -> Callable[[Expr, Expr], Expr]:
    """A division of integers that no data can stop: x / 0 is 0, the least number / -1 is itself."""

    def divided(x: Expr, y: Expr) -> Expr:
        kind = element_type(x)
        zero, one = const(0, kind), const(1, kind)
        is_zero = tirx.EQ(y, zero)
        if kind.startswith("uint"):
            return tirx.Select(is_zero, zero, function(x, tirx.Select(is_zero, one, y)))
        is_minus = tirx.EQ(y, const(-1, kind))
        safe = function(x, tirx.Select(tirx.Or(is_zero, is_minus), one, y))
        exact = zero if function in (tirx.truncmod, tirx.floormod) else zero - x
        return tirx.Select(is_zero, zero, tirx.Select(is_minus, exact, safe))

    return divided


def divide(x: Expr, y: Expr) -> Expr:
    return tirx.Div(x, y) if element_type(x).startswith("float") else whole(tirx.truncdiv)(x, y)


def floor_divide(x: Expr, y: Expr) -> Expr:
    return tirx.floor(x / y) if element_type(x).startswith("float") else whole(tirx.floordiv)(x, y)


def floor_mod(x: Expr, y: Expr) -> Expr:
    """Python's modulo: the divisor's sign."""
    kind = element_type(x)
    if not kind.startswith("float"):
        return whole(tirx.floormod)(x, y)
    rest, zero = mod(x, y), const(0, kind)
    other = tirx.LT(rest * sign(y), zero)
    signed = tirx.Select(tirx.LT(y, zero), const(-0.0, kind), zero)
    return tirx.Select(tirx.EQ(rest, zero), signed, tirx.Select(other, rest + y, rest))


def mod(x: Expr, y: Expr) -> Expr:
    """C's modulo: the dividend's sign. In double precision, so that large quotients are whole."""
    kind = element_type(x)
    if not kind.startswith("float"):
        return whole(tirx.truncmod)(x, y)
    dividend, divisor = x.astype("float64"), tirx.abs(y.astype("float64"))
    size, zero = tirx.abs(dividend), const(0, "float64")
    rest = size - divisor * tirx.floor(size / divisor)
    rest = tirx.Select(tirx.LT(rest, zero), rest + divisor, rest)  # the quotient was rounded up
    infinite = const(float("inf"), "float64")
    is_whole = tirx.And(tirx.EQ(divisor, infinite), tirx.LT(size, infinite))
    rest = tirx.Select(is_whole, size, rest).astype(kind)
    return tirx.Select(tirx.LT(x, const(0, kind)), const(0, kind) - rest, rest)


def greater(x: Expr, y: Expr) -> Expr:
    """numpy's maximum: a NaN wins. tirx.max alone gives y where either is NaN."""
    return _unless_nan(x, tirx.max(x, y))


def lesser(x: Expr, y: Expr) -> Expr:
    return _unless_nan(x, tirx.min(x, y))


def _unless_nan(x: Expr, value: Expr) -> Expr:
    return tirx.Select(is_nan(x), x, value) if element_type(x).startswith("float") else value


def is_nan(x: Expr) -> Expr:
    """By its bits: TVM simplifies x != x to false."""
    if not element_type(x).startswith("float"):
        return const(False, "bool")
    kind = element_type(x).replace("float", "int")
    infinity = {"int16": 0x7C00, "int32": 0x7F800000, "int64": 0x7FF0000000000000}[kind]
    largest = {"int16": 0x7FFF, "int32": 0x7FFFFFFF, "int64": 0x7FFFFFFFFFFFFFFF}[kind]
    return tirx.GT(tirx.reinterpret(kind, x) & const(largest, kind), const(infinity, kind))


def left_shift(x: Expr, y: Expr) -> Expr:
    """By more bits than there are: 0."""
    last, inside = _shift(x, y)
    return tirx.Select(inside, x << tirx.Select(inside, y, last), const(0, element_type(x)))


def right_shift(x: Expr, y: Expr) -> Expr:
    """By more bits than there are: all bits are the sign's."""
    last, inside = _shift(x, y)
    value = x >> tirx.Select(inside, y, last)
    is_unsigned = element_type(x).startswith("uint")
    return tirx.Select(inside, value, const(0, element_type(x))) if is_unsigned else value


def _shift(x: Expr, y: Expr) -> tuple[Expr, Expr]:
    """The longest shift there is, and whether y is a shift."""
    last = const(int(tvm.DataType(element_type(x)).bits) - 1, element_type(x))
    inside = tirx.LE(y, last)
    if not element_type(x).startswith("uint"):
        inside = tirx.And(inside, tirx.GE(y, const(0, element_type(x))))
    return last, inside


UNARY = {
    "abs": absolute,
    "negative": lambda x: const(0, element_type(x)) - x,
    "floor": tirx.floor,
    "ceil": tirx.ceil,
    "round": tirx.nearbyint,
    "sign": sign,
    "logical_not": tirx.Not,
    "bitwise_not": lambda x: ~x,
    "isnan": is_nan,
    "isinf": lambda x: tirx.EQ(tirx.abs(x), const(float("inf"), element_type(x))),
    "isfinite": lambda x: tirx.LT(tirx.abs(x), const(float("inf"), element_type(x))),
    "nn.relu": lambda x: tirx.max(const(0, element_type(x)), x),
    "square": lambda x: x * x,
}
MATHEMATICAL = {
    "exp": tirx.exp,
    "log": tirx.log,
    "sqrt": tirx.sqrt,
    "rsqrt": POWERS[-0.5],
    "sigmoid": tirx.sigmoid,
    "tanh": tirx.tanh,
    "erf": tirx.erf,
    "sin": tirx.sin,
    "cos": tirx.cos,
    "tan": tirx.tan,
    "sinh": tirx.sinh,
    "cosh": tirx.cosh,
    "asin": tirx.asin,
    "acos": tirx.acos,
    "atan": tirx.atan,
    "asinh": tirx.asinh,
    "acosh": tirx.acosh,
    "atanh": tirx.atanh,
    "nn.gelu": gelu,
    "nn.silu": lambda x: x * tirx.sigmoid(x),
}
BINARY = {
    "add": tirx.Add,
    "subtract": tirx.Sub,
    "multiply": tirx.Mul,
    "divide": divide,
    "power": power,
    "floor_divide": floor_divide,
    "mod": mod,
    "floor_mod": floor_mod,
    "maximum": greater,
    "minimum": lesser,
    "equal": equal,
    "not_equal": differs,
    "less": tirx.LT,
    "less_equal": tirx.LE,
    "greater": tirx.GT,
    "greater_equal": tirx.GE,
    "logical_and": tirx.And,
    "logical_or": tirx.Or,
    "logical_xor": differs,
    "bitwise_and": lambda x, y: x & y,
    "bitwise_or": lambda x, y: x | y,
    "bitwise_xor": lambda x, y: x ^ y,
    "left_shift": left_shift,
    "right_shift": right_shift,
}

ELEMENTWISE: dict[str, Operator] = {
    **{f"relax.{name}": mapped(f) for name, f in UNARY.items()},
    **{f"relax.{name}": in_float32(f) for name, f in MATHEMATICAL.items()},
    **{f"relax.{name}": mapped(f) for name, f in BINARY.items()},
    "relax.where": mapped(lambda c, x, y: tirx.Select(c, x, y)),
    "relax.nn.leakyrelu": leaky_relu,
    "relax.clip": clip,
    "relax.astype": astype,
}
