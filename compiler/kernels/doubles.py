"""Mathematical functions of float64 vectors without a call. The rarer ones of float32 run through
these, too.

Sources of the coefficients: exp, atan from Cephes; log, sin, cos from fdlibm; erf far from 0 the
Chebyshev series of Numerical Recipes (third edition, 6.2.2). What is 0 at 0 has a series of its own
near it: errors are a few units of the last place there, too. Those of pow grow with |y log x|, and
of the others a few units in 1 where they cross 0 elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from numpy.polynomial.chebyshev import cheb2poly
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.polynomials import horner, like, select, settled
from compiler.kernels.value import Expr, lanes_of, typed

KIND = "float64"
LN2_HIGH, LN2_LOW = 6.93145751953125e-1, 1.42860682030941723212e-6
HALF_PI = (1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624879595063154e-21)


def _c(x: Expr, value: float) -> Expr:
    return like(x, value, KIND)


def _h(x: Expr, *coefficients: float) -> Expr:
    return horner(x, coefficients, KIND)


def _power_of_two(n: Expr) -> Expr:
    """2^n for whole n in [-1022, 1023]."""
    integer = typed("int64", lanes_of(n))
    bits = (tirx.Cast(integer, n) + like(n, 1023, "int64")) << like(n, 52, "int64")
    return T.bind(tirx.reinterpret(n.ty.dtype, bits))


def exp(x: Expr) -> Expr:
    x = T.bind(x)
    bounded = T.bind(tirx.min(_c(x, 709.78), tirx.max(_c(x, -708.0), x)))
    n = T.bind(tirx.nearbyint(bounded * _c(x, 1.4426950408889634)))
    rest = T.bind(bounded - n * _c(x, LN2_HIGH) - n * _c(x, LN2_LOW))
    square = T.bind(rest * rest)
    p = T.bind(
        rest
        * _h(
            square, 1.26177193074810590878e-4, 3.02994407707441961300e-2, 9.99999999999999999910e-1
        )
    )
    q = _h(
        square, 3.00198505138664455042e-6, 2.52448340349684104192e-3, 2.27265548208155028766e-1, 2.0
    )
    twice = T.bind(_c(x, 2.0) + _c(x, 4.0) * (p / (q - p)))
    value = T.bind(twice * _power_of_two(n - _c(x, 1.0)))  # 2^1024 alone would overflow
    value = select(tirx.GT(x, _c(x, 709.782712893384)), _c(x, math.inf), value)
    return T.bind(select(tirx.LT(x, _c(x, -708.0)), _c(x, 0.0), value))


def log(x: Expr) -> Expr:
    """log 0 = -inf, log of a negative number = NaN."""
    x = T.bind(x)
    integer = typed("int64", lanes_of(x))
    bits = T.bind(tirx.reinterpret(integer, tirx.max(x, _c(x, 2.2250738585072014e-308))))
    e = tirx.Cast(x.ty.dtype, (bits >> like(x, 52, "int64")) - like(x, 1023, "int64"))
    low, one = like(x, 0x000FFFFFFFFFFFFF, "int64"), like(x, 0x3FF0000000000000, "int64")
    m = T.bind(tirx.reinterpret(x.ty.dtype, (bits & low) | one))  # in [1, 2)
    large = tirx.GT(m, _c(x, math.sqrt(2)))
    exponent = T.bind(select(large, e + _c(x, 1.0), e))
    f = T.bind(select(large, m * _c(x, 0.5), m) - _c(x, 1.0))
    s = T.bind(f / (f + _c(x, 2.0)))
    z = T.bind(s * s)
    r = z * _h(
        z,
        1.479819860511658591e-01,
        1.531383769920937332e-01,
        1.818357216161805012e-01,
        2.222219843214978396e-01,
        2.857142874366239149e-01,
        3.999999999940941908e-01,
        6.666666666666735130e-01,
    )
    half = T.bind(f * f * _c(x, 0.5))
    fraction = f - (half - (s * (half + r) + exponent * _c(x, 1.90821492927058770002e-10)))
    value = T.bind(exponent * _c(x, 6.93147180369123816490e-01) + fraction)
    value = select(tirx.EQ(x, _c(x, math.inf)), x, value)
    value = select(tirx.EQ(x, _c(x, 0.0)), _c(x, -math.inf), value)
    return T.bind(select(tirx.GE(x, _c(x, 0.0)), value, _c(x, math.nan)))


def _log1p(x: Expr) -> Expr:
    """log(1 + x). What is lost in the sum is lost in its logarithm and in the sum less one alike
    (W. Kahan).
    """
    x = T.bind(x)
    total = settled(x + _c(x, 1.0))
    value = T.bind(log(total) * (x / (total - _c(x, 1.0))))
    value = T.bind(select(tirx.EQ(total, _c(x, 1.0)), x, value))
    far = tirx.Or(tirx.LE(total, _c(x, 0.0)), tirx.EQ(total, _c(x, math.inf)))
    return T.bind(select(far, log(total), value))


NEAR = 0.5  # up to there the series hold


def _near(x: Expr, series: Expr, value: Expr) -> Expr:
    return settled(select(tirx.LT(tirx.abs(x), _c(x, NEAR)), series, value))


def _series(x: Expr, coefficients: Sequence[float]) -> Expr:
    """x times a polynomial in x^2, the lowest power first."""
    return settled(x * _h(T.bind(x * x), *reversed(coefficients)))


def _odd(x: Expr, value: Expr) -> Expr:
    """As value, of |x|, but with the sign of x; 0 as it is."""
    value = select(tirx.LT(x, _c(x, 0.0)), _c(x, 0.0) - value, value)
    return T.bind(select(tirx.EQ(x, _c(x, 0.0)), x, value))


def erf(x: Expr) -> Expr:
    x = T.bind(x)
    z = T.bind(tirx.abs(x))
    t = T.bind(_c(x, 2.0) / (_c(x, 2.0) + z))
    u = T.bind(t * _c(x, 2.0) - _c(x, 1.0))
    tail = t * exp(settled(_h(u, *ERFC_POWERS) - z * z))
    return _near(x, _series(x, ERF), _odd(x, T.bind(_c(x, 1.0) - tail)))


ERF = [(-1) ** n * 2 / math.sqrt(math.pi) / (math.factorial(n) * (2 * n + 1)) for n in range(13)]
SINH = [1 / math.factorial(2 * n + 1) for n in range(8)]
ERFC = (
    -1.3026537197817094,
    6.4196979235649026e-1,
    1.9476473204185836e-2,
    -9.561514786808631e-3,
    -9.46595344482036e-4,
    3.66839497852761e-4,
    4.2523324806907e-5,
    -2.0278578112534e-5,
    -1.624290004647e-6,
    1.303655835580e-6,
    1.5626441722e-8,
    -8.5238095915e-8,
    6.529054439e-9,
    5.059343495e-9,
    -9.91364156e-10,
    -2.27365122e-10,
    9.6467911e-11,
    2.394038e-12,
    -6.886027e-12,
    8.94487e-13,
    3.13092e-13,
    -1.12708e-13,
    3.81e-16,
    7.106e-15,
    -1.523e-15,
    -9.4e-17,
    1.21e-16,
    -2.8e-17,
)
# As a polynomial, highest power first. Clenshaw's recurrence would be a chain that TVM's passes
# write out (see settled).
ERFC_POWERS = tuple(float(c) for c in cheb2poly([ERFC[0] / 2, *ERFC[1:]])[::-1])


def tanh(x: Expr) -> Expr:
    x = T.bind(x)
    e = exp(x * _c(x, 2.0))
    value = T.bind(_c(x, 1.0) - _c(x, 2.0) / (e + _c(x, 1.0)))
    s = _series(x, SINH)
    return _near(x, s / tirx.sqrt(s * s + _c(x, 1.0)), value)


def sigmoid(x: Expr) -> Expr:
    return T.bind(_c(x, 1.0) / (_c(x, 1.0) + exp(_c(x, 0.0) - x)))


def _sine(x: Expr, quarter: float) -> Expr:
    """sin(x + quarter * pi / 2); exact reduction up to |x| of about 10^8."""
    x = T.bind(x)
    n = T.bind(tirx.nearbyint(x * _c(x, 2 / math.pi)))
    r = x
    for part in HALF_PI:
        r = T.bind(r - n * _c(x, part))
    turn = T.bind(n + _c(x, quarter))
    turn = T.bind(turn - _c(x, 4.0) * tirx.floor(turn * _c(x, 0.25)))  # 0, 1, 2 or 3
    z = T.bind(r * r)
    sine = r + r * z * _h(
        z,
        1.58969099521155010221e-10,
        -2.50507602534068634195e-08,
        2.75573137070700676789e-06,
        -1.98412698298579493134e-04,
        8.33333333332248946124e-03,
        -1.66666666666666324348e-01,
    )
    cosine = (
        _c(x, 1.0)
        - z * _c(x, 0.5)
        + z
        * z
        * _h(
            z,
            -1.13596475577881948265e-11,
            2.08757232129817482790e-09,
            -2.75573143513906633035e-07,
            2.48015872894767294178e-05,
            -1.38888888888741095749e-03,
            4.16666666666666019037e-02,
        )
    )
    odd = tirx.Or(tirx.EQ(turn, _c(x, 1.0)), tirx.EQ(turn, _c(x, 3.0)))
    value = T.bind(select(odd, cosine, sine))
    return T.bind(select(tirx.GE(turn, _c(x, 2.0)), _c(x, 0.0) - value, value))


def sin(x: Expr) -> Expr:
    return _sine(x, 0.0)


def cos(x: Expr) -> Expr:
    return _sine(x, 1.0)


def tan(x: Expr) -> Expr:
    x = T.bind(x)
    return T.bind(sin(x) / cos(x))


def atan(x: Expr) -> Expr:
    x = T.bind(x)
    a = T.bind(tirx.abs(x))
    far, middle = tirx.GT(a, _c(x, 2.41421356237309504880)), tirx.GT(a, _c(x, 0.66))
    near = select(middle, (a - _c(x, 1.0)) / (a + _c(x, 1.0)), a)
    r = T.bind(select(far, _c(x, -1.0) / a, near))
    base = select(far, _c(x, math.pi / 2), select(middle, _c(x, math.pi / 4), _c(x, 0.0)))
    z = T.bind(r * r)
    p = _h(
        z,
        -8.750608600031904122785e-1,
        -1.615753718733365076637e1,
        -7.500855792314704667340e1,
        -1.228866684490136173410e2,
        -6.485021904942025371773e1,
    )
    q = _h(
        z,
        1.0,
        2.485846490142306297962e1,
        1.650270098316988542046e2,
        4.328810604912902668951e2,
        4.853903996359136964868e2,
        1.945506571482613964425e2,
    )
    return _odd(x, T.bind(base + (r + r * (z * p / q))))


def asin(x: Expr) -> Expr:
    x = T.bind(x)
    half = settled(x / (_c(x, 1.0) + tirx.sqrt(_c(x, 1.0) - x * x)))
    return T.bind(_c(x, 2.0) * atan(half))


def acos(x: Expr) -> Expr:
    x = T.bind(x)
    half = settled(tirx.sqrt((_c(x, 1.0) - x) / (_c(x, 1.0) + x)))
    return T.bind(_c(x, 2.0) * atan(half))


def _half_power(x: Expr) -> Expr:
    """e^|x| / 2, which overflows no earlier than sinh and cosh."""
    root = exp(settled(tirx.abs(x) * _c(x, 0.5)))
    return settled(root * _c(x, 0.5) * root)


def sinh(x: Expr) -> Expr:
    x = T.bind(x)
    e = _half_power(x)
    return _near(x, _series(x, SINH), _odd(x, T.bind(e - _c(x, 0.25) / e)))


def cosh(x: Expr) -> Expr:
    e = _half_power(T.bind(x))
    return T.bind(e + _c(x, 0.25) / e)


def _unless_far(x: Expr, value: Expr) -> Expr:
    """log 2x where x is so large that value overflows."""
    far = T.bind(log(x) + _c(x, math.log(2)))
    return settled(select(tirx.GT(x, _c(x, 2.0**28)), far, value))


def asinh(x: Expr) -> Expr:
    x = T.bind(x)
    a = T.bind(tirx.abs(x))
    root = settled(tirx.sqrt(a * a + _c(x, 1.0)))
    return _odd(x, _unless_far(a, _log1p(settled(a + a * a / (root + _c(x, 1.0))))))


def acosh(x: Expr) -> Expr:
    x = T.bind(x)
    over = settled(x - _c(x, 1.0))
    value = _log1p(settled(over + tirx.sqrt(over) * tirx.sqrt(x + _c(x, 1.0))))
    return _unless_far(x, value)


def atanh(x: Expr) -> Expr:
    x = T.bind(x)
    a = T.bind(tirx.abs(x))
    return _odd(x, T.bind(_log1p(settled((a + a) / (_c(x, 1.0) - a))) * _c(x, 0.5)))


def pow(x: Expr, y: Expr) -> Expr:
    """As C's pow; a negative base has a power only if the exponent is whole."""
    x, y = T.bind(x), T.bind(y)
    zero, one = _c(x, 0.0), _c(x, 1.0)
    size = settled(exp(settled(y * settled(log(tirx.abs(x))))))
    exact = tirx.And(tirx.EQ(tirx.floor(x), x), tirx.EQ(tirx.floor(y), y))
    exact = tirx.And(exact, tirx.And(tirx.GE(y, zero), tirx.LT(size, _c(x, 2.0**52))))
    size = T.bind(select(exact, tirx.nearbyint(size), size))
    half = T.bind(y * _c(x, 0.5))
    whole, odd = tirx.EQ(tirx.floor(y), y), tirx.NE(tirx.floor(half), half)
    negative = select(whole, select(odd, zero - size, size), _c(x, math.nan))
    value = select(tirx.LT(x, zero), negative, size)
    return T.bind(select(tirx.Or(tirx.EQ(y, zero), tirx.EQ(x, one)), one, value))


FUNCTIONS: dict[str, Callable[..., Expr]] = {
    f"tirx.{f.__name__}": f
    for f in (
        exp,
        log,
        erf,
        tanh,
        sigmoid,
        sin,
        cos,
        tan,
        atan,
        asin,
        acos,
        sinh,
        cosh,
        asinh,
        acosh,
        atanh,
        pow,
    )
}
