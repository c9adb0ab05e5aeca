"""Operators along one axis against ONNX Runtime or the reference evaluator."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model, ModelError

Agrees = Callable[..., Model]

CASES = [
    ("float[3,5] x", "y = CumProd(x, a)", {"a": 1}, 26),
    ("float[4,3] x", "y = CumProd<exclusive=1, reverse=1>(x, a)", {"a": -2}, 26),
    ("float[4,3,2] x", "y = ReverseSequence(x, l)", {"l": [1, 4, 2]}, 17),
    ("float[3,4] x", "y = ReverseSequence<batch_axis=0, time_axis=1>(x, l)", {"l": [4, 1, 3]}, 17),
    ("float[2,3,6,4] x, float[2,3,2,4] u", "y = TensorScatter(x, u, w)", {"w": [3, 0]}, 24),
    ("float[2,6,4] x, float[2,3,4] u", 'y = TensorScatter<mode="circular">(x, u, w)',
     {"w": [4, 5]}, 24),
    ("float[2,3,5,5] x", "y = Det(x)", {}, 22),
    ("float[1,1] x", "y = Det(x)", {}, 22),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "node", "constants", "opset"), CASES)
def test_ranged(
    agrees: Agrees, inputs: str, node: str, constants: dict[str, object], opset: int
) -> None:
    agrees(f"g ({inputs}) => (float[] y) {{ {node} }}", opset, **constants)


def test_a_singular_matrix_has_the_determinant_zero(agrees: Agrees) -> None:
    feeds = {"x": np.array([[0, 1, 2], [0, 3, 4], [0, 5, 6]], np.float32)}
    agrees("g (float[3,3] x) => (float y) { y = Det(x) }", 22, feeds=feeds)


def test_a_large_determinant_is_refused(load: Agrees) -> None:
    with pytest.raises(ModelError, match="matrices of 40 x 40"):
        load("g (float[40,40] x) => (float y) { y = Det(x) }", 22)
