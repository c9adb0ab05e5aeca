"""Rows of matrix products, reductions, normalisations of rows, searches and recurrent layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.fuzz.drawing import FLOATS, Drawing, Value
from benchmarks.fuzz.elements import Row
from benchmarks.fuzz.moves import axis_of, has_axes, integers
from benchmarks.fuzz.oracle import Declined

LENGTHS = (1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 24, 31, 33)
REDUCTIONS = "Mean Sum Max Min Prod L1 L2 SumSquare LogSumExp LogSum".split()


def is_matrix(value: Value) -> bool:
    return value.dtype in FLOATS and value.rank > 1 and value.array.size > 0


def matmul(g: Drawing) -> None:
    """By a constant, as a layer has it."""
    x = g.pick(is_matrix)
    k, n = x.shape[-1], g.chance.choice(LENGTHS)
    if g.chance.random() < 0.1:
        g.node("MatMul", x, g.weight((k,), x.dtype, k))
        return
    y = g.node("MatMul", x, g.weight((k, n), x.dtype, k))
    if g.chance.random() < 0.6:
        y = g.node("Add", y, g.weight((n,), x.dtype, 1))
    if g.chance.random() < 0.4:
        g.node(g.chance.choice(["Relu", "Sigmoid", "Tanh", "Erf"]), y)


def gemm(g: Drawing) -> None:
    x = g.pick(lambda v: is_matrix(v) and v.rank == 2)
    turned, turned_too = g.chance.randint(0, 1), g.chance.randint(0, 1)
    m, k = x.shape[::-1] if turned else x.shape
    n = g.chance.choice(LENGTHS)
    w = g.weight((n, k) if turned_too else (k, n), x.dtype, k)
    shape = g.chance.choice([(n,), (1, n), (m, 1), (m, n), (1,)])
    bias = [g.constant(g.random(shape, x.dtype))] if g.chance.random() < 0.7 else []
    factors = g.chance.choice([{}, {"alpha": 0.5}, {"beta": 2.0}, {"alpha": 1.5, "beta": 0.5}])
    g.node("Gemm", x, w, *bias, transA=turned, transB=turned_too, **factors)


def batched(g: Drawing) -> None:
    """Two values, one turned if need be."""
    x = g.pick(is_matrix)
    y = g.pick(lambda v: is_matrix(v) and v.dtype == x.dtype and x.shape[-1] in v.shape[-2:])
    if y.shape[-2] != x.shape[-1]:
        last = list(range(y.rank))
        last[-2:] = last[:-3:-1]
        y = g.node("Transpose", y, perm=last)
    product = g.node("MatMul", x, y)
    g.node("Mul", product, g.constant(x.shape[-1] ** -0.5, x.dtype))


def attention(g: Drawing) -> None:
    x = g.pick(lambda v: is_matrix(v) and v.rank in (3, 4))
    parts = [
        g.node("MatMul", x, g.weight((x.shape[-1], x.shape[-1]), x.dtype, x.shape[-1]))
        for _ in range(3)
    ]
    last = [*range(x.rank - 2), x.rank - 1, x.rank - 2]
    scores = g.node("MatMul", parts[0], g.node("Transpose", parts[1], perm=last))
    scores = g.node("Mul", scores, g.constant(x.shape[-1] ** -0.5, x.dtype))
    if g.chance.random() < 0.4:
        mask = np.where(g.random(scores.shape[-2:], "bool"), 0, -50).astype(x.dtype)
        scores = g.node("Add", scores, g.constant(mask))
    g.node("MatMul", g.node("Softmax", scores, axis=-1), parts[2])


def einsum(g: Drawing) -> None:
    x = g.pick(lambda v: is_matrix(v) and v.rank < 5)
    letters = "abcd"[: x.rank]
    equation = g.chance.choice([
        f"{letters},{letters[-1]}z->{letters[:-1]}z",
        f"{letters},z{letters[0]}->z{letters[1:]}",
        f"{letters},{letters[-1]}->{letters[:-1]}",
    ])  # fmt: skip
    sizes = {**dict(zip(letters, x.shape, strict=True)), "z": g.chance.choice(LENGTHS)}
    second = equation.split(",")[1].split("->")[0]
    w = g.weight([sizes[c] for c in second], x.dtype, sizes[second[0]])
    g.node("Einsum", x, w, equation=equation)


def softmax(g: Drawing) -> None:
    x = g.pick(lambda v: v.dtype in FLOATS and v.rank > 0)
    g.node(g.chance.choice(["Softmax", "Softmax", "LogSoftmax"]), x, axis=axis_of(g, x))


def layer_norm(g: Drawing) -> None:
    x = g.pick(is_matrix)
    axis = g.chance.choice([-1, -1, x.rank - 2])
    shape = x.shape[axis:]
    scale, offset = (g.constant(g.random(shape, x.dtype)) for _ in range(2))
    if g.opset >= 17 and g.chance.random() < 0.5:
        parts = [scale, offset][: g.chance.randint(1, 2)]
        g.node("LayerNormalization", x, *parts, axis=axis, epsilon=1e-2)
        return
    away = g.node("Sub", x, mean(g, x))
    variance = mean(g, g.node("Mul", away, away))
    root = g.node("Sqrt", g.node("Add", variance, g.constant(0.01, x.dtype)))
    g.node("Add", g.node("Mul", g.node("Div", away, root), scale), offset)


def mean(g: Drawing, x: Value) -> Value:
    if g.opset >= 18:
        return g.node("ReduceMean", x, integers(g, -1))
    return g.node("ReduceMean", x, axes=[-1])


def reduction(g: Drawing) -> None:
    name = g.chance.choices(REDUCTIONS, (6, 4, 4, 3, 1, 1, 1, 1, 1, 0.5))[0]
    x = g.pick(lambda v: v.rank > 0 and v.dtype in (*FLOATS, "int32", "int64"))
    axes = g.chance.sample(range(-x.rank, 0), g.chance.randint(1, x.rank))
    if x.rank == 4 and g.chance.random() < 0.4:
        axes = [2, 3]
    if name in ("Mean", "LogSum", "LogSumExp") and (not x.array.size or x.dtype not in FLOATS):
        raise Declined  # of nothing and of integers they have no clear value
    if name == "LogSum":
        x = g.node("Add", g.node("Abs", x), g.constant(1, x.dtype))
    attributes = {} if g.chance.random() < 0.3 else {"keepdims": g.chance.randint(0, 1)}
    if g.opset >= (13 if name == "Sum" else 18):
        operands = [integers(g, axes)] if g.chance.random() < 0.9 else []
        g.node(f"Reduce{name}", x, *operands, **attributes)
    else:
        g.node(f"Reduce{name}", x, axes=axes, **attributes)


def search(g: Drawing) -> None:
    x = g.pick(lambda v: has_axes(v) and v.dtype in ("float32", "float64", "int32", "int64"))
    axis = axis_of(g, x)
    if g.chance.random() < 0.5:
        last = g.chance.randint(0, 1)
        op = g.chance.choice(["ArgMax", "ArgMin"])
        g.node(op, x, axis=axis, keepdims=g.chance.randint(0, 1), select_last_index=last)
    elif x.shape[axis]:
        k = g.chance.randint(1, x.shape[axis])
        g.several("TopK", 2, x, integers(g, k), axis=axis, largest=g.chance.randint(0, 1))


def running_sum(g: Drawing) -> None:
    x = g.pick(lambda v: has_axes(v) and v.dtype in ("float32", "float64", "int32", "int64"))
    axis = g.constant(axis_of(g, x), "int64")
    g.node("CumSum", x, axis, exclusive=g.chance.randint(0, 1), reverse=g.chance.randint(0, 1))


def recurrent(g: Drawing) -> None:
    x = g.pick(lambda v: v.dtype == "float32" and v.rank == 3 and v.array.size > 0)
    kind, gates = g.chance.choice([("LSTM", 4), ("GRU", 3), ("RNN", 1)])
    direction = g.chance.choice(["forward", "reverse", "bidirectional"])
    ways, size = 1 + (direction == "bidirectional"), g.chance.choice([1, 3, 8, 9])
    w = g.weight((ways, gates * size, x.shape[2]), x.dtype, x.shape[2])
    r = g.weight((ways, gates * size, size), x.dtype, size)
    bias = [g.weight((ways, 2 * gates * size), x.dtype, 1)] if g.chance.random() < 0.6 else []
    extra: dict[str, Any] = {"linear_before_reset": g.chance.randint(0, 1)} if kind == "GRU" else {}
    outputs = 3 if kind == "LSTM" else 2
    g.several(kind, outputs, x, w, r, *bias, hidden_size=size, direction=direction, **extra)


def one_hot(g: Drawing) -> None:
    x = g.pick(lambda v: v.dtype in ("int64", "int32") and v.rank < 4 and v.array.size < 200)
    if x.array.size and np.abs(x.array).max() > 12:
        raise Declined
    depth = g.constant(g.chance.choice([3, 8, 13]), "int64")
    g.node("OneHot", x, depth, g.constant([0, 1], "float32"), axis=g.chance.choice([-1, 0]))


ROWS: tuple[Row, ...] = (
    (8, matmul),
    (3, gemm),
    (4, batched),
    (2, attention),
    (1, einsum),
    (4, softmax),
    (4, layer_norm),
    (6, reduction),
    (2, search),
    (1, running_sum),
    (1, recurrent),
    (0.5, one_hot),
)
