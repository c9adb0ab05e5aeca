"""compiler/kernels/columns.py: softmax along an axis that is not the last."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import relax

from tests.compiler.kernels.harness import NARROW, check, values

R = relax.op
Array = np.ndarray


def softmax(x: Array, axis: int) -> Array:
    powers = np.exp(x.astype(np.float64) - x.max(axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis, keepdims=True))


def both(x: Array, axis: int) -> list[str]:
    want = softmax(x, axis)
    return check(
        lambda a: (R.nn.softmax(a, axis), R.nn.log_softmax(a, axis)), [x], want, np.log(want)
    )


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((1, 21, 33, 33), 1),
        ((2, 3, 5, 19), 1),
        ((3, 5, 17), 0),
        ((2, 7, 3, 16), 2),
        ((1, 1, 4, 4), 1),
        ((2, 2, 64, 64), 1),
        ((1, 1000, 5, 5), 1),
    ],
)
def test_along_an_axis(shape: tuple[int, ...], axis: int) -> None:
    assert set(both(values(shape), axis)) == {"columns"}


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 9), min_size=3, max_size=3), st.integers(16, 70), st.integers(0, 2))
def test_any_shape(outer: list[int], inner: int, axis: int) -> None:
    both(values((*outer, inner)), axis)


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_other_types(dtype: str) -> None:
    x = values((2, 5, 3, 19), dtype)
    want = softmax(x, 1)
    check(
        lambda a: (R.nn.softmax(a, 1), R.nn.log_softmax(a, 1)),
        [x],
        want,
        np.log(want),
        profiles=[NARROW],
    )


def test_what_is_fused_around_it() -> None:
    """A bias of each channel, one of each row, and a mask of the result."""
    x, bias, rows, mask = values((2, 5, 6, 19)), values((5, 1, 1)), values((6, 1)), values((19,))
    want = softmax(x.astype(np.float64) * rows + bias, 1) * mask

    def emit(a: relax.Var) -> relax.Expr:
        emit = relax.BlockBuilder.current().emit
        scaled = emit(R.multiply(a, relax.const(rows)))
        shares = emit(R.nn.softmax(emit(R.add(scaled, relax.const(bias))), 1))
        return R.multiply(shares, relax.const(mask))

    assert check(emit, [x], want) == ["columns"]


def test_infinite_and_missing_numbers() -> None:
    x = values((2, 4, 20))
    x[0, 1, 3], x[1, 0, 5], x[1, :, 7] = -np.inf, np.nan, 88
    check(lambda a: R.nn.softmax(a, 1), [x], softmax(x, 1))
