"""exp, log, erf, tanh and sigmoid of float32 vectors without a call: range reduction and a
polynomial.

Coefficients: exp and log from Cephes (expf, logf; about 2 ulp), erf and tanh the rational minimax
forms that Eigen uses (absolute error about 1e-7). What has no polynomial here stays an intrinsic of
LLVM.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tvm import tirx
from tvm.ir import Call
from tvm.script.ir_builder import tirx as T

from compiler.kernels.value import Expr, element_type, lanes_of, typed

# e^r = 1 + r + r^2 times this polynomial in r, for |r| <= ln 2 / 2
EXP = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)
ROUNDING = 1.5 * 2**23 + 127  # near it float32 has no fractions; its low byte is 127


def like(x: Expr, value: float, dtype: str = "float32") -> Expr:
    """A constant with as many lanes as x."""
    lanes = lanes_of(x)
    constant = tirx.const(value, dtype)
    return constant if lanes == 1 else tirx.Broadcast(constant, lanes)


def select(condition: Expr, one: Expr, other: Expr) -> Expr:
    """One of two vectors of floats, by way of a reinterpretation that does nothing: TVM takes the
    two for the ends of a range, and fails to multiply that with a variable (a zero of integers).
    """
    chosen = tirx.Select(condition, one, other)
    return Call(tirx.reinterpret("int32", tirx.const(0.0)).op, [chosen], ret_ty=chosen.ty)


def settled(x: Expr) -> Expr:
    """The value, by way of memory that LLVM removes. TVM's passes write out what a chain of plain
    bindings stands for; where each of a chain is used several times, that takes exponential time.
    """
    lanes = lanes_of(x)
    place = T.alloc_buffer(
        (lanes,),
        element_type(x),
        scope="local",
        layout=None,
        annotations={"disable_lower_builtin": True},
    )
    slot = tirx.Ramp(0, 1, lanes) if lanes > 1 else 0
    T.buffer_store(place, x, [slot])
    return T.bind(place[slot])


def horner(x: Expr, coefficients: Sequence[float], dtype: str = "float32") -> Expr:
    value = like(x, coefficients[0], dtype)
    for c in coefficients[1:]:
        value = T.bind(value * x + like(x, c, dtype))
    return value


def exp(x: Expr) -> Expr:
    """2^n times a polynomial in the rest. NaN stays NaN; overflow gives infinity, underflow 0."""
    x = T.bind(x)
    # the number last: it is what tirx.max and tirx.min give where it is NaN
    bounded = T.bind(tirx.min(like(x, 89.0), tirx.max(like(x, -86.6), x)))
    # half of 2^n, as 2^128 has no bits of its own
    p, half = _exponential(bounded, ROUNDING - 1)
    return T.bind(select(tirx.LT(x, like(x, -86.6)), like(x, 0.0), (p + p) * half))


def _exponential(x: Expr, rounding: float) -> tuple[Expr, Expr]:
    """p and 2^n with e^x = p * 2^n, or half of 2^n. n + 127, or n + 126, is the low byte of a sum
    so large that it has no fraction.
    """
    integer = typed("int32", lanes_of(x))
    shifted = T.bind(x * like(x, 1.44269504088896341) + like(x, rounding))
    n = T.bind(shifted - like(x, rounding))
    rest = T.bind(n * like(x, -0.693359375) + x)
    rest = T.bind(n * like(x, 2.12194440e-4) + rest)
    p = horner(rest, (*EXP, 1.0, 1.0))
    return p, tirx.reinterpret(
        x.ty.dtype, tirx.reinterpret(integer, shifted) << like(x, 23, "int32")
    )


def log(x: Expr) -> Expr:
    """Cephes logf: exponent times ln 2 plus a polynomial in the mantissa. log 0 = -inf, negative =
    NaN.
    """
    integer = typed("int32", lanes_of(x))
    x = T.bind(x)
    normal = T.bind(tirx.max(x, like(x, 1.17549435e-38)))
    bits = T.bind(tirx.reinterpret(integer, normal))
    exponent = T.bind(tirx.Cast(x.ty.dtype, (bits >> like(x, 23, "int32")) - like(x, 126, "int32")))
    mantissa = T.bind(
        tirx.reinterpret(
            x.ty.dtype, (bits & like(x, 0x007FFFFF, "int32")) | like(x, 0x3F000000, "int32")
        )
    )  # in [0.5, 1)
    small = tirx.LT(mantissa, like(x, 0.707106781186547524))
    exponent = T.bind(exponent - select(small, like(x, 1.0), like(x, 0.0)))
    m = T.bind(select(small, mantissa + mantissa, mantissa) - like(x, 1.0))
    square = T.bind(m * m)
    p = horner(
        m,
        (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
         -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
    )  # fmt: skip
    p = T.bind(p * m * square + exponent * like(x, -2.12194440e-4) - square * like(x, 0.5))
    value = T.bind(m + p + exponent * like(x, 0.693359375))
    value = select(tirx.EQ(x, like(x, float("inf"))), x, value)
    value = select(tirx.EQ(x, like(x, 0.0)), like(x, float("-inf")), value)
    return T.bind(select(tirx.GE(x, like(x, 0.0)), value, like(x, float("nan"))))


def erf(x: Expr) -> Expr:
    x = T.bind(tirx.max(like(x, -3.832506856900711), tirx.min(like(x, 3.832506856900711), x)))
    square = T.bind(x * x)
    p = horner(
        square,
        (-2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
         -7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02),
    )  # fmt: skip
    q = horner(
        square,
        (-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
         -1.42647390514189e-02),
    )  # fmt: skip
    return T.bind(x * p / q)


def tanh(x: Expr) -> Expr:
    # The end from which on fused multiply-adds give 1 and not a little less: a gate that is shut
    # lets nothing through.
    x = T.bind(tirx.max(like(x, -7.99881172180175781), tirx.min(like(x, 7.99881172180175781), x)))
    square = T.bind(x * x)
    p = horner(
        square,
        (-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
         1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03),
    )  # fmt: skip
    q = horner(
        square,
        (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03),
    )
    return T.bind(x * p / q)


def sigmoid(x: Expr) -> Expr:
    """1 / (1 + e^-x). Beyond 87 either way nothing changes but denormal numbers, which are slow."""
    x = T.bind(tirx.min(like(x, 87.0), tirx.max(like(x, -87.0), like(x, 0.0) - x)))
    p, power = _exponential(x, ROUNDING)
    return T.bind(like(x, 1.0) / (p * power + like(x, 1.0)))


FUNCTIONS: dict[str, Callable[[Expr], Expr]] = {
    f"tirx.{f.__name__}": f for f in (exp, log, erf, tanh, sigmoid)
}
