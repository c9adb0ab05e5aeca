"""Minimal filtering F(m, r): m outputs of an r-tap correlation from m + r - 1 products.

    y = output @ ((weight @ g) * (input @ d))

for d of m + r - 1 samples and g of r taps. Toom and Cook's construction over the points 0, 1, -1,
2, -2, 1/2, -1/2 and infinity, as Lavin and Gray (CVPR 2016) use it for convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from math import prod

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.value import Expr

POINTS = tuple(Fraction(p) for p in ("0", "1", "-1", "2", "-2", "1/2", "-1/2"))
MOST = len(POINTS) + 1  # samples of a tile; more points would cost too many digits


@dataclass(frozen=True)
class Filtering:
    """The three matrices. samples: of the input and of the product."""

    outputs: int
    taps: int
    input: np.ndarray
    weight: np.ndarray
    output: np.ndarray

    @property
    def samples(self) -> int:
        return self.outputs + self.taps - 1

    @cached_property
    def input_operations(self) -> int:
        return operations(self.input)

    @cached_property
    def output_operations(self) -> int:
        return operations(self.output)


def _product(points: Sequence[Fraction], size: int) -> list[Fraction]:
    """Coefficients of the product of all (x - p), lowest first, filled up with zeros."""
    coefficients = [Fraction(1)]
    for p in points:
        shifted = [Fraction(0), *coefficients]
        coefficients = [
            s - p * c for s, c in zip(shifted, [*coefficients, Fraction(0)], strict=True)
        ]
    return coefficients + [Fraction(0)] * (size - len(coefficients))


@cache
def filtering(outputs: int, taps: int) -> Filtering:
    size = outputs + taps - 1
    points = POINTS[: size - 1]
    assert len(points) == size - 1, f"no points for {size} samples"
    others = [[q for q in points if q != p] for p in points]
    scales = [prod(p - q for q in rest) for p, rest in zip(points, others, strict=True)]
    last = [[Fraction(k == n - 1) for k in range(n)] for n in (taps, outputs)]
    rows = [[p**k / s for k in range(taps)] for p, s in zip(points, scales, strict=True)]
    columns = [[p**k for k in range(outputs)] for p in points]
    exact = (
        [*(_product(rest, size) for rest in others), _product(points, size)],
        [*rows, last[0]],
        [list(row) for row in zip(*columns, last[1], strict=True)],
    )
    matrices = [np.array(m, dtype=np.float64) for m in exact]
    return Filtering(outputs, taps, *matrices)


def product(matrix: np.ndarray, vectors: Sequence[Expr]) -> list[Expr]:
    """matrix @ vectors as variables: columns, then rows, that are equal up to signs share work."""
    vectors, matrix = list(vectors), matrix.copy()
    for a, b in _pairs(matrix.T):
        total, difference = T.bind(vectors[a] + vectors[b]), T.bind(vectors[a] - vectors[b])
        equal = matrix[:, a] == matrix[:, b]
        matrix[:, b] = np.where(equal, 0, matrix[:, a])
        matrix[:, a] = np.where(equal, matrix[:, a], 0)
        vectors[a], vectors[b] = total, difference
    results: dict[int, Expr] = {}
    for a, b in _pairs(matrix):
        equal = matrix[a] == matrix[b]
        odd = np.where(equal, 0, matrix[a])
        scale = odd[np.flatnonzero(odd)[-1]]
        same = T.bind(_combination(np.where(equal, matrix[a], 0), vectors))
        other = T.bind(_combination(odd / scale, vectors))
        results[a] = T.bind(_plus(same, scale, other))
        results[b] = T.bind(_plus(same, -scale, other))
    for n, row in enumerate(matrix):
        if n not in results:
            results[n] = T.bind(_combination(row, vectors))
    return [results[n] for n in range(len(matrix))]


def operations(matrix: np.ndarray) -> int:
    """About how many vector instructions product() takes."""
    rest = matrix.copy()
    count = 0
    for axis in (rest.T, rest):
        for a, b in _pairs(axis):
            equal = axis[a] == axis[b]
            axis[b] = np.where(equal, 0, axis[a])
            axis[a] = np.where(equal, axis[a], 0)
            count += 2
    return count + int((np.count_nonzero(rest, axis=1) - 1).clip(0).sum())


def _pairs(rows: np.ndarray) -> list[tuple[int, int]]:
    """Rows that are neither equal nor opposite, but equal up to the signs of some elements."""
    return [
        (n, n + 1)
        for n in range(len(rows) - 1)
        if np.array_equal(np.abs(rows[n]), np.abs(rows[n + 1]))
        and not np.array_equal(rows[n], rows[n + 1])
        and not np.array_equal(rows[n], -rows[n + 1])
    ]


def _combination(row: np.ndarray, vectors: Sequence[Expr]) -> Expr:
    """Terms with factor 1 first, so that each other term is one fused multiply-add."""
    terms = [int(n) for n in np.flatnonzero(row)]
    order = sorted(terms, key=lambda n: (row[n] != 1, abs(row[n]) != 1))
    first, *rest = order
    start = vectors[first]
    total = start if row[first] == 1 else start * _spread(row[first], start)
    for n in rest:
        total = _plus(total, float(row[n]), vectors[n])
    return total


def _plus(total: Expr, factor: float, vector: Expr) -> Expr:
    if abs(factor) == 1:
        return total + vector if factor == 1 else total - vector
    return total + vector * _spread(factor, vector)


def _spread(factor: float, like: Expr) -> Expr:
    lanes = int(str(like.ty.dtype).partition("x")[2] or 1)
    number = tirx.const(float(factor), "float32")
    return tirx.Broadcast(number, lanes) if lanes > 1 else number
