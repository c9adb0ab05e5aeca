"""Functions that exporters do not know, by operators of ONNX; for scripts of confined.py.

exp(x) - 1, log(1 + x) and 1 - erf(x) as they stand lose the digits of small results.
"""

from __future__ import annotations

from typing import Any, Protocol

# Of log(erfc(x) exp(x^2) / t) by powers of t = 1 / (1 + x / 2), the highest first: erfc to 1.2e-7
# of itself. Source: Press et al., Numerical Recipes, 6.2, erfcc.
ERFC = (
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807,
    -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223,
)  # fmt: skip


class Emitter(Protocol):
    """Adds a node to a graph, or a number of the type that is computed with."""

    def __call__(self, kind: str, *inputs: Any) -> Any: ...

    def number(self, value: float) -> Any: ...


def expm1(b: Emitter, x: Any) -> Any:
    """What rounding takes from exp(x) it takes from the logarithm of that, too (W. Kahan)."""
    one, power = b.number(1), b("Exp", x)
    less = b("Sub", power, one)
    exact = b("Mul", less, b("Div", x, b("Log", power)))
    exact = b("Where", b("Equal", power, one), x, exact)
    return b("Where", is_small(b, x), exact, less)


def log1p(b: Emitter, x: Any) -> Any:
    """As expm1."""
    one = b.number(1)
    more = b("Add", x, one)
    plain = b("Log", more)
    exact = b("Mul", plain, b("Div", x, b("Sub", more, one)))
    exact = b("Where", b("Equal", more, one), x, exact)
    return b("Where", is_small(b, x), exact, plain)


def erfc(b: Emitter, x: Any) -> Any:
    one = b.number(1)
    t = b("Reciprocal", b("Add", b("Mul", b("Abs", x), b.number(0.5)), one))
    power = b.number(ERFC[0])
    for coefficient in ERFC[1:]:
        power = b("Add", b("Mul", power, t), b.number(coefficient))
    tail = b("Mul", t, b("Exp", b("Sub", power, b("Mul", x, x))))
    return b("Where", b("Greater", x, one), tail, b("Sub", one, b("Erf", x)))


def is_small(b: Emitter, x: Any) -> Any:
    return b("Less", b("Abs", x), b.number(0.5))
