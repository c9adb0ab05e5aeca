"""Recurrent layers: the input's share of all steps as one product, the steps as one call of ours.

    neoc.lstm(given [T, B, D * 4 * H], weight [D, H, 4 * H], h [D, B, H], c [D, B, H],
              peepholes [D, 3 * H] or nothing, lengths [B] or nothing,
              (reverse, last, coupled), activations..., clip)
    neoc.gru(given [T, B, D * 3 * H], weight [D, H, 3 * H], h, bias [D, H], ...)
    neoc.reset_gru(given [T, B, D * 3 * H], weight [D, H, 3 * H], h, ...)
    neoc.rnn(given [T, B, D * H], weight [D, H, H], h, ...)
    -> [T + last, D, B, H], of which the last rows are the last states

given holds both biases, but for the GRU's that the reset gate scales; the gates stand in ONNX's
order. The second direction runs from the last step to the first. An activation is its name in lower
case with its numbers behind it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import tvm
from tvm import relax, tirx

from frontends.model import ModelError
from frontends.onnx.builder import Builder, R, Table, Value, dtype, shape

DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
# The numbers that activations take, alpha and beta: defaults; None: they must be given.
ACTIVATIONS: dict[str, tuple[float | None, ...]] = {
    "affine": (None, None),
    "elu": (1.0,),
    "hardsigmoid": (0.2, 0.5),
    "leakyrelu": (0.01,),
    "relu": (),
    "scaledtanh": (None, None),
    "sigmoid": (),
    "softplus": (),
    "softsign": (),
    "tanh": (),
    "thresholdedrelu": (1.0,),
}


@dataclass(frozen=True)
class Layer:
    """What the three kinds of layer share. x [T, B, I] or, with layout 1, [B, T, I]."""

    b: Builder
    x: Value
    gates: int
    units: int
    direction: str
    layout: int

    @classmethod
    def of(cls, b: Builder, x: Value, recurrent: Value, direction: str, layout: int) -> "Layer":
        if direction not in DIRECTIONS:
            raise ModelError(f"direction '{direction}' is none of {', '.join(DIRECTIONS)}")
        _, rows, units = shape(recurrent)
        whole = b.transpose(x, (1, 0, 2)) if layout else x
        return cls(b, whole, rows // units, units, direction, layout)

    @property
    def directions(self) -> int:
        return DIRECTIONS[self.direction]

    @property
    def state(self) -> tuple[int, int, int]:
        return self.directions, shape(self.x)[1], self.units

    def given(self, weight: Value, bias: Value) -> Value:
        """The input times weight [D, gates * H, I], plus bias [D, gates * H]."""
        steps, batch, depth = shape(self.x)
        columns = self.directions * self.gates * self.units
        flat = self.b.reshape(self.x, (steps * batch, depth))
        right = self.b.reshape(self.b.transpose(weight, (2, 0, 1)), (depth, columns))
        product = self.b(R.matmul, flat, right)
        whole = self.b(R.add, product, self.b.reshape(bias, (columns,)))
        return self.b.reshape(whole, (steps, batch, columns))

    def start(self, state: Value | None) -> Value:
        if state is None:
            return np.zeros(self.state, np.float32)
        return self.b.transpose(state, (1, 0, 2)) if self.layout else state

    def outputs(
        self,
        kernel: str,
        tensors: Sequence[Value],
        states: int,
        coupled: int,
        names: Sequence[str],
        clip: float,
    ) -> Iterator[Value]:
        """Y, Y_h and, of two states, Y_c: those that somebody wants, and Y."""
        b, steps, (directions, batch, units) = self.b, shape(self.x)[0], self.state
        last = states if any(map(b.wants, range(1, states + 1))) else 0
        settings = [
            relax.ShapeExpr([int(self.direction == "reverse"), last, coupled]),
            *map(tvm.ir.StringImm, names),
            tirx.const(clip, "float32"),
        ]
        whole = b.own(kernel, [*tensors, *settings], (steps + last, *self.state), "float32")
        rest = [range(directions), range(batch), range(units)]
        y = b.pick(whole, [range(steps), *rest])
        yield b.transpose(y, (2, 0, 1, 3)) if self.layout else y
        for row in range(steps, steps + last):
            state = b.reshape(b.pick(whole, [range(row, row + 1), *rest]), self.state)
            yield b.transpose(state, (1, 0, 2)) if self.layout else state


def _biases(b: Builder, bias: Value | None, rows: tuple[int, int]) -> tuple[Value, Value]:
    """The input's and the recurrent bias, each [D, gates * H]."""
    if bias is None:
        return np.zeros(rows, np.float32), np.zeros(rows, np.float32)
    directions, width = rows
    halves = (range(width), range(width, 2 * width))
    if isinstance(bias, np.ndarray):
        return bias[:, :width], bias[:, width:]
    first, second = (b.pick(bias, [range(directions), half]) for half in halves)
    return first, second


def _sum(b: Builder, x: Value, y: Value) -> Value:
    return x + y if isinstance(x, np.ndarray) and isinstance(y, np.ndarray) else b(R.add, x, y)


def _activations(
    given: Sequence[str],
    alphas: Sequence[float],
    betas: Sequence[float],
    default: tuple[str, ...],
    directions: int,
) -> list[str]:
    """Of all directions, one after the other. Each takes its numbers from the lists, in order; the
    lists are whole or empty.
    """
    names = [name.lower() for name in given or default * directions]
    if unknown := [n for n in names if n not in ACTIVATIONS]:
        raise ModelError(f"activation {unknown[0]} is none of {', '.join(ACTIVATIONS)}")
    if len(names) != len(default) * directions:
        raise ModelError(f"{len(names)} activations; {len(default)} a direction are needed")
    found = list(names)
    for what, place, numbers in (("alpha", 0, alphas), ("beta", 1, betas)):
        takers = [n for n, name in enumerate(names) if len(ACTIVATIONS[name]) > place]
        if numbers and takers and len(numbers) != len(takers):
            raise ModelError(
                f"activation_{what} has {len(numbers)} values; {len(takers)} are needed"
            )
        for n, number in zip(takers, numbers or (None,) * len(takers), strict=False):
            number = ACTIVATIONS[names[n]][place] if number is None else number
            if number is None:
                raise ModelError(f"activation {names[n]} needs activation_{what}")
            found[n] += f" {number!r}"
    return found


def _varying(lengths: Value | None, steps: int) -> Value | None:
    """The lengths of sequences, unless they are known to be the whole one."""
    whole = isinstance(lengths, np.ndarray) and (lengths == steps).all()
    return None if whole else lengths


def _scaled_by_reset(b: Builder, bias: Value, units: int) -> tuple[Value, Value]:
    """A GRU's recurrent bias: what is added to the gates, and what the reset gate scales."""
    if isinstance(bias, np.ndarray):
        kept = np.where(np.arange(3 * units) < 2 * units, bias, np.float32(0))
        return kept, bias[:, 2 * units :]
    directions = range(shape(bias)[0])
    nothing = np.zeros((len(directions), units), np.float32)
    added = b.concat([b.pick(bias, [directions, range(2 * units)]), nothing], 1)
    return added, b.pick(bias, [directions, range(2 * units, 3 * units)])


def layer(
    kernel: str,
    default: tuple[str, ...],
    b: Builder,
    x: Value,
    weight: Value,
    recurrent: Value,
    bias: Value | None = None,
    sequence_lens: Value | None = None,
    initial_h: Value | None = None,
    initial_c: Value | None = None,
    peepholes: Value | None = None,
    *,
    hidden_size: int = 0,
    direction: str = "forward",
    layout: int = 0,
    activations: tuple[str, ...] = (),
    activation_alpha: tuple[float, ...] = (),
    activation_beta: tuple[float, ...] = (),
    clip: float = 0.0,
    input_forget: int = 0,
    linear_before_reset: int = 0,
    output_sequence: int = 0,
) -> tuple[Value, ...]:
    """LSTM (gates i, o, f, c), GRU (z, r, h) or RNN. default: the activations of one direction."""
    given = [x, weight, recurrent, bias, initial_h, initial_c, peepholes]
    kind = dtype(x)
    x, weight, recurrent, bias, initial_h, initial_c, peepholes = (
        v if v is None else b.cast(v, "float32") for v in given
    )
    made = Layer.of(b, x, recurrent, direction, layout)
    names = _activations(activations, activation_alpha, activation_beta, default, made.directions)
    first, second = _biases(b, bias, (made.directions, made.gates * made.units))
    states, rest = [made.start(initial_h)], [peepholes]
    if kernel == "neoc.lstm":
        states.append(made.start(initial_c))
    if kernel == "neoc.gru" and linear_before_reset:
        second, scaled = _scaled_by_reset(b, second, made.units)
        rest.append(scaled)
    elif kernel == "neoc.gru":
        kernel = "neoc.reset_gru"
    share = made.given(weight, _sum(b, first, second))
    rest.append(_varying(sequence_lens, shape(made.x)[0]))
    weights = b.transpose(recurrent, (0, 2, 1))
    tensors = [v for v in (share, weights, *states, *rest) if v is not None]
    outputs = made.outputs(kernel, tensors, len(states), input_forget, names, clip)
    return tuple(b.cast(value, kind) for value in outputs)


OPS: Table = {
    "GRU": partial(layer, "neoc.gru", ("Sigmoid", "Tanh")),
    "LSTM": partial(layer, "neoc.lstm", ("Sigmoid", "Tanh", "Tanh")),
    "RNN": partial(layer, "neoc.rnn", ("Tanh",)),
}
