"""Windowed operators and recurrent layers by their definition, in double precision."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Pair = Sequence[int]


def _padded(x: Array, padding: Sequence[int], fill: float) -> Array:
    top, left, bottom, right = padding
    widths = ((0, 0), (0, 0), (top, bottom), (left, right))
    return np.pad(x.astype(np.float64), widths, constant_values=fill)


def _taps(x: Array, kernel: Pair, strides: Pair, dilation: Pair) -> dict[tuple[int, int], Array]:
    """For each element of the window: what it sees at every output position."""
    ends = [
        (x.shape[2 + n] - (kernel[n] - 1) * dilation[n] - 1) // strides[n] * strides[n] + 1
        for n in range(2)
    ]
    found = {}
    for ky in range(kernel[0]):
        for kx in range(kernel[1]):
            top, left = ky * dilation[0], kx * dilation[1]
            rows = slice(top, top + ends[0], strides[0])
            found[ky, kx] = x[:, :, rows, left : left + ends[1] : strides[1]]
    return found


def conv2d(
    x: Array,
    w: Array,
    strides: Pair = (1, 1),
    padding: Sequence[int] = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """x [N, C, H, W], w [O, C/groups, KH, KW]"""
    image = _padded(x, padding, 0.0)
    reach, each = w.shape[1], w.shape[0] // groups
    parts = []
    for g in range(groups):
        taps = _taps(image[:, g * reach : (g + 1) * reach], w.shape[2:], strides, dilation)
        own = w[g * each : (g + 1) * each].astype(np.float64)
        sums = [
            np.einsum("nchw,oc->nohw", seen, own[:, :, ky, kx]) for (ky, kx), seen in taps.items()
        ]
        parts.append(np.sum(sums, axis=0))
    return np.concatenate(parts, axis=1)


def conv2d_transpose(
    x: Array,
    w: Array,
    strides: Pair = (1, 1),
    padding: Sequence[int] = (0, 0, 0, 0),
    output_padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """x [N, C, H, W], w [C, O/groups, KH, KW]"""
    n, channels, *size = x.shape
    _, each, *kernel = w.shape
    full = [
        (s - 1) * t + (k - 1) * d + 1 + o
        for s, t, k, d, o in zip(size, strides, kernel, dilation, output_padding, strict=True)
    ]
    out = np.zeros((n, each * groups, *full))
    reach = channels // groups
    for g in range(groups):
        own = slice(g * reach, (g + 1) * reach)
        target = out[:, g * each : (g + 1) * each]
        for (ky, kx), seen in _taps(target, kernel, (1, 1), dilation).items():
            part = np.einsum("nchw,co->nohw", x[:, own].astype(np.float64), w[own, :, ky, kx])
            rows, columns = (
                slice(0, (s - 1) * t + 1, t) for s, t in zip(size, strides, strict=True)
            )
            seen[:, :, rows, columns] += part
    top, left, bottom, right = padding
    return out[:, :, top : full[0] - bottom, left : full[1] - right]


def pool(
    x: Array,
    kernel: Pair,
    strides: Pair = (1, 1),
    padding: Sequence[int] = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    *,
    counted: bool | None = None,
) -> Array:
    """counted: None for the maximum, else whether a mean counts the padding."""
    if counted is None:
        image = _padded(x, padding, -np.inf)
        seen = list(_taps(image, kernel, strides, dilation).values())
        return np.asarray(np.max(seen, axis=0))
    image = _padded(x, padding, 0.0)
    ones = _padded(np.ones_like(x), padding, float(counted))
    total = np.sum(list(_taps(image, kernel, strides, dilation).values()), axis=0)
    count = np.sum(list(_taps(ones, kernel, strides, dilation).values()), axis=0)
    return np.asarray(total / np.maximum(count, 1))


STATES = {"lstm": 2, "gru": 1, "reset_gru": 1, "rnn": 1}
GATES = {"lstm": 4, "gru": 3, "reset_gru": 3, "rnn": 1}
ACTIVATIONS = {"lstm": 3, "gru": 2, "reset_gru": 2, "rnn": 1}
FUNCTIONS: dict[str, Callable[..., Array]] = {
    "affine": lambda x, a, b: a * x + b,
    "elu": lambda x, a: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0))),
    "hardsigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "leakyrelu": lambda x, a: np.where(x < 0, a * x, x),
    "relu": lambda x: np.maximum(x, 0),
    "scaledtanh": lambda x, a, b: a * np.tanh(b * x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(x, 0),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanh": np.tanh,
    "thresholdedrelu": lambda x, a: np.where(x > a, x, 0),
}


@dataclass(frozen=True)
class Layer:
    """A layer of the operators neoc.lstm, neoc.gru, neoc.reset_gru and neoc.rnn. names: of
    activations with their numbers, of all directions or of each; last: so many states are rows of
    the result.
    """

    cell: str
    names: Sequence[str]
    reverse: bool = False
    last: int = 0
    coupled: bool = False
    clip: float = 0.0

    def __call__(self, tensors: Sequence[Array]) -> Array:
        lengths = tensors[-1] if tensors[-1].dtype == np.int32 else None
        floats = [t for t in tensors if t is not lengths]
        projected, weight, *rest = (t.astype(np.float64) for t in floats)
        (directions, batch, units), steps = rest[0].shape, len(projected)
        out = np.zeros((steps + self.last, directions, batch, units))
        gates, states = GATES[self.cell], STATES[self.cell]
        for d in range(directions):
            first = d * ACTIVATIONS[self.cell] % len(self.names)
            state = [rest[n][d] for n in range(states)]
            extra = [r for p in rest[states:] for r in p[d].reshape(-1, units)]
            rows = weight[d].reshape(units, gates, units).swapaxes(0, 1)
            for t in range(steps)[:: -1 if d == 1 or self.reverse else 1]:
                x = projected[t].reshape(batch, directions, gates, units)[:, d].swapaxes(0, 1)
                new = self._step(first, x, rows, state, extra)
                alive = np.full((batch, 1), True) if lengths is None else t < lengths[:, None]
                state = [np.where(alive, n, s) for n, s in zip(new, state, strict=True)]
                out[t, d] = np.where(alive, new[0], 0)
            for n in range(self.last):
                empty = False if lengths is None else lengths[:, None] <= 0
                out[steps + n, d] = np.where(empty, 0, state[n])
        return out

    def _act(self, number: int, v: Array, clip: bool = True) -> Array:
        name, *numbers = self.names[number].split()
        v = np.clip(v, -self.clip, self.clip) if clip and self.clip else v
        return FUNCTIONS[name](v, *map(float, numbers))

    def _step(
        self, first: int, x: Array, weight: Array, state: list[Array], extra: list[Array]
    ) -> list[Array]:
        """first: of the direction's activations. x [gates, batch, units]; weight [gates, units,
        units].
        """
        h, act = state[0], self._act
        a = h @ weight
        if self.cell == "rnn":
            return [act(first, x[0] + a[0])]
        if "gru" in self.cell:
            z, r = act(first, x[0] + a[0]), act(first, x[1] + a[1])
            inner = (r * h) @ weight[2] if self.cell == "reset_gru" else r * (a[2] + extra[0])
            return [(1 - z) * act(first + 1, x[2] + inner) + z * h]
        c = state[1]
        i, o, f, g = x + a
        pi, po, pf = extra or [np.zeros(1)] * 3
        i, f = act(first, i + pi * c), act(first, f + pf * c)
        c = (1 - i if self.coupled else f) * c + i * act(first + 1, g)
        return [act(first, o + po * c) * act(first + 2, c, clip=False), c]


def suppressed(
    boxes: Array, scores: Array, limit: Array, overlap: Array, threshold: Array, how: Sequence[int]
) -> Array:
    """NonMaxSuppression's boxes by image and class, in the order in which they are chosen."""
    most, centred, filtered = (int(v) for v in how)
    if centred:
        middle, half = boxes[..., :2], boxes[..., 2:] / np.float32(2)
        corners = np.concatenate([middle - half, middle + half], -1)
    else:
        low, high = boxes[..., :2], boxes[..., 2:]
        corners = np.concatenate([np.minimum(low, high), np.maximum(low, high)], -1)
    found = np.full((*scores.shape[:2], most), -1)
    for image, group in np.ndindex(*scores.shape[:2]):
        row, kept = scores[image, group], list[int]()
        for n in np.argsort(-row, kind="stable"):
            if len(kept) == min(most, limit[0]) or (filtered and not row[n] > threshold[0]):
                break
            if not any(_shared(corners[image, n], corners[image, k]) > overlap[0] for k in kept):
                kept.append(int(n))
        found[image, group, : len(kept)] = kept
    return found


def _shared(a: Array, b: Array) -> float:
    """What two boxes share of both together; 0 of an empty one."""
    sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    areas = [np.prod(c[2:] - c[:2]) for c in (a, b)]
    whole = areas[0] + areas[1] - np.prod(sides)
    return float(np.prod(sides) / whole) if min(areas) > 0 and whole > 0 else 0.0
