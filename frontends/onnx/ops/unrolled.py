"""Recurrent layers written out step by step: what no kernel computes in one call. Those are
sequences of different lengths, a GRU whose reset gate acts before the product, an LSTM with coupled
gates, and activations beyond the kernels'.
"""

from collections.abc import Callable
from dataclasses import dataclass

from frontends.model import ModelError
from frontends.onnx.builder import Builder, R, Value, shape
from frontends.onnx.ops import activation

MAX_STEPS = 64
Function = Callable[[Builder, Value], Value]

# What an activation is, and the numbers it takes with their defaults; None: they must be given.
ACTIVATIONS: dict[str, tuple[Callable[..., Value], tuple[float | None, ...]]] = {
    "sigmoid": (activation.sigmoid, ()),
    "tanh": (lambda b, x: b(R.tanh, x), ()),
    "relu": (activation.relu, ()),
    "softsign": (activation.softsign, ()),
    "softplus": (activation.softplus, ()),
    "leakyrelu": (lambda b, x, a: activation.leaky_relu(b, x, alpha=a), (0.01,)),
    "thresholdedrelu": (lambda b, x, a: activation.thresholded_relu(b, x, alpha=a), (1.0,)),
    "elu": (lambda b, x, a: activation.elu(b, x, alpha=a), (1.0,)),
    "hardsigmoid": (
        lambda b, x, alpha, beta: activation.hard_sigmoid(b, x, alpha=alpha, beta=beta),
        (0.2, 0.5),
    ),
    "affine": (lambda b, x, alpha, beta: b(R.add, b(R.multiply, x, alpha), beta), (None, None)),
    "scaledtanh": (
        lambda b, x, alpha, beta: b(R.multiply, b(R.tanh, b(R.multiply, x, beta)), alpha),
        (None, None),
    ),
}


def activations_of(
    names: tuple[str, ...], alphas: tuple[float, ...], betas: tuple[float, ...]
) -> list[Function]:
    """Each takes its numbers from the lists, in order; the lists are whole or empty."""
    numbers = []
    for what, place, given in (("alpha", 0, alphas), ("beta", 1, betas)):
        takers = [n for n in names if len(ACTIVATIONS[n][1]) > place]
        if given and takers and len(given) != len(takers):
            raise ModelError(f"activation_{what} has {len(given)} values; {len(takers)} are needed")
        known = iter(given or [ACTIVATIONS[n][1][place] for n in takers])
        numbers.append([next(known) if len(ACTIVATIONS[n][1]) > place else None for n in names])
    found = []
    for name, *pair in zip(names, *numbers, strict=True):
        made, defaults = ACTIVATIONS[name]
        found.append(_bound(name, made, pair[: len(defaults)]))
    return found


def _bound(name: str, made: Callable[..., Value], numbers: list[float | None]) -> Function:
    if None in numbers:
        raise ModelError(f"activation {name} needs activation_alpha and activation_beta")
    return lambda b, x: made(b, x, *numbers)


@dataclass(frozen=True)
class Unrolled:
    """A layer of one direction's functions after the other's. given [T, B, D * gates * H]."""

    b: Builder
    kind: str  # as the kernels are called
    given: Value
    recurrent: Value  # [D, gates * H, H]
    states: list[Value]  # h and perhaps c, each [D, B, H]
    functions: list[Function]
    clip: float
    reverse: bool
    lengths: Value | None = None  # [B]
    peepholes: Value | None = None  # [D, 3 * H]
    scaled: Value | None = None  # [D, H]: a GRU's bias inside of the reset gate's product
    input_forget: bool = False

    def run(self) -> tuple[Value, ...]:
        """y [T, D, B, H], and the last states, each [D, B, H]."""
        steps = shape(self.given)[0]
        if steps > MAX_STEPS:
            raise ModelError(
                f"{steps} steps are too many to write out; up to {MAX_STEPS} compile with lengths "
                "of sequences, GRUs with linear_before_reset 0, coupled gates or activations "
                "other than sigmoid, tanh and relu"
            )
        ways = [self._direction(d) for d in range(shape(self.recurrent)[0])]
        join = self.b.concat if len(ways) > 1 else lambda parts, axis: parts[0]
        y, *states = zip(*ways, strict=True)
        return join(y, 1), *(join(parts, 0) for parts in states)

    def _direction(self, d: int) -> tuple[Value, ...]:
        """y [T, 1, B, H], and the last states [1, B, H]."""
        b, steps = self.b, shape(self.given)[0]
        _, batch, units = shape(self.states[0])
        columns = shape(self.recurrent)[1]
        spans = [range(steps), range(batch), range(d * columns, (d + 1) * columns)]
        own = b.pick(self.given, spans)
        matrix = b.transpose(b.reshape(self._of(self.recurrent, d), (columns, units)), (1, 0))
        state = [b.reshape(self._of(s, d), (batch, units)) for s in self.states]
        rows: dict[int, Value] = {}
        for t in reversed(range(steps)) if d == 1 or self.reverse else range(steps):
            x = b.reshape(b.pick(own, [range(t, t + 1), *spans[1:2], range(columns)]),
                          (batch, columns))  # fmt: skip
            new = self._step(d, x, matrix, state)
            if self.lengths is None:
                state, row = new, new[0]
            else:
                alive = b(R.greater, b.reshape(self.lengths, (batch, 1)), t)
                state = [b(R.where, alive, n, s) for n, s in zip(new, state, strict=True)]
                row = b(R.where, alive, new[0], 0.0)
            rows[t] = b.reshape(row, (1, 1, batch, units))
        y = rows[0] if steps == 1 else b.concat([rows[t] for t in range(steps)], 0)
        return y, *(b.reshape(s, (1, batch, units)) for s in state)

    def _of(self, x: Value, d: int) -> Value:
        """What belongs to a direction; its axis stays."""
        return self.b.pick(x, [range(d, d + 1), *map(range, shape(x)[1:])])

    def _act(self, d: int, number: int, x: Value) -> Value:
        each = len(self.functions) // shape(self.recurrent)[0]
        bounded = self.b.clip(x, -self.clip, self.clip) if self.clip else x
        return self.functions[d * each + number](self.b, bounded)

    def _step(self, d: int, x: Value, matrix: Value, state: list[Value]) -> list[Value]:
        if self.kind == "neoc.gru":
            return [self._gru(d, x, matrix, state[0])]
        sums = self.b(R.add, x, self.b(R.matmul, state[0], matrix))
        return [self._act(d, 0, sums)] if self.kind == "neoc.rnn" else self._lstm(d, sums, state[1])

    def _gru(self, d: int, x: Value, matrix: Value, h: Value) -> Value:
        b, (batch, units) = self.b, shape(h)
        parts, last = [range(2 * units), range(2 * units, 3 * units)], range(units)
        gates, candidate = (b.pick(x, [range(batch), p]) for p in parts)
        of_gates, of_candidate = (b.pick(matrix, [last, p]) for p in parts)
        sums = b(R.add, gates, b(R.matmul, h, of_gates))
        z, r = b.split(self._act(d, 0, sums), [units, units], 1)
        if self.scaled is None:
            inner = b(R.matmul, b(R.multiply, r, h), of_candidate)
        else:
            product = b(R.add, b(R.matmul, h, of_candidate), self._of(self.scaled, d))
            inner = b(R.multiply, r, product)
        n = self._act(d, 1, b(R.add, candidate, inner))
        return b(R.add, n, b(R.multiply, z, b(R.subtract, h, n)))

    def _lstm(self, d: int, sums: Value, c: Value) -> list[Value]:
        b, units = self.b, shape(c)[1]
        i, o, f, g = b.split(sums, [units] * 4, 1)
        if self.peepholes is not None:
            seen = b.reshape(self._of(self.peepholes, d), (3, units))
            pi, po, pf = (b.pick(seen, [range(n, n + 1), range(units)]) for n in range(3))
            i, f = b(R.add, i, b(R.multiply, c, pi)), b(R.add, f, b(R.multiply, c, pf))
        i = self._act(d, 0, i)
        f = b(R.subtract, 1.0, i) if self.input_forget else self._act(d, 0, f)
        c = b(R.add, b(R.multiply, f, c), b(R.multiply, i, self._act(d, 1, g)))
        if self.peepholes is not None:
            o = b(R.add, o, b(R.multiply, c, po))
        each = len(self.functions) // shape(self.recurrent)[0]
        out = self.functions[d * each + 2](b, c)
        return [b(R.multiply, self._act(d, 0, o), out), c]
