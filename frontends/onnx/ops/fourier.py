"""Fourier transforms as products with constant matrices, complex ones halved before."""

import math

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
    size,
)
from frontends.onnx.graph import Array

LEAST = 8  # a transform that is not worth halving


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
    rows = math.prod(lead)
    if parts == 2 and used == length and not onesided:
        y = _halved(b, b.reshape(moved, (rows, used, parts)), inverse)
    else:
        flat = b.reshape(moved, (rows, used * parts))
        y = b(R.matmul, flat, _matrix(length, used, parts, inverse, onesided).astype(dtype(x)))
    y = b(R.multiply, y, 1 / length) if inverse else y
    made = 1 if inverse and onesided else 2
    y = b.reshape(y, (*lead, size(y) // (rows * made), made))
    return b.transpose(y, [order.index(a) for a in range(rank(x))])


def _halved(b: Builder, x: Value, inverse: bool) -> Value:
    """x [rows, n, 2], all of it complex, without the inverse's share. The sums of what lies n / 2
    apart give the even frequencies, the differences, turned, the odd ones.
    """
    rows, length, _ = shape(x)
    if length % 2 or length <= LEAST:
        weights = _matrix(length, length, 2, inverse, False).astype(dtype(x))
        return b.reshape(b(R.matmul, b.reshape(x, (rows, 2 * length)), weights), shape(x))
    half = length // 2
    first, second = b.split(x, [half, half], 1)
    apart = b(R.subtract, first, second)
    cos, sin = (w[:, 1:2].astype(dtype(x)) for w in _waves(half, 2, length, inverse))
    crossed = b(R.multiply, b.take(apart, np.array([1, 0]), 2), np.concatenate([-sin, sin], 1))
    turned = b(R.add, b(R.multiply, apart, cos), crossed)
    both = _halved(b, b.concat([b(R.add, first, second), turned], 0), inverse)
    return b.reshape(b.transpose(b.reshape(both, (2, rows, half, 2)), (1, 2, 0, 3)), shape(x))


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
    frame = _optional(length, "frame_length")
    if frame is None:
        frame = shape(signal)[1] if window is None else shape(window)[0]
    hop = integers(step, "frame_step")[0]
    if window is not None and shape(window) != (frame,):
        raise ModelError(f"a window {shape(window)} does not fit frames of {frame}")
    if hop < 1 or frame > shape(signal)[1]:
        raise ModelError(f"frames of {frame} each {hop} do not fit {shape(signal)[1]} samples")
    starts = np.arange(0, shape(signal)[1] - frame + 1, hop)
    frames = b.take(signal, starts[:, None] + np.arange(frame), 1)
    if window is not None:
        frames = b(R.multiply, frames, b.reshape(window, (frame, 1)))
    return _dft(b, frames, frame, 2, False, bool(onesided))


OPS: Table = {"DFT": {1: dft_attribute, 20: dft}, "STFT": stft}
