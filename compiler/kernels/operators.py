"""What every element-wise and data-moving operator of Relax computes: operator name -> a function of lazy values.

These fuse freely: each says what stands at one index of its result. All loads stay inside their tensors
whatever the data (indices are clamped), so that a Select may evaluate both sides.
"""

from __future__ import annotations

from collections.abc import Callable

import tvm
from tvm import relax, tirx

from compiler.kernels.value import ZERO, Expr, Index, Value, broadcast, element_type, ravel, unravel

# Calls that only give a tensor another shape: aliases, not kernels.
VIEWS = ("relax.reshape", "relax.expand_dims", "relax.squeeze")

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
            return function(x.astype("float32")).astype("float16") if element_type(x) == "float16" else function(x)

        return result(call, compute)

    return operator


def power(x: Expr, y: Expr) -> Expr:
    """Constant small exponents are products and roots."""
    if isinstance(y, tirx.FloatImm) and element_type(x) in ("float32", "float64"):
        known = {2.0: lambda: x * x, 3.0: lambda: x * x * x, 1.0: lambda: x, 0.5: lambda: tirx.sqrt(x),
                 -0.5: lambda: const(1.0, element_type(x)) / tirx.sqrt(x), -1.0: lambda: const(1.0, element_type(x)) / x}  # fmt: skip
        if float(y.value) in known:
            return known[float(y.value)]()
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
    return x * const(0.5, element_type(x)) * (const(1.0, element_type(x)) + tirx.erf(x * const(0.7071067811865476, element_type(x))))


def leaky_relu(call: relax.Call, args: list[Value]) -> Value:
    def compute(i: Index) -> Expr:
        x = args[0].at(i)
        return tirx.Select(x > const(0, element_type(x)), x, x * const(float(call.attrs.alpha), element_type(x)))

    return result(call, compute)


def clip(call: relax.Call, args: list[Value]) -> Value:
    """The number last: it is what tirx.max and tirx.min give where it is NaN."""
    low, high = call.args[1:]

    def compute(i: Index) -> Expr:
        x = args[0].at(i)
        return tirx.min(const(_number(high), element_type(x)), tirx.max(const(_number(low), element_type(x)), x))

    return result(call, compute)


def _number(value: Expr) -> float:
    return float(value.value) if isinstance(value, tirx.FloatImm) else int(value)


def astype(call: relax.Call, args: list[Value]) -> Value:
    def compute(i: Index) -> Expr:
        x = args[0].at(i)
        target = dtype_of(call)
        return differs(x, const(0, element_type(x))) if target == "bool" and element_type(x) != "bool" else x.astype(target)

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
    if not element_type(x).startswith("float"):
        return whole(tirx.floormod)(x, y)
    return x - y * tirx.floor(x / y)


def mod(x: Expr, y: Expr) -> Expr:
    """C's modulo: the dividend's sign."""
    if not element_type(x).startswith("float"):
        return whole(tirx.truncmod)(x, y)
    quotient = x / y
    return x - y * tirx.Select(quotient < const(0, element_type(x)), tirx.ceil(quotient), tirx.floor(quotient))


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


def shifted(function: Callable[[Expr, Expr], Expr]) -> Callable[[Expr, Expr], Expr]:
    """A shift by more bits than there are gives 0."""

    def shift(x: Expr, y: Expr) -> Expr:
        bits = int(tvm.DataType(element_type(x)).bits)
        last = const(bits - 1, element_type(x))
        return tirx.Select(y > last, const(0, element_type(x)), function(x, tirx.min(y, last)))

    return shift


# ---- where the data stands ----


def reindexed(function: Callable[[relax.Call, list[Value]], Callable[[Index], Index]]) -> Operator:
    """The first operand read at other indices."""

    def operator(call: relax.Call, args: list[Value]) -> Value:
        move = function(call, args)
        return result(call, lambda i: args[0].at(move(i)))

    return operator


def permute_dims(call: relax.Call, args: list[Value]) -> Callable[[Index], Index]:
    rank = len(args[0].shape)
    axes = [int(a) % rank for a in call.attrs.axes] if call.attrs.axes is not None else list(reversed(range(rank)))
    return lambda i: tuple(i[axes.index(d)] for d in range(rank))


def reshape(call: relax.Call, args: list[Value]) -> Callable[[Index], Index]:
    return lambda i: unravel(ravel(i, shape_of(call)), args[0].shape)


def broadcast_to(call: relax.Call, args: list[Value]) -> Callable[[Index], Index]:
    source = args[0].shape
    return lambda i: tuple(ZERO if e == 1 else d for d, e in zip(i[len(i) - len(source) :], source, strict=True))


def tile(call: relax.Call, args: list[Value]) -> Callable[[Index], Index]:
    source = args[0].shape
    return lambda i: tuple(tirx.floormod(d, e) for d, e in zip(i[len(i) - len(source) :], source, strict=True))


def repeat(call: relax.Call, args: list[Value]) -> Callable[[Index], Index]:
    axis, times = call.attrs.axis, int(call.attrs.repeats)
    if axis is None:
        return lambda i: unravel(tirx.floordiv(i[0], times), args[0].shape)
    at = int(axis) % len(args[0].shape)
    return lambda i: tuple(tirx.floordiv(d, times) if n == at else d for n, d in enumerate(i))


def flip(call: relax.Call, args: list[Value]) -> Callable[[Index], Index]:
    at = int(call.attrs.axis) % len(args[0].shape)
    return lambda i: tuple(args[0].shape[n] - 1 - d if n == at else d for n, d in enumerate(i))


def strided_slice(call: relax.Call, args: list[Value]) -> Callable[[Index], Index]:
    axes, begin = integers(call.args[1]), integers(call.args[2])
    steps = integers(call.args[4]) if len(call.args) > 4 else [1] * len(axes)
    start, step = {}, {}
    for axis, first, stride in zip(axes, begin, steps, strict=True):
        at = axis % len(args[0].shape)
        extent = args[0].shape[at]
        first = first + extent if first < 0 else first
        start[at], step[at] = (min(first, extent) if stride > 0 else min(first, extent - 1)), stride
    return lambda i: tuple(d * step.get(n, 1) + start.get(n, 0) for n, d in enumerate(i))


def clamp(index: Expr, extent: int) -> Expr:
    return tirx.max(tirx.min(index, extent - 1), 0)


def at_position(index: Expr, extent: int) -> Expr:
    """An index read from data, negative from the end, kept inside."""
    small = index.astype("int32") if element_type(index) != "int32" else index
    return clamp(tirx.Select(small < 0, small + extent, small), extent)


def take(call: relax.Call, args: list[Value]) -> Value:
    data, indices = args
    rank = len(indices.shape)
    axis = 0 if call.attrs.axis is None else int(call.attrs.axis) % len(data.shape)

    def compute(i: Index) -> Expr:
        chosen = at_position(indices.at(i[axis : axis + rank]), data.shape[axis])
        return data.at((*i[:axis], chosen, *i[axis + rank :]))

    return result(call, compute)


def gather_elements(call: relax.Call, args: list[Value]) -> Value:
    data, indices = args
    axis = int(call.attrs.axis) % len(data.shape)

    def compute(i: Index) -> Expr:
        return data.at((*i[:axis], at_position(indices.at(i), data.shape[axis]), *i[axis + 1 :]))

    return result(call, compute)


def gather_nd(call: relax.Call, args: list[Value]) -> Value:
    data, indices = args
    batch, depth, rank = int(call.attrs.batch_dims), indices.shape[-1], len(indices.shape)

    def compute(i: Index) -> Expr:
        chosen = [
            at_position(indices.at((*i[: rank - 1], tirx.const(n, "int32"))), data.shape[batch + n]) for n in range(depth)
        ]
        return data.at((*i[:batch], *chosen, *i[rank - 1 :]))

    return result(call, compute)


def one_hot(call: relax.Call, args: list[Value]) -> Value:
    on, off = call.args[1:3]
    axis = int(call.attrs.axis) % len(shape_of(call))

    def compute(i: Index) -> Expr:
        index = args[0].at((*i[:axis], *i[axis + 1 :]))
        return tirx.Select(index.astype("int32") == i[axis], const(_number(on), dtype_of(call)), const(_number(off), dtype_of(call)))

    return result(call, compute)


def resize(call: relax.Call, args: list[Value]) -> Value:
    """data [N, C, H, W] or packed; for each output row and column the elements (indices [H', T]) and, unless
    there is but one, how much of each (weights [H', T]).
    """
    data, rows, columns, *weights = args

    def compute(i: Index) -> Expr:
        n, c, y, x, *lane = i
        total: Expr | None = None
        for t in range(rows.shape[1]):
            row = _line(data, (n, c, rows.at((y, const(t, "int32")))), columns, weights[1:], x, lane)
            row = row * weights[0].at((y, const(t, "int32"))) if weights else row
            total = row if total is None else total + row
        assert total is not None
        return total.astype(dtype_of(call)) if element_type(total) != dtype_of(call) else total

    return result(call, compute)


def _line(data: Value, row: Index, columns: Value, weights: list[Value], x: Expr, lane: list[Expr]) -> Expr:
    """A row's elements around x, weighted."""
    total: Expr | None = None
    for t in range(columns.shape[1]):
        at = (x, const(t, "int32"))
        element = data.at((*row, columns.at(at), *lane))
        if weights:
            element = element.astype(weights[0].dtype) * weights[0].at(at)
        total = element if total is None else total + element
    assert total is not None
    return total


def pack(call: relax.Call, args: list[Value]) -> Value:
    """[N, C, H, W] -> [N, C/L, H, W, L]; zeros in the lanes beyond the channels."""
    channels, lanes = args[0].shape[1], shape_of(call)[-1]

    def compute(i: Index) -> Expr:
        n, panel, y, x, lane = i
        channel = panel * lanes + lane
        if channels % lanes == 0:
            return args[0].at((n, channel, y, x))
        inside = args[0].at((n, tirx.min(channel, channels - 1), y, x))
        return tirx.Select(channel < channels, inside, const(0, dtype_of(call)))

    return result(call, compute)


def unpack(call: relax.Call, args: list[Value]) -> Value:
    lanes = args[0].shape[-1]
    return result(call, lambda i: args[0].at((i[0], i[1] // lanes, i[2], i[3], i[1] % lanes)))


UNARY = {
    "abs": absolute, "negative": lambda x: const(0, element_type(x)) - x, "floor": tirx.floor, "ceil": tirx.ceil,
    "round": tirx.nearbyint, "sign": sign, "logical_not": tirx.Not, "bitwise_not": lambda x: ~x,
    "isnan": is_nan, "isinf": lambda x: tirx.EQ(tirx.abs(x), const(float("inf"), element_type(x))),
    "isfinite": lambda x: tirx.LT(tirx.abs(x), const(float("inf"), element_type(x))),
    "nn.relu": lambda x: tirx.max(const(0, element_type(x)), x), "square": lambda x: x * x,
}  # fmt: skip
MATHEMATICAL = {
    "exp": tirx.exp, "log": tirx.log, "sqrt": tirx.sqrt, "rsqrt": lambda x: const(1.0, element_type(x)) / tirx.sqrt(x),
    "sigmoid": tirx.sigmoid, "tanh": tirx.tanh, "erf": tirx.erf, "sin": tirx.sin, "cos": tirx.cos, "tan": tirx.tan,
    "sinh": tirx.sinh, "cosh": tirx.cosh, "asin": tirx.asin, "acos": tirx.acos, "atan": tirx.atan,
    "asinh": tirx.asinh, "acosh": tirx.acosh, "atanh": tirx.atanh, "nn.gelu": gelu,
    "nn.silu": lambda x: x * tirx.sigmoid(x),
}  # fmt: skip
BINARY = {
    "add": tirx.Add, "subtract": tirx.Sub, "multiply": tirx.Mul, "divide": divide, "power": power,
    "floor_divide": floor_divide, "mod": mod, "floor_mod": floor_mod, "maximum": greater, "minimum": lesser, "equal": equal,
    "not_equal": differs, "less": tirx.LT, "less_equal": tirx.LE, "greater": tirx.GT, "greater_equal": tirx.GE,
    "logical_and": tirx.And, "logical_or": tirx.Or, "logical_xor": differs,
    "bitwise_and": lambda x, y: x & y, "bitwise_or": lambda x, y: x | y, "bitwise_xor": lambda x, y: x ^ y,
    "left_shift": shifted(lambda x, y: x << y), "right_shift": shifted(lambda x, y: x >> y),
}  # fmt: skip

ELEMENTWISE: dict[str, Operator] = {
    **{f"relax.{name}": mapped(f) for name, f in UNARY.items()},
    **{f"relax.{name}": in_float32(f) for name, f in MATHEMATICAL.items()},
    **{f"relax.{name}": mapped(f) for name, f in BINARY.items()},
    "relax.where": mapped(lambda c, x, y: tirx.Select(c, x, y)),
    "relax.nn.leakyrelu": leaky_relu, "relax.clip": clip, "relax.astype": astype,
}  # fmt: skip
MOVES: dict[str, Operator] = {
    **{f"relax.{name}": reindexed(f) for name, f in {
        "permute_dims": permute_dims, "broadcast_to": broadcast_to, "tile": tile, "repeat": repeat, "flip": flip,
        "strided_slice": strided_slice, "reshape": reshape, "expand_dims": reshape, "squeeze": reshape}.items()},
    "relax.take": take, "relax.gather_elements": gather_elements, "relax.gather_nd": gather_nd,
    "relax.one_hot": one_hot, "neoc.pack": pack, "neoc.unpack": unpack, "neoc.resize": resize,
}  # fmt: skip
