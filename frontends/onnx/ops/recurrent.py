"""Recurrent layers: the input's share of all steps as one product, the steps as one call of ours.

    neoc.lstm(given [T, B, D * 4 * H], weight [D, H, 4 * H], h [D, B, H], c [D, B, H],
              peepholes [D, 3 * H] or nothing, (reverse, last), activations..., clip)
    neoc.gru(given [T, B, D * 3 * H], weight [D, H, 3 * H], h, bias [D, H], ...)
    neoc.rnn(given [T, B, D * H], weight [D, H, H], h, ...)
    -> [T, D, B, H], and with `last` the last c as one step more

given holds both biases, but for the GRU's that the reset gate scales; the gates stand in ONNX's
order. The second direction runs from the last step to the first. See `unrolled` for the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import tvm
from tvm import relax, tirx

from frontends.model import ModelError
from frontends.onnx.builder import Builder, R, Table, Value, dtype, shape
from frontends.onnx.ops.unrolled import ACTIVATIONS, Unrolled, activations_of

FAST = frozenset(["sigmoid", "tanh", "relu"])  # activations that the kernels have
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


@dataclass(frozen=True)
class Layer:
    """What the three kinds of layer share. x [T, B, I] or, with layout 1, [B, T, I]."""

    b: Builder
    x: Value
    gates: int
    units: int
    direction: str
    layout: int
    clip: float

    @classmethod
    def of(
        cls,
        b: Builder,
        x: Value,
        recurrent: Value,
        direction: str,
        layout: int,
        clip: float,
    ) -> "Layer":
        if direction not in DIRECTIONS:
            raise ModelError(f"direction '{direction}' is none of {', '.join(DIRECTIONS)}")
        if dtype(x) != "float32":
            raise ModelError(f"its elements are {dtype(x)}; recurrent layers compile as float32")
        _, rows, units = shape(recurrent)
        whole = b.transpose(x, (1, 0, 2)) if layout else x
        return cls(b, whole, rows // units, units, direction, layout, clip)

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

    def run(self, name: str, operands: list[Value], names: Sequence[str], last: bool) -> Value:
        """operands: the input's share, the recurrent weight as ONNX has it, and the rest. names:
        of one direction's activations.
        """
        b, (given, weight, *rest) = self.b, operands
        tensors = [b.const(v) for v in (given, b.transpose(weight, (0, 2, 1)), *rest)]
        settings = [
            relax.ShapeExpr([int(self.direction == "reverse"), int(last)]),
            *map(tvm.ir.StringImm, names),
            tirx.const(self.clip, "float32"),
        ]
        out = relax.TensorType((shape(self.x)[0] + last, *self.state), "float32")
        return b.emit(R.call_pure_packed(name, *tensors, *settings, ty_args=out))

    def outputs(self, whole: Value) -> tuple[Value, ...]:
        """Y, Y_h, and, if `whole` has one row more than steps, Y_c."""
        b, steps, (directions, batch, units) = self.b, shape(self.x)[0], self.state
        rest = (range(batch), range(units))
        y = b.pick(whole, [range(steps), range(directions), *rest])
        made = [b.transpose(y, (2, 0, 1, 3)) if self.layout else y]
        if b.wants(1):
            first = 0 if self.direction == "reverse" else steps - 1
            ends = [(first, 0), (0, 1)][:directions]
            last = [b.pick(whole, [range(t, t + 1), range(d, d + 1), *rest]) for t, d in ends]
            joined = b.concat(last, 1) if directions > 1 else last[0]
            made.append(self._state(joined))
        if b.wants(2):
            made += [whole] * (2 - len(made))  # a place for the Y_h that nobody wants
            last_row = [range(steps, steps + 1), range(directions), *rest]
            made.append(self._state(b.pick(whole, last_row)))
        return tuple(made)

    def written_out(self, y: Value, *states: Value) -> tuple[Value, ...]:
        """The same of y and the last states."""
        first = self.b.transpose(y, (2, 0, 1, 3)) if self.layout else y
        return first, *map(self._state, states)

    def _state(self, state: Value) -> Value:
        """[1, D, B, H] as ONNX has it."""
        plain = self.b.reshape(state, self.state)
        return self.b.transpose(plain, (1, 0, 2)) if self.layout else plain


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


def _names(
    activations: tuple[str, ...], default: tuple[str, ...], directions: int
) -> tuple[str, ...]:
    """The activations of all directions, one after the other."""
    names = tuple(name.lower() for name in activations or default * directions)
    if unknown := [n for n in names if n not in ACTIVATIONS]:
        raise ModelError(f"activation {unknown[0]} is none of {', '.join(ACTIVATIONS)}")
    if len(names) != len(default) * directions:
        raise ModelError(f"{len(names)} activations; {len(default)} a direction are needed")
    return names


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
    made = Layer.of(b, x, recurrent, direction, layout, clip)
    names = _names(activations, default, made.directions)
    functions = activations_of(names, activation_alpha, activation_beta)
    lengths = _varying(sequence_lens, shape(made.x)[0])
    first, second = _biases(b, bias, (made.directions, made.gates * made.units))
    states, scaled = [made.start(initial_h)], None
    if kernel == "neoc.lstm":
        states.append(made.start(initial_c))
    if kernel == "neoc.gru" and linear_before_reset:
        second, scaled = _scaled_by_reset(b, second, made.units)
    given = made.given(weight, _sum(b, first, second))
    one = names[: len(default)]
    if (
        lengths is None
        and not input_forget
        and (scaled is not None or kernel != "neoc.gru")
        and names == one * made.directions
        and FAST.issuperset(one)
    ):
        rest = [v for v in (*states, peepholes, scaled) if v is not None]
        return made.outputs(made.run(kernel, [given, recurrent, *rest], one, b.wants(2)))
    steps = Unrolled(
        b=b,
        kind=kernel,
        given=given,
        recurrent=recurrent,
        states=states,
        functions=functions,
        clip=clip,
        reverse=direction == "reverse",
        lengths=lengths,
        peepholes=peepholes,
        scaled=scaled,
        input_forget=bool(input_forget),
    )
    return made.written_out(*steps.run())


OPS: Table = {
    "GRU": partial(layer, "neoc.gru", ("Sigmoid", "Tanh")),
    "LSTM": partial(layer, "neoc.lstm", ("Sigmoid", "Tanh", "Tanh")),
    "RNN": partial(layer, "neoc.rnn", ("Tanh",)),
}
