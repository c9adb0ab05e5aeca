"""compiler/passes/find_attention.py: which calls become attention, and where it reads."""

import numpy as np
import pytest
from tvm import relax

from compiler.kernels.operators import integers, number
from compiler.kernels.workload import operator_of
from compiler.passes.find_attention import find_attention
from compiler.passes.rewriter import array_of
from tests.compiler.kernels.harness import Emit, main_of, values

R = relax.op
X = np.zeros((2, 5, 3 * 24), np.float32)
SCALE = relax.const(np.float32(0.5))


def calls(emit: Emit, *inputs: np.ndarray) -> list[relax.Call]:
    main = find_attention(main_of(emit, inputs))["main"]
    values = [b.value for b in main.body.blocks[0].bindings]
    return [v for v in values if isinstance(v, relax.Call)]


def heads(x: relax.Expr, axes: tuple[int, ...] = (0, 2, 1, 3)) -> relax.Expr:
    return R.permute_dims(R.reshape(x, (2, 5, 4, 6)), list(axes))


def parts(x: relax.Var) -> list[relax.Expr]:
    return [R.strided_slice(x, [2], [n * 24], [n * 24 + 24]) for n in range(3)]


def test_heads_of_a_joint_projection_are_read_in_place() -> None:
    def emit(x: relax.Var) -> relax.Expr:
        q, k, v = parts(x)
        scores = R.multiply(R.matmul(heads(q), R.multiply(heads(k, (0, 2, 3, 1)), SCALE)), SCALE)
        joined = R.matmul(R.nn.softmax(scores, -1), heads(v))
        return R.permute_dims(joined, [0, 2, 1, 3])

    (call,) = calls(emit, X)
    assert operator_of(call) == "neoc.attention"
    *operands, scale, sizes, views = call.args[1:]
    assert all(o.name == "x0" for o in operands) and len(operands) == 3
    assert number(scale) == 0.25
    assert integers(sizes) == [2, 4, 5, 5, 6, 6, 0]
    row = [5 * 72, 6, 72, 1]
    assert integers(views) == [0, *row, 24, *row, 48, *row]


def test_a_mask_that_selects_is_added() -> None:
    def emit(x: relax.Var, keep: relax.Var) -> relax.Expr:
        q, k, v = parts(x)
        scores = R.matmul(heads(q), heads(k, (0, 2, 3, 1)))
        scores = R.where(keep, scores, relax.const(np.float32(-np.inf)))
        return R.matmul(R.nn.softmax(scores, -1), heads(v))

    keep = np.ones((1, 1, 5, 5), bool)
    where, attention, back = calls(emit, X, keep)
    assert [operator_of(c) for c in (where, back)] == ["relax.where", "relax.permute_dims"]
    assert integers(attention.args[-1])[-5:] == [0, 0, 0, 5, 1]


@pytest.mark.parametrize("batch", [1, 2])
def test_a_mask_for_each_window_is_added_where_windows_are_an_axis(batch: int) -> None:
    windows, full = 3, (batch * 3, 4, 5, 5)
    mask = values((1, windows, 1, 5, 5))

    def emit(x: relax.Var, bias: relax.Var) -> relax.Expr:
        split = R.permute_dims(R.reshape(x, (batch * windows, 5, 3, 4, 6)), [2, 0, 3, 1, 4])
        q, k, v = (
            R.reshape(R.strided_slice(split, [0], [n], [n + 1]), (*full[:3], 6)) for n in range(3)
        )
        scores = R.add(R.matmul(q, R.permute_dims(k, [0, 1, 3, 2])), bias)
        shifted = R.add(R.reshape(scores, (batch, windows, *full[1:])), relax.const(mask))
        return R.matmul(R.nn.softmax(R.reshape(shifted, full), -1), v)

    x = np.zeros((batch * windows, 5, 72), np.float32)
    attention, _ = calls(emit, x, np.zeros((1, 4, 5, 5), np.float32))
    assert operator_of(attention) == "neoc.attention"
    (of_windows,) = (array_of(a) for a in attention.args[1:] if array_of(a) is not None)
    np.testing.assert_array_equal(
        of_windows, np.tile(mask, (batch, 1, 1, 1, 1)).reshape(-1, 1, 5, 5)
    )
    assert integers(attention.args[-1])[-10:] == [0, 25, 0, 5, 1, 0, 0, 25, 5, 1]


@pytest.mark.parametrize("value", [-1e4, 1.0])
def test_a_mask_that_leaves_something_of_the_score_stays(value: float) -> None:
    def emit(x: relax.Var, keep: relax.Var) -> relax.Expr:
        q, k, v = parts(x)
        scores = R.matmul(heads(q), heads(k, (0, 2, 3, 1)))
        scores = R.where(keep, scores, relax.const(np.float32(value)))
        return R.matmul(R.nn.softmax(scores, -1), heads(v))

    found = calls(emit, X, np.ones((1, 1, 5, 5), bool))
    assert "neoc.attention" not in map(operator_of, found)


def test_products_without_softmax_stay() -> None:
    def emit(x: relax.Var) -> relax.Expr:
        q, k, v = parts(x)
        return R.matmul(R.nn.relu(R.matmul(heads(q), heads(k, (0, 2, 3, 1)))), heads(v))

    assert "neoc.attention" not in map(operator_of, calls(emit, X))


def test_half_precision_is_rounded_once() -> None:
    def emit(x: relax.Var, mask: relax.Var) -> relax.Expr:
        q, k, v = parts(x)
        scores = R.add(R.matmul(heads(q), heads(k, (0, 2, 3, 1))), mask)
        shares = R.astype(R.nn.softmax(R.astype(scores, "float32"), -1), "float16")
        return R.matmul(shares, heads(v))

    found = calls(emit, X.astype(np.float16), np.zeros((5, 5), np.float16))
    names = [operator_of(c) for c in found]
    assert names.count("neoc.attention") == 1 and "relax.matmul" not in names
    attention = found[names.index("neoc.attention")]
    assert {str(a.ty.dtype) for a in attention.args[1:5]} == {"float32"}
    assert str(found[-1].ty.dtype) == "float16"
