"""Lazy tensors: a shape, a type and what stands at an index. Fusion is nothing but composing them.

A kernel is emitted from its output's Value: the template chooses the loops, then asks for
`at(indices)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import tvm
from tvm import tirx

Expr: TypeAlias = tvm.ir.Expr
Index = tuple[Expr, ...]

ZERO = tirx.const(0, "int32")


def element_type(expr: Expr) -> str:
    """float32 of a float32x8."""
    return str(expr.ty.dtype).split("x")[0]


def lanes_of(expr: Expr) -> int:
    return int(tvm.DataType(expr.ty.dtype).lanes)


def typed(dtype: str, lanes: int) -> str:
    """float32, 8 -> float32x8"""
    return dtype if lanes == 1 else f"{dtype}x{lanes}"


def key_of(expr: Expr) -> tuple[object, ...]:
    """What tells expressions apart: the object. Integers hash by value, whatever their type."""
    if isinstance(expr, tirx.IntImm):
        return int(expr.value), str(expr.ty.dtype)
    return (hash(expr),)


class Value:
    """`at(indices)` is remembered, so that equal requests share one expression object (see
    vector.py).
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: str, compute: Callable[[Index], Expr]
    ) -> None:
        self.shape, self.dtype = shape, dtype
        self._compute = compute
        self._known: dict[tuple[object, ...], tuple[Index, Expr]] = {}

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def at(self, indices: Index) -> Expr:
        key = tuple(key_of(i) for i in indices)  # the hash of an expression is its address
        if key not in self._known:
            self._known[key] = (
                indices,
                self._compute(indices),
            )  # keeps the indices, so the addresses, alive
        return self._known[key][1]


def stored(buffer: tirx.Buffer, shape: tuple[int, ...], dtype: str) -> Value:
    """A row-major tensor of `shape` in a flat buffer."""
    return Value(shape, dtype, lambda indices: buffer[ravel(indices, shape)])


def scalar(value: Expr, dtype: str) -> Value:
    return Value((), dtype, lambda _: value)


def ravel(indices: Index, shape: tuple[int, ...]) -> Expr:
    """Row-major position; [4, 5, 6] at (i, j, k) -> (i * 5 + j) * 6 + k."""
    flat: Expr = ZERO
    for index, extent in zip(indices, shape, strict=True):
        flat = flat * extent + index if extent > 1 else flat
    return flat


def unravel(flat: Expr, shape: tuple[int, ...]) -> Index:
    """The inverse of ravel."""
    indices: list[Expr] = []
    for axis, extent in reversed(list(enumerate(shape))):
        if extent == 1:
            indices.append(ZERO)
        elif all(e == 1 for e in shape[:axis]):
            indices.append(flat)
        else:
            indices.append(tirx.floormod(flat, extent))
            flat = tirx.floordiv(flat, extent)
    return tuple(reversed(indices))


def broadcast(value: Value, indices: Index) -> Expr:
    """The element that numpy broadcasting puts at `indices` of a shape of equal or higher rank."""
    tail = indices[len(indices) - len(value.shape) :]
    return value.at(tuple(ZERO if e == 1 else i for i, e in zip(tail, value.shape, strict=True)))
