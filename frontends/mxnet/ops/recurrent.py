"""The fused recurrent operator: its one vector of parameters is cut into ONNX's weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from frontends.model import ModelError
from frontends.mxnet.graph import Graph, Table, Value


class Cell(NamedTuple):
    """order: ONNX's gates by their places among MXNet's."""

    kind: str
    order: tuple[int, ...]
    activation: str | None = None


CELLS = {
    "lstm": Cell("LSTM", (0, 3, 1, 2)),  # input forget cell output -> input output forget cell
    "gru": Cell("GRU", (1, 0, 2)),  # reset update new -> update reset new
    "rnn_relu": Cell("RNN", (0,), "Relu"),
    "rnn_tanh": Cell("RNN", (0,), "Tanh"),
}


class _Vector:
    """Cuts parts off the front of the parameters."""

    def __init__(self, g: Graph, parameters: Value) -> None:
        self.g, self.whole, self.at = g, parameters, 0

    def take(self, *dims: int) -> Value:
        count = int(np.prod(dims))
        if self.at + count > self.whole.shape[0]:
            raise ModelError(f"{self.whole.shape[0]} parameters are too few")
        self.at += count
        return self.g.reshape(self.g.slice(self.whole, 0, self.at - count, self.at), dims)


def rnn(
    g: Graph,
    data: Value,
    parameters: Value,
    state: Value | None = None,
    *further: Value,
    mode: str,
    state_size: int,
    num_layers: int,
    bidirectional: bool = False,
    state_outputs: bool = False,
    p: float = 0.0,
    projection_size: int | None = None,
    lstm_state_clip_min: float | None = None,
    lstm_state_clip_max: float | None = None,
    lstm_state_clip_nan: bool = False,
    use_sequence_length: bool = False,
) -> Sequence[Value]:
    """data [steps, batch, features]; `further` is the LSTM's cell, then the lengths."""
    if mode not in CELLS:
        raise ModelError(f"the mode {mode!r} is unknown")
    if projection_size or lstm_state_clip_min is not None or lstm_state_clip_max is not None:
        raise ModelError("projections and clipped states are not supported")
    cell, sides = CELLS[mode], 2 if bidirectional else 1
    long = mode == "lstm"
    if state is None or len(further) != int(long) + int(use_sequence_length):
        raise ModelError("it lacks a state or the lengths")
    lengths = g.cast(further[-1], "int32") if use_sequence_length else None
    states = [state, *further[: int(long)]]
    weights = _weights(g, parameters, cell, (data.shape[2], state_size, num_layers, sides))
    ends: list[Sequence[Value]] = []
    y = data
    for layer, (w, r, b) in enumerate(weights):
        starts = [_start(g, s, layer * sides, sides, data.shape[1]) for s in states]
        activations = [cell.activation] * sides if cell.activation else None
        y, *last = g.several(
            2 + long, cell.kind, y, w, r, b, lengths, *starts, hidden_size=state_size,
            direction="bidirectional" if bidirectional else "forward", activations=activations,
            linear_before_reset=1 if mode == "gru" else None,
        )  # fmt: skip
        turned = g.transpose(y, (0, 2, 1, 3))
        y = g.reshape(turned, (*turned.shape[:2], sides * state_size))
        ends.append(last)
    if not state_outputs:
        return [y]
    return [y, *(g("Concat", *parts, axis=0) for parts in zip(*ends, strict=True))]


def _start(g: Graph, state: Value, first: int, sides: int, batch: int) -> Value:
    """A layer's part of a state; one whose batch was to be inferred is spread over the batch."""
    part = g.slice(state, 0, first, first + sides)
    return part if part.shape[1] == batch else g("Expand", part, [sides, batch, part.shape[2]])


def _weights(
    g: Graph, parameters: Value, cell: Cell, sizes: tuple[int, int, int, int]
) -> list[tuple[Value, Value, Value]]:
    """Of each layer: to the inputs, to the state, biases. All weights come before all biases."""
    features, units, layers, sides = sizes
    gates = len(cell.order)
    vector = _Vector(g, parameters)
    matrices: list[list[list[Value]]] = []
    for layer in range(layers):
        inputs = features if layer == 0 else units * sides
        matrices.append(
            [[vector.take(gates, units, n) for n in (inputs, units)] for _ in range(sides)]
        )
    biases = [[[vector.take(gates, units) for _ in "ir"] for _ in range(sides)] for _ in matrices]
    if vector.at != parameters.shape[0]:
        raise ModelError(f"{parameters.shape[0]} parameters, {vector.at} are needed")
    made = []
    for sides_of, biases_of in zip(matrices, biases, strict=True):
        stacked = [_stacked(g, [side[n] for side in sides_of], cell, units) for n in range(2)]
        rows = [
            g("Concat", *(_ordered(g, part, cell, units) for part in side), axis=0)
            for side in biases_of
        ]
        bias = g("Concat", *(g("Unsqueeze", row, [0]) for row in rows), axis=0)
        made.append((stacked[0], stacked[1], bias))
    return made


def _ordered(g: Graph, part: Value, cell: Cell, units: int) -> Value:
    """[gates, units, ...] -> [gates * units, ...], in ONNX's order."""
    turned = part if len(cell.order) == 1 else g("Gather", part, list(cell.order), axis=0)
    return g.reshape(turned, (len(cell.order) * units, *part.shape[2:]))


def _stacked(g: Graph, parts: Sequence[Value], cell: Cell, units: int) -> Value:
    rows = [g("Unsqueeze", _ordered(g, part, cell, units), [0]) for part in parts]
    return rows[0] if len(rows) == 1 else g("Concat", *rows, axis=0)


OPS: Table = {"RNN": rnn}
