"""Pooling against ONNX Runtime where padding, ceil_mode and counting interact."""

from collections.abc import Callable

import pytest

from frontends.model import Model, ModelError

Agrees = Callable[..., Model]

WINDOWS = [
    ("float[1,2,7,8] x", "kernel_shape=[3,2], strides=[2,2], pads=[1,0,1,1]"),
    ("float[1,2,7,8] x", "kernel_shape=[3,3], strides=[2,2], ceil_mode=1"),
    ("float[1,2,7,8] x", "kernel_shape=[3,3], strides=[2,3], pads=[1,1,1,1], ceil_mode=1"),
    ("float[1,2,4,4] x", "kernel_shape=[2,2], strides=[3,3], pads=[1,1,1,1], ceil_mode=1"),
    ("float[1,2,7,8] x", 'kernel_shape=[2,4], strides=[2,3], auto_pad="SAME_UPPER"'),
    ("float[1,2,7,8] x", 'kernel_shape=[2,4], strides=[2,3], auto_pad="SAME_LOWER"'),
    ("float[1,2,9,8] x", 'kernel_shape=[2,3], strides=[2,2], auto_pad="SAME_UPPER", ceil_mode=1'),
    ("float[2,3,11] x", "kernel_shape=[3], strides=[2], pads=[1,1]"),
    ("float[1,2,5,6,7] x", "kernel_shape=[2,3,2], strides=[1,2,2], pads=[1,1,0,0,1,1]"),
]


@pytest.mark.parametrize(("x", "attributes"), WINDOWS)
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_pool(agrees: Agrees, op: str, x: str, attributes: str) -> None:
    agrees(f"g ({x}) => (float[] y) {{ y = {op}<{attributes}>(x) }}")


@pytest.mark.parametrize(("x", "attributes"), WINDOWS)
def test_average_that_counts_the_padding(agrees: Agrees, x: str, attributes: str) -> None:
    agrees(
        f"g ({x}) => (float[] y) {{ y = AveragePool<{attributes}, count_include_pad=1>(x) }}", 19
    )


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_a_window_larger_than_the_image_is_rounded_up_to_one(agrees: Agrees, op: str) -> None:
    window = "kernel_shape=[40,40], strides=[40,40], ceil_mode=1"
    agrees(f"g (float[1,2,2,3] x) => (float[1,2,1,1] y) {{ y = {op}<{window}>(x) }}")


def test_dilated_max_pool(agrees: Agrees) -> None:
    agrees(
        "g (float[1,2,9,9] x) => (float[] y)"
        " { y = MaxPool<kernel_shape=[3,2], dilations=[2,3], pads=[1,1,1,1]>(x) }"
    )


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
def test_global_pool(agrees: Agrees, op: str) -> None:
    agrees(f"g (float[2,3,5,7] x) => (float[2,3,1,1] y) {{ y = {op}(x) }}")


@pytest.mark.parametrize("size", [1, 3, 5])
def test_local_response(agrees: Agrees, size: int) -> None:
    agrees(f"g (float[1,7,3,5] x) => (float[] y) {{ y = LRN<size={size}, alpha=0.5>(x) }}")


def test_lp_pool(agrees: Agrees) -> None:
    agrees(
        "g (float[1,2,7,5] x) => (float[] y)"
        " { y = LpPool<kernel_shape=[3,2], p=3, pads=[1,0,1,0]>(x) }",
        tolerance=1e-3,
    )


def test_a_window_larger_than_its_input_is_refused(load: Agrees) -> None:
    with pytest.raises(ModelError, match="a window of 9 does not fit 5 elements"):
        load("g (float[1,1,5,5] x) => (float[] y) { y = MaxPool<kernel_shape=[9,9]>(x) }")


@pytest.mark.parametrize("attributes", ["strides=[2,2]", "pads=[1,0,1,1], dilations=[2,1]",
                                        "storage_order=1, ceil_mode=1, strides=[3,2]"])  # fmt: skip
def test_indices_of_maxima(agrees: Agrees, attributes: str) -> None:
    agrees(
        "g (float[2,3,6,7] x) => (float[] y, int64[] i)"
        f" {{ y, i = MaxPool<kernel_shape=[2,3], {attributes}>(x) }}"
    )
