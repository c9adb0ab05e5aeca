"""A padded value, the node that takes it, and what every rule needs of both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import (
    Builder,
    Lengths,
    R,
    Value,
    dtype,
    rank,
    shape,
)
from frontends.onnx.graph import NARROW, WIDE, Node

Given: TypeAlias = Value | None


@dataclass(frozen=True)
class Operator:
    """A node some of whose inputs are padded. plain: what it makes of tensors of a known size."""

    b: Builder
    node: Node
    plain: Callable[[Sequence[Given]], Sequence[Value]]

    def attribute(self, name: str, default: Any) -> Any:
        return self.node.attributes.get(name, default)

    def made(self, inputs: Sequence[Given], lengths: Lengths) -> list[Value]:
        """The same padding in every result."""
        return [self.b.padded(v, lengths) for v in self.plain(inputs)]


Rule: TypeAlias = Callable[..., Sequence[Value]]


def is_padded(b: Builder, value: Value | list[Value] | None) -> bool:
    return any(map(b.lengths, value)) if isinstance(value, list) else bool(b.lengths(value))


def bounds(b: Builder, value: Given) -> tuple[Given, list[Any]]:
    """Sizes at their upper bounds, and what they are; a value of another kind as it is."""
    elements = b.elements(value)
    if elements is None:
        return value, []
    bounds = np.array([b.bound(e) for e in elements.flat], np.int64)
    return bounds.reshape(elements.shape), list(elements.flat)


def lengths_among(sizes: Sequence[Any]) -> dict[int, Value]:
    return {n: e for n, e in enumerate(sizes) if not isinstance(e, int)}


def seen(b: Builder, x: Value, fill: float | bool = 0) -> Value:
    """x with `fill` behind its lengths."""
    if (kind := dtype(x)) in NARROW and b.lengths(x):
        wide = b.padded(b.cast(x, WIDE[kind]), b.lengths(x))
        return b.cast(seen(b, wide, fill), kind)
    value = np.asarray(fill).astype(dtype(x))
    for axis, length in b.lengths(x).items():
        place = np.arange(shape(x)[axis]).reshape([-1] + [1] * (rank(x) - axis - 1))
        x = b(R.where, b(R.less, place, length), x, value)
    return x


def sizes(b: Builder, x: Value) -> Value:
    """The shape that is to be seen, int64 [rank]."""
    lengths = b.lengths(x)
    parts: list[Value] = [
        b.reshape(lengths[axis], (1,)) if axis in lengths else np.array([extent])
        for axis, extent in enumerate(shape(x))
    ]
    return b.concat(parts, 0) if len(parts) > 1 else parts[0]


def lowest(kind: str) -> float | int | bool:
    if "float" in kind:
        return -math.inf
    return False if kind == "bool" else int(np.iinfo(kind).min)


def highest(kind: str) -> float | int | bool:
    if "float" in kind:
        return math.inf
    return True if kind == "bool" else int(np.iinfo(kind).max)


def refuse(why: str) -> ModelError:
    return ModelError(f"one of its inputs has a size that only the data decide: {why}")


def same(found: dict[int, Value], axis: int, length: Value) -> None:
    """Two lengths of one axis must be one value."""
    if found.setdefault(axis, length) is not length:
        raise refuse("another one has another such size along the same axis")


def beside(o: Operator, x: Value, *axes: int) -> None:
    if clash := o.b.lengths(x).keys() & set(axes):
        raise refuse(f"it works along that axis, {min(clash)}")


def only(o: Operator, padded: int | Sequence[int], inputs: Sequence[Given]) -> None:
    allowed = {padded} if isinstance(padded, int) else set(padded)
    for n, value in enumerate(inputs):
        if n not in allowed and o.b.lengths(value):
            raise refuse(f"it cannot be '{o.node.inputs[n]}'")
