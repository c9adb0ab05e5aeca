"""Fourier transforms as products with constant matrices."""

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import (
    Builder,
    R,
    Table,
    Value,
    affordable,
    axis_of,
    dtype,
    integers,
    rank,
    shape,
)
from frontends.onnx.graph import Array


def _waves(rows: int, columns: int, length: int, inverse: bool) -> tuple[Array, Array]:
    """cos and sin of the angles that element r of the input has in element c of the result."""
    affordable(2 * rows * columns)
    turns = np.outer(np.arange(rows), np.arange(columns)) % length
    angle = 2 * np.pi * turns / length * (1 if inverse else -1)
    return np.cos(angle), np.sin(angle)


def _matrix(length: int, used: int, parts: int, inverse: bool, onesided: bool) -> Array:
    """[used * parts, results * parts of a result]: real and imaginary parts side by side."""
    results = length // 2 + 1 if onesided and not inverse else length
    cos, sin = _waves(used, results, length, inverse)
    whole = np.zeros((used, parts, results, 2))
    whole[:, 0, :, 0], whole[:, 0, :, 1] = cos, sin
    if parts == 2:
        whole[:, 1, :, 0], whole[:, 1, :, 1] = -sin, cos
    if inverse:
        whole /= length
    if inverse and onesided:  # the missing half is the conjugate of the one given
        twice = np.full(used, 2.0)
        twice[0] = 1.0
        if length % 2 == 0 and used == length // 2 + 1:
            twice[-1] = 1.0
        whole = whole[..., :1] * twice.reshape(-1, 1, 1, 1)
    return whole.reshape(used * parts, -1)


def _dft(
    b: Builder, x: Value, length: int | None, axis: int, inverse: bool, onesided: bool
) -> Value:
    """x [..., n, ..., 1 or 2]: the last axis holds the parts of a number."""
    axis, parts = axis_of(axis, rank(x)), shape(x)[-1]
    if axis == rank(x) - 1 or parts not in (1, 2):
        raise ModelError(f"axis {axis} of {list(shape(x))} cannot be transformed")
    if length is None:
        length = 2 * (shape(x)[axis] - 1) if inverse and onesided else shape(x)[axis]
    most = length // 2 + 1 if inverse and onesided else length
    used = min(shape(x)[axis], most)
    order = [a for a in range(rank(x) - 1) if a != axis] + [axis, rank(x) - 1]
    moved = b.transpose(x, order)
    moved = b.pick(moved, [*map(range, shape(moved)[:-2]), range(used), range(parts)])
    lead = shape(moved)[:-2]
    flat = b.reshape(moved, (int(np.prod(lead)), used * parts))
    weights = _matrix(length, used, parts, inverse, onesided).astype(dtype(x))
    made = 1 if inverse and onesided else 2
    y = b.reshape(b(R.matmul, flat, weights), (*lead, weights.shape[1] // made, made))
    return b.transpose(y, [order.index(a) for a in range(rank(x))])


def _optional(value: Value | None, what: str) -> int | None:
    return None if value is None else integers(value, what)[0]


def dft_attribute(
    b: Builder,
    x: Value,
    length: Value | None = None,
    *,
    axis: int = 1,
    inverse: int = 0,
    onesided: int = 0,
) -> Value:
    return _dft(b, x, _optional(length, "dft_length"), axis, bool(inverse), bool(onesided))


def dft(
    b: Builder,
    x: Value,
    length: Value | None = None,
    axis: Value | None = None,
    *,
    inverse: int = 0,
    onesided: int = 0,
) -> Value:
    along = -2 if axis is None else integers(axis, "axis")[0]
    return _dft(b, x, _optional(length, "dft_length"), along, bool(inverse), bool(onesided))


def stft(
    b: Builder,
    signal: Value,
    step: Value,
    window: Value | None = None,
    length: Value | None = None,
    *,
    onesided: int = 1,
) -> Value:
    """signal [N, n, 1 or 2] -> [N, frames, frequencies, 2]"""
    size = _optional(length, "frame_length")
    if size is None:
        size = shape(signal)[1] if window is None else shape(window)[0]
    hop = integers(step, "frame_step")[0]
    if window is not None and shape(window) != (size,):
        raise ModelError(f"a window {shape(window)} does not fit frames of {size}")
    if hop < 1 or size > shape(signal)[1]:
        raise ModelError(f"frames of {size} each {hop} do not fit {shape(signal)[1]} samples")
    starts = np.arange(0, shape(signal)[1] - size + 1, hop)
    frames = b.take(signal, starts[:, None] + np.arange(size), 1)
    if window is not None:
        frames = b(R.multiply, frames, b.reshape(window, (size, 1)))
    return _dft(b, frames, size, 2, False, bool(onesided))


OPS: Table = {"DFT": {1: dft_attribute, 20: dft}, "STFT": stft}
