"""Convolutions over awkward sizes: odd, asymmetric, dilated, grouped, one-dimensional."""

from collections.abc import Callable

import pytest

from frontends.model import Model, ModelError

Agrees = Callable[..., Model]

CONV = [
    ("float[2,4,9,7] x", [6, 4, 3, 3], "pads=[1,0,2,1], strides=[2,1]"),
    ("float[1,4,9,7] x", [8, 1, 3, 2], "group=4, pads=[1,1,1,0]"),
    ("float[1,6,11,5] x", [4, 3, 2, 2], "group=2, dilations=[3,2]"),
    ("float[1,3,8,9] x", [5, 3, 4, 3], 'auto_pad="SAME_UPPER", strides=[2,2]'),
    ("float[1,3,8,9] x", [5, 3, 4, 3], 'auto_pad="SAME_LOWER", strides=[3,2]'),
    ("float[1,3,8,9] x", [5, 3, 1, 1], 'auto_pad="VALID"'),
    ("float[2,3,17] x", [4, 3, 5], "pads=[2,1], strides=[3], dilations=[2]"),
]

TRANSPOSED = [
    ("float[1,4,5,6] x", [4, 3, 3, 3], "strides=[2,2], pads=[1,1,0,1], output_padding=[1,1]"),
    ("float[1,4,5,6] x", [4, 2, 2, 2], "strides=[2,2], group=2"),
    ("float[1,2,4,3] x", [2, 3, 3, 3], "strides=[3,2], output_shape=[10,8]"),
    ("float[1,2,4,3] x", [2, 3, 3, 3], "strides=[3,2], output_shape=[11,6]"),
    ("float[1,2,4,3] x", [2, 3, 3, 3], 'strides=[2,2], auto_pad="SAME_UPPER"'),
    ("float[1,2,4,3] x", [2, 3, 3, 3], 'strides=[2,2], auto_pad="SAME_LOWER"'),
    ("float[1,2,4,3] x", [2, 1, 2, 2], "dilations=[2,3]"),
    ("float[1,2,7] x", [2, 3, 4], "strides=[3], pads=[1,2]"),
]


@pytest.mark.parametrize(("x", "kernel", "attributes"), CONV)
def test_conv(agrees: Agrees, x: str, kernel: list[int], attributes: str) -> None:
    agrees(
        f"g ({x}) => (float[] y) {{ y = Conv<{attributes}>(x, w, b) }}",
        w=tuple(kernel),
        b=tuple(kernel[:1]),
    )


@pytest.mark.parametrize(("x", "kernel", "attributes"), TRANSPOSED)
def test_conv_transpose(agrees: Agrees, x: str, kernel: list[int], attributes: str) -> None:
    agrees(f"g ({x}) => (float[] y) {{ y = ConvTranspose<{attributes}>(x, w) }}", w=tuple(kernel))


def test_the_kernel_may_be_computed(agrees: Agrees) -> None:
    agrees("g (float[1,3,6,6] x, float[2,3,3,3] w) => (float[] y) { v = Relu(w) y = Conv(x, v) }")


VOLUMES = [
    ("Conv<strides=[2,1,2], pads=[1,0,1,0,1,1], dilations=[1,2,1]>", (3, 2, 3, 2, 2), (3,)),
    ("Conv<group=2>", (4, 1, 2, 2, 1), (4,)),
    ("ConvTranspose<strides=[2,1,3], pads=[1,0,1,0,1,0], output_padding=[1,0,2]>",
     (2, 3, 3, 2, 2), (3,)),
    ("ConvTranspose<group=2, dilations=[2,1,1]>", (2, 2, 2, 2, 1), (4,)),
]  # fmt: skip


@pytest.mark.parametrize(("op", "kernel", "bias"), VOLUMES)
def test_volumes(agrees: Agrees, op: str, kernel: tuple[int, ...], bias: tuple[int, ...]) -> None:
    text = f"g (float[1,2,4,5,4] x) => (float[] y) {{ y = {op}(x, w, b) }}"
    agrees(text, 17, w=kernel, b=bias)


def test_a_kernel_of_another_rank_is_refused(load: Agrees) -> None:
    with pytest.raises(ModelError, match=r"a kernel \(1, 1, 2\) does not fit an input"):
        load("g (float[1,1,4,4,4] x) => (float[] y) { y = Conv(x, w) }", w=(1, 1, 2))
