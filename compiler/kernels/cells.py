"""What one step of a recurrent layer does with a vector of units. Source: ONNX LSTM, GRU, RNN.

A gate's value before its activation is the input's share (with the biases) plus the sum over the
units of the step before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tvm import relax, tirx
from tvm.ir import StringImm
from tvm.script.ir_builder import tirx as T

from compiler.kernels import polynomials
from compiler.kernels.operators import integers
from compiler.kernels.polynomials import like
from compiler.kernels.value import Expr


def sigmoid(x: Expr) -> Expr:
    """By way of tanh: a third of the instructions of 1 / (1 + exp -x), the same absolute error."""
    return T.bind(polynomials.tanh(x * like(x, 0.5)) * like(x, 0.5) + like(x, 0.5))


ACTIVATIONS: dict[str, Callable[[Expr], Expr]] = {
    "sigmoid": sigmoid,
    "tanh": polynomials.tanh,
    "relu": lambda x: T.bind(tirx.max(like(x, 0.0), x)),
}


@dataclass(frozen=True)
class Settings:
    """reverse: the first direction runs from the last step to the first. last: the output has one
    row more, the last cell state. clip: of what enters an activation of a gate; 0: none.
    """

    reverse: bool
    last: bool
    activations: tuple[str, ...]
    clip: float

    @classmethod
    def of(cls, operands: Sequence[relax.Expr]) -> Settings:
        """From the operands behind a call's tensors."""
        flags, *names, clip = [
            o for o in operands if isinstance(o, (relax.ShapeExpr, StringImm, tirx.FloatImm))
        ]
        reverse, last = map(bool, integers(flags))
        return cls(reverse, last, tuple(n.value for n in names), float(clip.value))

    def activate(self, number: int, x: Expr) -> Expr:
        return ACTIVATIONS[self.activations[number]](T.bind(x))

    def gate(self, number: int, x: Expr) -> Expr:
        if self.clip:
            x = tirx.min(like(x, self.clip), tirx.max(like(x, -self.clip), T.bind(x)))
        return self.activate(number, x)


@dataclass(frozen=True)
class Inputs:
    """Vectors of the same units. given: the input's share of each gate; sums: the units' share;
    state: that of the step before, the hidden one first; extra: rows of the layer's own parameter.
    """

    given: Sequence[Expr]
    sums: Sequence[Expr]
    state: Sequence[Expr]
    extra: Sequence[Expr]


@dataclass(frozen=True)
class Cell:
    """update: the new state, the hidden one first."""

    gates: int
    states: int
    update: Callable[[Inputs, Settings], tuple[Expr, ...]]


def lstm(x: Inputs, settings: Settings) -> tuple[Expr, ...]:
    """Gates i, o, f, c. Extra: how the cell itself moves the first three (peepholes)."""
    i, o, f, g = (T.bind(a + b) for a, b in zip(x.given, x.sums, strict=True))
    c = x.state[1]
    if x.extra:
        i, f = T.bind(i + x.extra[0] * c), T.bind(f + x.extra[2] * c)
    kept = T.bind(settings.gate(0, f) * c)
    c = T.bind(settings.gate(0, i) * settings.gate(1, g) + kept)
    if x.extra:
        o = T.bind(o + x.extra[1] * c)
    return T.bind(settings.gate(0, o) * settings.activate(2, c)), c


def gru(x: Inputs, settings: Settings) -> tuple[Expr, ...]:
    """Gates z, r, h, the reset after the product. Extra: the bias of the product."""
    z = settings.gate(0, x.given[0] + x.sums[0])
    r = settings.gate(0, x.given[1] + x.sums[1])
    n = settings.gate(1, r * (x.sums[2] + x.extra[0]) + x.given[2])
    return (T.bind(z * (x.state[0] - n) + n),)


def rnn(x: Inputs, settings: Settings) -> tuple[Expr, ...]:
    return (settings.gate(0, x.given[0] + x.sums[0]),)


CELLS = {
    "neoc.lstm": Cell(gates=4, states=2, update=lstm),
    "neoc.gru": Cell(gates=3, states=1, update=gru),
    "neoc.rnn": Cell(gates=1, states=1, update=rnn),
}
