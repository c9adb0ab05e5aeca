"""compiler/kernels/rows.py: softmax and layer normalisation."""

import numpy as np
import pytest
from tvm import relax

from tests.compiler.kernels.harness import NARROW, check, values

R = relax.op
Array = np.ndarray
SHAPE = (2, 3, 5, 19)


def softmax(x: Array, axis: int) -> Array:
    powers = np.exp(x.astype(np.float64) - x.max(axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis, keepdims=True))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_softmax_along_any_axis(axis: int) -> None:
    x = values(SHAPE)
    want = softmax(x, axis)
    check(lambda a: (R.nn.softmax(a, axis), R.nn.log_softmax(a, axis)), [x], want, np.log(want))


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_softmax_of_other_types(dtype: str) -> None:
    x = values(SHAPE, dtype)
    check(
        lambda a: (R.nn.softmax(a, 1), R.nn.softmax(a, -1), R.nn.log_softmax(a, -1)),
        [x],
        softmax(x, 1),
        softmax(x, -1),
        np.log(softmax(x, -1)),
        profiles=[NARROW],
    )


def test_minus_infinity_has_no_share() -> None:
    x = np.array([[1, -np.inf, 2], [88, 89, 90]], np.float32)
    check(lambda a: R.nn.softmax(a, -1), [x], softmax(x, -1))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_layer_norm(dtype: str) -> None:
    x, gamma, beta = values(SHAPE, dtype), values((5, 19), dtype, 1), values((5, 19), dtype, 2)
    wide = x.astype(np.float64)
    centred = wide - wide.mean((2, 3), keepdims=True)
    normal = centred / np.sqrt(wide.var((2, 3), keepdims=True) + 1e-5)
    check(
        lambda a, g, b: R.nn.layer_norm(a, g, b, axes=[-2, -1], epsilon=1e-5),
        [x, gamma, beta],
        normal * gamma.astype(np.float64) + beta.astype(np.float64),
        tolerance=1e-5 if dtype == "float32" else None,
    )


def test_a_row_of_one_element() -> None:
    x, gamma, beta = values((3, 1)), values((1,), seed=1), values((1,), seed=2)

    def emit(a: relax.Var) -> relax.Expr:
        return R.nn.layer_norm(a, relax.const(gamma), relax.const(beta), axes=[-1])

    check(emit, [x], np.broadcast_to(beta, (3, 1)))
