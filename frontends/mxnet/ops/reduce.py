"""Reductions and products."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from frontends.model import ModelError
from frontends.mxnet.attributes import Ints
from frontends.mxnet.graph import Graph, Table, Value
from frontends.mxnet.ops.elementwise import element_type

Reduction = Callable[[Graph, Value, list[int], bool], Value]


def _axes(data: Value, axis: Ints | None, exclude: bool) -> list[int]:
    """() is all, as None is."""
    named = {data.axis(a) for a in axis or ()}
    if not named:
        return list(range(data.rank))
    return [a for a in range(data.rank) if (a in named) != exclude]


def reduction(kind: str) -> Callable[..., Value]:
    def operator(
        g: Graph,
        data: Value,
        *,
        axis: Ints | None = None,
        keepdims: bool = False,
        exclude: bool = False,
    ) -> Value:
        return _reduced(g, kind, data, _axes(data, axis, exclude), keepdims)

    return operator


def _reduced(g: Graph, kind: str, x: Value, axes: list[int], kept: bool) -> Value:
    """MXNet has no tensors without axes."""
    if not axes:
        return x
    y = g(kind, x, axes, keepdims=int(kept))
    return g.reshape(y, y.shape or (1,))


def without_nan(kind: str, instead: float) -> Callable[..., Value]:
    plain = reduction(kind)

    def operator(
        g: Graph,
        data: Value,
        *,
        axis: Ints | None = None,
        keepdims: bool = False,
        exclude: bool = False,
    ) -> Value:
        numbers = g("Where", g("IsNaN", data), np.array(instead, data.dtype), data)
        return plain(g, numbers, axis=axis, keepdims=keepdims, exclude=exclude)

    return operator


def norm(
    g: Graph,
    data: Value,
    *,
    ord: int = 2,
    axis: Ints | None = None,
    out_dtype: str | None = None,
    keepdims: bool = False,
) -> Value:
    if ord not in (1, 2) or out_dtype not in (None, data.dtype):
        raise ModelError(f"a norm of order {ord} as {out_dtype} is not supported")
    return _reduced(g, f"ReduceL{ord}", data, _axes(data, axis, False), keepdims)


def moments(
    g: Graph, data: Value, *, axes: Ints | None = None, keepdims: bool = False
) -> Sequence[Value]:
    places = _axes(data, axes, False)
    mean = _reduced(g, "ReduceMean", data, places, True)
    away = g("Sub", data, mean)
    variance = _reduced(g, "ReduceMean", g("Mul", away, away), places, keepdims)
    return _reduced(g, "ReduceMean", data, places, keepdims), variance


def cumsum(g: Graph, a: Value, *, axis: int | None = None, dtype: str | None = None) -> Value:
    x = g.reshape(a, (int(np.prod(a.shape)),)) if axis is None else a
    if dtype is not None:
        x = g.cast(x, element_type(dtype))
    return g("CumSum", x, np.array(x.axis(axis or 0)))


# --- products


def _turned(g: Graph, x: Value, last_two: bool) -> Value:
    """The first axis behind all others, or the last two swapped."""
    if last_two:
        return g.transpose(x, (*range(x.rank - 2), x.rank - 1, x.rank - 2))
    return g.transpose(x, (*range(1, x.rank), 0))


def dot(
    g: Graph,
    lhs: Value,
    rhs: Value,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    forward_stype: str | None = None,
) -> Value:
    """Over the last axis of the one, the first of the other."""
    a = _turned(g, lhs, False) if transpose_a else lhs
    b = g.transpose(rhs, (rhs.rank - 1, *range(rhs.rank - 1))) if transpose_b else rhs
    if a.shape[-1] != b.shape[0]:
        raise ModelError(f"{list(lhs.shape)} and {list(rhs.shape)} do not fit")
    rows = g.reshape(a, (int(np.prod(a.shape[:-1])), a.shape[-1]))
    columns = g.reshape(b, (b.shape[0], int(np.prod(b.shape[1:]))))
    return g.reshape(g("MatMul", rows, columns), (*a.shape[:-1], *b.shape[1:]) or (1,))


def batch_dot(
    g: Graph,
    lhs: Value,
    rhs: Value,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    forward_stype: str | None = None,
) -> Value:
    a = _turned(g, lhs, True) if transpose_a else lhs
    b = _turned(g, rhs, True) if transpose_b else rhs
    return g("MatMul", a, b)


def linalg_gemm2(
    g: Graph,
    A: Value,
    B: Value,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    axis: int = -2,
) -> Value:
    if axis != -2:
        raise ModelError(f"the axis {axis} is not supported")
    y = batch_dot(g, A, B, transpose_a=transpose_a, transpose_b=transpose_b)
    return y if alpha == 1 else g("Mul", y, alpha)


# --- attention whose queries, keys and values lie side by side: [steps, batch, heads * parts * d]


def _heads(g: Graph, x: Value, heads: int, part: int, parts: int) -> Value:
    """[batch * heads, steps, d]"""
    steps, batch, width = x.shape
    if heads < 1 or width % (heads * parts):
        raise ModelError(f"{width} features are not split in {heads} heads")
    each = width // (heads * parts)
    split = g.reshape(x, (steps, batch * heads, parts, each))
    one = g.reshape(g.slice(split, 2, part, part + 1), (steps, batch * heads, each))
    return g.transpose(one, (1, 0, 2))


def _scores(g: Graph, queries: Value, keys: Value) -> Value:
    scaled = g("Mul", queries, queries.shape[-1] ** -0.5)
    return g("MatMul", scaled, g.transpose(keys, (0, 2, 1)))


def _joined(g: Graph, attention: Value, values: Value, batch: int) -> Value:
    y = g.transpose(g("MatMul", attention, values), (1, 0, 2))
    return g.reshape(y, (y.shape[0], batch, y.shape[1] * y.shape[2] // batch))


def selfatt_qk(g: Graph, queries_keys_values: Value, *, heads: int) -> Value:
    parts = [_heads(g, queries_keys_values, heads, n, 3) for n in range(2)]
    return _scores(g, parts[0], parts[1])


def selfatt_valatt(g: Graph, queries_keys_values: Value, attention: Value, *, heads: int) -> Value:
    values = _heads(g, queries_keys_values, heads, 2, 3)
    return _joined(g, attention, values, queries_keys_values.shape[1])


def encdec_qk(g: Graph, queries: Value, keys_values: Value, *, heads: int) -> Value:
    return _scores(g, _heads(g, queries, heads, 0, 1), _heads(g, keys_values, heads, 0, 2))


def encdec_valatt(g: Graph, keys_values: Value, attention: Value, *, heads: int) -> Value:
    return _joined(g, attention, _heads(g, keys_values, heads, 1, 2), keys_values.shape[1])


OPS: Table = {
    "_contrib_interleaved_matmul_encdec_qk": encdec_qk,
    "_contrib_interleaved_matmul_encdec_valatt": encdec_valatt,
    "_contrib_interleaved_matmul_selfatt_qk": selfatt_qk,
    "_contrib_interleaved_matmul_selfatt_valatt": selfatt_valatt,
    "_linalg_gemm2": linalg_gemm2,
    "batch_dot": batch_dot,
    "cumsum": cumsum,
    "dot": dot,
    "linalg_gemm2": linalg_gemm2,
    "max": reduction("ReduceMax"),
    "max_axis": reduction("ReduceMax"),
    "mean": reduction("ReduceMean"),
    "min": reduction("ReduceMin"),
    "min_axis": reduction("ReduceMin"),
    "moments": moments,
    "nanprod": without_nan("ReduceProd", 1.0),
    "nansum": without_nan("ReduceSum", 0.0),
    "norm": norm,
    "prod": reduction("ReduceProd"),
    "sum": reduction("ReduceSum"),
    "sum_axis": reduction("ReduceSum"),
}
