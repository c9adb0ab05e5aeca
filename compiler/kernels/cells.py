"""What one step of a recurrent layer does with a vector of units. Source: ONNX LSTM, GRU, RNN.

A gate's value before its activation is the input's share (with the biases) plus the sum over the
units of the step before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from tvm import relax, tirx
from tvm.ir import StringImm
from tvm.script.ir_builder import tirx as T

from compiler.kernels import polynomials
from compiler.kernels.operators import integers
from compiler.kernels.polynomials import like, select, settled
from compiler.kernels.value import Expr


def sigmoid(x: Expr) -> Expr:
    """By way of tanh: a third of the instructions of 1 / (1 + exp -x), the same absolute error."""
    return T.bind(polynomials.tanh(x * like(x, 0.5)) * like(x, 0.5) + like(x, 0.5))


def relu(x: Expr) -> Expr:
    return T.bind(tirx.max(like(x, 0.0), x))


def softsign(x: Expr) -> Expr:
    return T.bind(x / (_size(x) + like(x, 1.0)))


def softplus(x: Expr) -> Expr:
    """max(x, 0) + log(1 + exp(-|x|)), which no x overflows, and what the inner sum loses of exp."""
    power = settled(polynomials.exp(settled(like(x, 0.0) - _size(x))))
    total = settled(power + like(x, 1.0))
    lost = settled(power - (total - like(x, 1.0)))
    return settled(relu(x) + (polynomials.log(total) + lost / total))


def leaky_relu(x: Expr, alpha: float) -> Expr:
    return T.bind(select(tirx.LT(x, like(x, 0.0)), x * like(x, alpha), x))


def thresholded_relu(x: Expr, alpha: float) -> Expr:
    return T.bind(select(tirx.GT(x, like(x, alpha)), x, like(x, 0.0)))


def elu(x: Expr, alpha: float) -> Expr:
    below = settled(polynomials.exp(settled(tirx.min(like(x, 0.0), x))) - like(x, 1.0))
    return settled(select(tirx.GT(x, like(x, 0.0)), x, below * like(x, alpha)))


def hard_sigmoid(x: Expr, alpha: float, beta: float) -> Expr:
    return T.bind(tirx.min(like(x, 1.0), tirx.max(like(x, 0.0), affine(x, alpha, beta))))


def affine(x: Expr, alpha: float, beta: float) -> Expr:
    return T.bind(x * like(x, alpha) + like(x, beta))


def scaled_tanh(x: Expr, alpha: float, beta: float) -> Expr:
    return T.bind(polynomials.tanh(x * like(x, beta)) * like(x, alpha))


def _size(x: Expr) -> Expr:
    return T.bind(tirx.max(x, like(x, 0.0) - x))


ACTIVATIONS: dict[str, Callable[..., Expr]] = {
    "affine": affine,
    "elu": elu,
    "hardsigmoid": hard_sigmoid,
    "leakyrelu": leaky_relu,
    "relu": relu,
    "scaledtanh": scaled_tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "softsign": softsign,
    "tanh": polynomials.tanh,
    "thresholdedrelu": thresholded_relu,
}


@dataclass(frozen=True)
class Rules:
    """Of one direction. activations: names, each with its numbers behind it. clip: of what enters
    an activation of a gate; 0: none. coupled: an LSTM forgets what it does not take in.
    """

    activations: tuple[str, ...]
    clip: float
    coupled: bool

    def activate(self, number: int, x: Expr) -> Expr:
        name, *numbers = self.activations[number].split()
        return ACTIVATIONS[name](T.bind(x), *map(float, numbers))

    def gate(self, number: int, x: Expr) -> Expr:
        if self.clip:
            x = tirx.min(like(x, self.clip), tirx.max(like(x, -self.clip), T.bind(x)))
        return self.activate(number, x)


@dataclass(frozen=True)
class Settings:
    """reverse: the first direction runs from the last step to the first. last: so many rows more
    has the output, the last states, of which the hidden one comes first. rules: of all directions,
    or of each.
    """

    reverse: bool
    last: int
    rules: tuple[Rules, ...]

    @classmethod
    def of(cls, operands: Sequence[relax.Expr], activations: int) -> Settings:
        """From the operands behind a call's tensors. activations: of one direction."""
        flags, *texts, clip = [
            o for o in operands if isinstance(o, (relax.ShapeExpr, StringImm, tirx.FloatImm))
        ]
        reverse, last, coupled = integers(flags)
        names = [str(text.value) for text in texts]
        each = [tuple(names[n : n + activations]) for n in range(0, len(names), activations)]
        rules = (Rules(names, float(clip.value), bool(coupled)) for names in dict.fromkeys(each))
        return cls(bool(reverse), last, tuple(rules))


@dataclass(frozen=True)
class Inputs:
    """Vectors of the same units. given: the input's share of each gate; sums: the units' share of
    the part's gates; state: the layer's states; extra: rows of the layer's own parameter.
    """

    given: Sequence[Expr]
    sums: Sequence[Expr]
    state: Sequence[Expr]
    extra: Sequence[Expr]


@dataclass(frozen=True)
class Part:
    """Gates whose sums a step makes together, from one of the states: a new one if a part before
    this one writes it. update: the new values of the states that it `writes`.
    """

    gates: int
    source: int
    writes: tuple[int, ...]
    update: Callable[[Inputs, Rules], tuple[Expr, ...]]


@dataclass(frozen=True)
class Cell:
    """states: what a step takes over from the one before, the hidden one first; behind these stand
    what parts hand on within a step. The last part makes the new states.
    """

    states: int
    activations: int
    parts: tuple[Part, ...]

    @cached_property
    def gates(self) -> int:
        return sum(part.gates for part in self.parts)

    @cached_property
    def kept(self) -> int:
        return 1 + max(number for part in self.parts for number in part.writes)


def lstm(x: Inputs, rules: Rules) -> tuple[Expr, ...]:
    """Gates i, o, f, c. Extra: how the cell itself moves the first three (peepholes)."""
    i, o, f, g = (T.bind(a + b) for a, b in zip(x.given, x.sums, strict=True))
    c = x.state[1]
    if x.extra:
        i, f = T.bind(i + x.extra[0] * c), T.bind(f + x.extra[2] * c)
    i = T.bind(rules.gate(0, i))
    kept = T.bind((like(i, 1.0) - i if rules.coupled else rules.gate(0, f)) * c)
    c = T.bind(i * rules.gate(1, g) + kept)
    if x.extra:
        o = T.bind(o + x.extra[1] * c)
    return T.bind(rules.gate(0, o) * rules.activate(2, c)), c


def gru(x: Inputs, rules: Rules) -> tuple[Expr, ...]:
    """Gates z, r, h, the reset after the product. Extra: the bias of the product."""
    z = rules.gate(0, x.given[0] + x.sums[0])
    r = rules.gate(0, x.given[1] + x.sums[1])
    n = rules.gate(1, r * (x.sums[2] + x.extra[0]) + x.given[2])
    return (T.bind(z * (x.state[0] - n) + n),)


def reset(x: Inputs, rules: Rules) -> tuple[Expr, ...]:
    """Gates z, r of a GRU whose reset comes before the product: z and the units that it leaves."""
    z = rules.gate(0, x.given[0] + x.sums[0])
    return z, T.bind(rules.gate(0, x.given[1] + x.sums[1]) * x.state[0])


def candidate(x: Inputs, rules: Rules) -> tuple[Expr, ...]:
    """Gate h of the same."""
    n = rules.gate(1, x.given[2] + x.sums[0])
    return (T.bind(x.state[1] * (x.state[0] - n) + n),)


def rnn(x: Inputs, rules: Rules) -> tuple[Expr, ...]:
    return (rules.gate(0, x.given[0] + x.sums[0]),)


CELLS = {
    "neoc.lstm": Cell(2, 3, (Part(4, 0, (0, 1), lstm),)),
    "neoc.gru": Cell(1, 2, (Part(3, 0, (0,), gru),)),
    "neoc.reset_gru": Cell(1, 2, (Part(2, 0, (1, 2), reset), Part(1, 2, (0,), candidate))),
    "neoc.rnn": Cell(1, 1, (Part(1, 0, (0,), rnn),)),
}
# The same in a form that takes the input itself: x [T, I] of one row, weight [I, gates * H] and
# bias [gates * H] in place of the input's share, and one direction.
TAKING_INPUT = {f"{name}_of_input": CELLS[name] for name in ("neoc.lstm", "neoc.gru")}
CELLS |= TAKING_INPUT
