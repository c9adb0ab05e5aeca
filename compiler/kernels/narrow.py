"""Numbers of 16 bits and less that no instruction computes with, kept as the bits of unsigned
integers: `encode` rounds a number to them, `decode` gives it back, both in plain arithmetic.

A small integer fills the low bits of a byte, as ml_dtypes stores it.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import relax, tirx

from compiler.kernels.operators import Operator, const, integers, is_nan, result
from compiler.kernels.value import Expr, Index, Value, element_type


@dataclass(frozen=True)
class Float:
    """Sign, exponent, mantissa. Codes are those of the magnitude: `largest` the last finite one,
    `infinite` what overflows become where they do not saturate.
    """

    exponent: int
    mantissa: int
    bias: int
    largest: int
    infinite: int
    nan: int
    signed_zero: bool = True

    @property
    def sign(self) -> int:
        return 1 << (self.exponent + self.mantissa)


# Source: ONNX "Float stored in 8 bits" and "in 4 bits"; ml_dtypes for what a NaN of 4 bits is.
FLOATS = {
    "float8_e4m3fn": Float(4, 3, 7, 0x7E, 0x7F, 0x7F),
    "float8_e4m3fnuz": Float(4, 3, 8, 0x7F, 0x80, 0x80, signed_zero=False),
    "float8_e5m2": Float(5, 2, 15, 0x7B, 0x7C, 0x7E),
    "float8_e5m2fnuz": Float(5, 2, 16, 0x7F, 0x80, 0x80, signed_zero=False),
    "float4_e2m1fn": Float(2, 1, 1, 0x7, 0x7, 0x8),
}
INTEGERS = {"int2": 2, "int4": 4, "uint2": 2, "uint4": 4}  # bits
CARRIERS = {
    "bfloat16": "uint16",
    **dict.fromkeys([*FLOATS, *INTEGERS, "float8_e8m0fnu"], "uint8"),
}
ROUNDINGS = ("nearest", "up", "down")  # of an exponent alone
BEYOND = 2.0**20  # more than any of FLOATS holds


MANTISSA, BIAS = 23, 127  # of float32


def _bits(x: Expr) -> Expr:
    return tirx.reinterpret("int32", x)


def _number(bits: Expr) -> Expr:
    return tirx.reinterpret("float32", bits)


def _int(value: int) -> Expr:
    return const(value, "int32")


def _encoded_float(x: Expr, kind: Float, saturate: bool) -> Expr:
    """The nearest code, ties to the even one."""
    size = tirx.min(tirx.abs(x), const(BEYOND, "float32"))
    least = 1 - kind.bias
    power = tirx.max((_bits(size) >> _int(MANTISSA)) - BIAS, _int(least))
    unit = (kind.mantissa + BIAS - power) << _int(MANTISSA)
    steps = tirx.nearbyint(size * _number(unit)).astype("int32")
    code = ((power - least) << _int(kind.mantissa)) + steps
    most = _int(kind.largest)
    code = tirx.Select(tirx.GT(code, most), most if saturate else _int(kind.infinite), code)
    negative = tirx.LT(_bits(x), _int(0))
    if not kind.signed_zero:
        negative = tirx.And(negative, tirx.NE(code, _int(0)))
    code = tirx.Select(negative, code | _int(kind.sign), code)
    return tirx.Select(is_nan(x), _int(kind.nan), code).astype("uint8")


def _decoded_float(code: Expr, kind: Float) -> Expr:
    size = code & _int(kind.sign - 1)
    field, rest = size >> _int(kind.mantissa), size & _int((1 << kind.mantissa) - 1)
    whole = tirx.Select(tirx.EQ(field, _int(0)), rest, rest + _int(1 << kind.mantissa))
    unit = tirx.max(field, _int(1)) + (BIAS - kind.bias - kind.mantissa)
    value = whole.astype("float32") * _number(unit << _int(MANTISSA))
    negative = tirx.NE(code & _int(kind.sign), _int(0))
    if kind.infinite < kind.nan < kind.sign:
        infinite = tirx.EQ(size, _int(kind.infinite))
        value = tirx.Select(infinite, const(float("inf"), "float32"), value)
    value = tirx.Select(negative, const(0.0, "float32") - value, value)
    value = tirx.Select(tirx.And(negative, tirx.EQ(size, 0)), const(-0.0, "float32"), value)
    nan = const(float("nan"), "float32")
    if not kind.signed_zero:
        return tirx.Select(tirx.EQ(code, _int(kind.nan)), nan, value)
    if kind.nan < kind.sign:
        highest = _int(kind.largest if kind.infinite == kind.nan else kind.infinite)
        return tirx.Select(tirx.GT(size, highest), nan, value)
    return value


def _encoded_bfloat16(x: Expr) -> Expr:
    """The upper half of a float32, rounded to even."""
    bits = tirx.reinterpret("uint32", x)
    half = const(16, "uint32")
    odd = (bits >> half) & const(1, "uint32")
    rounded = (bits + const(0x7FFF, "uint32") + odd) >> half
    return tirx.Select(is_nan(x), const(0x7FC0, "uint32"), rounded).astype("uint16")


def _encoded_exponent(x: Expr, saturate: bool, rounding: str) -> Expr:
    """float8_e8m0fnu: the exponent of a float32 alone. Infinities and NaN are NaN."""
    bits = tirx.reinterpret("uint32", x)
    power = (bits >> const(23, "uint32")) & const(0xFF, "uint32")
    rest = bits & const(0x7FFFFF, "uint32")
    zero, half = const(0, "uint32"), const(0x400000, "uint32")
    tie = tirx.And(tirx.EQ(rest, half), tirx.GT(power, zero))
    up = {
        "nearest": tirx.Or(tirx.GT(rest, half), tie),
        "up": tirx.GT(rest, zero),
        "down": const(False, "bool"),
    }[rounding]
    last = const(0xFE if saturate else 0xFF, "uint32")
    code = tirx.Select(up, tirx.min(power + const(1, "uint32"), last), power)
    return tirx.Select(tirx.EQ(power, const(0xFF, "uint32")), power, code).astype("uint8")


def _decoded_exponent(code: Expr) -> Expr:
    least = _int(0x400000)  # 2^-127, which is subnormal
    bits = tirx.Select(tirx.EQ(code, _int(0)), least, code << _int(23))
    nan = const(float("nan"), "float32")
    return tirx.Select(tirx.EQ(code, _int(0xFF)), nan, _number(bits))


def _decoded_integer(code: Expr, kind: str) -> Expr:
    bits = INTEGERS[kind]
    value = code & _int((1 << bits) - 1)
    half = _int(1 << (bits - 1))
    return value if kind.startswith("u") else (value ^ half) - half


def encoded(x: Expr, kind: str, saturate: bool = True, rounding: str = "up") -> Expr:
    """The bits of a number in the type `kind`, by way of int32 or float32, as in ml_dtypes."""
    if kind in INTEGERS:
        mask = _int((1 << INTEGERS[kind]) - 1)
        return (x.astype("int32") & mask).astype("uint8")
    x = x.astype("float32")
    if kind == "bfloat16":
        return _encoded_bfloat16(x)
    if kind == "float8_e8m0fnu":
        return _encoded_exponent(x, saturate, rounding)
    return _encoded_float(x, FLOATS[kind], saturate)


def decoded(code: Expr, kind: str) -> Expr:
    """float32; int32 of small integers."""
    if kind == "bfloat16":
        return tirx.reinterpret("float32", code.astype("uint32") << const(16, "uint32"))
    code = code.astype("int32")
    if kind in INTEGERS:
        return _decoded_integer(code, kind)
    return (
        _decoded_exponent(code) if kind == "float8_e8m0fnu" else _decoded_float(code, FLOATS[kind])
    )


def encode(call: relax.Call, args: list[Value]) -> Value:
    """neoc.encode(x, kind, (saturate, number of the rounding))"""
    kind, (saturate, rounding) = str(call.args[2].value), integers(call.args[3])

    def compute(i: Index) -> Expr:
        return encoded(args[0].at(i), kind, bool(saturate), ROUNDINGS[rounding])

    return result(call, compute)


def decode(call: relax.Call, args: list[Value]) -> Value:
    """neoc.decode(bits, kind)"""
    kind = str(call.args[2].value)
    return result(call, lambda i: decoded(args[0].at(i), kind))


def bitcast(call: relax.Call, args: list[Value]) -> Value:
    """neoc.bitcast(x): other numbers of the same bits."""
    kind = str(call.ty.dtype)

    def compute(i: Index) -> Expr:
        x = args[0].at(i)
        x = x.astype("uint8") if element_type(x) == "bool" else x
        if kind == "bool":
            return tirx.NE(x.astype("int8"), const(0, "int8"))
        return x if element_type(x) == kind else tirx.reinterpret(kind, x)

    return result(call, compute)


OPERATORS: dict[str, Operator] = {
    "neoc.bitcast": bitcast,
    "neoc.decode": decode,
    "neoc.encode": encode,
}
