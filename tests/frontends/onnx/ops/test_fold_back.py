"""Columns and maxima put back, against ONNX Runtime or the reference evaluator."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model

Agrees = Callable[..., Model]

COLUMNS = [
    ("1,5,5", "", [5, 5], [1, 5]),
    ("2,12,4", "<dilations=[2,1], strides=[1,2]>", [5, 8], [3, 2]),
    ("1,8,12", "<pads=[1,0,0,1]>", [4, 3], [2, 2]),
]


@pytest.mark.parametrize(("dims", "attributes", "image", "block"), COLUMNS)
def test_columns_become_an_image(
    agrees: Agrees, dims: str, attributes: str, image: list[int], block: list[int]
) -> None:
    text = f"g (float[{dims}] x) => (float[] y) {{ y = Col2Im{attributes}(x, i, k) }}"
    agrees(text, 18, i=image, k=block)


def test_maxima_go_back_to_their_places(agrees: Agrees) -> None:
    agrees(
        "g (float[1,2,4,4] x) => (float[] y) { m, i = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x)"
        " y = MaxUnpool<kernel_shape=[2,2], strides=[2,2]>(m, i) }",
        feeds={"x": np.random.default_rng(0).random((1, 2, 4, 4)).astype(np.float32)},
    )
