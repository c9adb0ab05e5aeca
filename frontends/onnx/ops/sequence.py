"""Sequences, whose lengths are known when the model is compiled: lists of values, and no kernels.

An optional value is that value, or nothing, which is `ABSENT`.
"""

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import Builder, Table, Value, axis_of, integers, rank, shape
from frontends.onnx.graph import Array

ABSENT: list[Value] = []  # told from an empty sequence by being this very object


def construct(b: Builder, *inputs: Value) -> list[Value]:
    return list(inputs)


def empty(b: Builder, *, dtype: int = 1) -> list[Value]:
    return []


def _position(values: list[Value], position: Value | None, slots: int) -> int:
    """From the front; the last of `slots` where none is given."""
    if position is None:
        return slots - 1
    at = integers(position, "position")[0]
    if not -len(values) <= at < slots:
        raise ModelError(f"position {at} is outside a sequence of {len(values)}")
    return at + len(values) if at < 0 else at


def at(b: Builder, values: list[Value], position: Value) -> Value:
    return values[_position(values, position, len(values))]


def erase(b: Builder, values: list[Value], position: Value | None = None) -> list[Value]:
    gone = _position(values, position, len(values))
    return values[:gone] + values[gone + 1 :]


def insert(
    b: Builder, values: list[Value], value: Value, position: Value | None = None
) -> list[Value]:
    before = _position(values, position, len(values) + 1)
    return [*values[:before], value, *values[before:]]


def length(b: Builder, values: list[Value]) -> Array:
    return np.asarray(len(values), np.int64)


def concat_from(b: Builder, values: list[Value], *, axis: int, new_axis: int = 0) -> Value:
    if not values:
        raise ModelError("an empty sequence cannot be joined")
    parts = values
    axis = axis_of(axis, rank(values[0]) + new_axis)
    if new_axis:
        parts = [b.reshape(v, (*shape(v)[:axis], 1, *shape(v)[axis:])) for v in values]
    return parts[0] if len(parts) == 1 else b.concat(parts, axis)


def split_to(
    b: Builder, x: Value, split: Value | None = None, *, axis: int = 0, keepdims: int = 1
) -> list[Value]:
    """Into the given sizes; one number is the size of each but the last."""
    axis = axis_of(axis, rank(x))
    total = shape(x)[axis]
    sizes = [1] if split is None else integers(split, "split")
    if split is None or rank(split) == 0:
        if sizes[0] < 1:
            raise ModelError("split must be positive")
        sizes = [min(sizes[0], total - i) for i in range(0, total, sizes[0])]
    if sum(sizes) != total:
        raise ModelError(f"parts of {sizes} do not make up the {total} of axis {axis}")
    parts = list(b.split(x, sizes, axis))
    if split is None and not keepdims:
        parts = [b.reshape(p, (*shape(p)[:axis], *shape(p)[axis + 1 :])) for p in parts]
    return parts


def optional(b: Builder, value: Value | None = None, *, type: object = None) -> Value:
    return ABSENT if value is None else value


def has_element(b: Builder, value: Value | None = None) -> Array:
    return np.asarray(value is not None and value is not ABSENT)


def get_element(b: Builder, value: Value) -> Value:
    if value is ABSENT:
        raise ModelError("an optional value without an element is read")
    return value


OPS: Table = {
    "ConcatFromSequence": concat_from,
    "Optional": optional,
    "OptionalGetElement": get_element,
    "OptionalHasElement": has_element,
    "SequenceAt": at,
    "SequenceConstruct": construct,
    "SequenceEmpty": empty,
    "SequenceErase": erase,
    "SequenceInsert": insert,
    "SequenceLength": length,
    "SplitToSequence": split_to,
}
