"""compiler/kernels/contraction.py: convolutions, products and pools that no other takes."""

import numpy as np
import pytest
from tvm import relax

from tests.compiler.kernels.harness import NARROW, WIDE, Sizes, check, values
from tests.compiler.kernels.references import conv2d, conv2d_transpose, pool

R = relax.op


@pytest.mark.parametrize(
    ("case", "groups"),
    [
        (((2, 5, 7, 9), (4, 5, 3, 2), (2, 1), (1, 0, 2, 1), (1, 1)), 1),
        (((1, 6, 10, 9), (9, 2, 3, 3), (1, 2), (2, 2, 2, 2), (2, 2)), 3),
        (((1, 4, 1, 1), (4, 1, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1)), 4),
    ],
)
def test_convolutions_whose_weights_are_not_known(case: Sizes, groups: int) -> None:
    shape, weight, strides, padding, dilation = case
    x, w = values(shape), values(weight)
    sizes = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
    want = np.maximum(conv2d(x, w, strides, padding, dilation, groups), 0)
    names = check(lambda a, b: R.nn.relu(R.nn.conv2d(a, b, **sizes)), [x, w], want, tolerance=1e-5)
    assert "contraction" in names


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_convolutions_of_other_types(dtype: str) -> None:
    x, w = values((1, 3, 8, 9), dtype), values((4, 3, 3, 3), dtype)
    want = conv2d(x, w, padding=(1, 1, 1, 1))
    check(lambda a: R.nn.conv2d(a, relax.const(w, dtype), padding=1), [x], want)


@pytest.mark.parametrize("known", [True, False], ids=["constant", "computed"])
@pytest.mark.parametrize(
    ("shape", "weight", "strides", "padding", "more", "dilation", "groups"),
    [
        ((1, 3, 5, 7), (3, 4, 3, 3), (2, 2), (1, 1, 1, 1), (1, 1), (1, 1), 1),
        ((2, 6, 5, 4), (6, 3, 2, 3), (2, 3), (0, 1, 1, 0), (0, 0), (1, 1), 3),
        ((1, 8, 4, 4), (8, 1, 4, 4), (2, 2), (1, 1, 1, 1), (0, 0), (1, 1), 8),
        ((1, 4, 6, 5), (4, 4, 3, 2), (1, 2), (0, 0, 1, 1), (0, 1), (2, 1), 1),
        ((1, 3, 4, 5), (3, 2, 1, 1), (2, 2), (0, 0, 0, 0), (1, 0), (1, 1), 1),
        ((1, 4, 5, 5), (4, 2, 3, 3), (1, 1), (3, 3, 2, 2), (0, 0), (2, 2), 2),
    ],
)
def test_transposed_convolutions(
    shape: Sizes, weight: Sizes, strides: Sizes, padding: Sizes, more: Sizes,
    dilation: Sizes, groups: int, known: bool,
) -> None:  # fmt: skip
    x, w = values(shape), values(weight)
    sizes = {"strides": strides, "padding": padding, "output_padding": more, "dilation": dilation}
    want = conv2d_transpose(x, w, strides, padding, more, dilation, groups)

    def emit(a: relax.Var, *b: relax.Var) -> relax.Expr:
        return R.nn.conv2d_transpose(a, b[0] if b else relax.const(w), groups=groups, **sizes)

    check(emit, [x] if known else [x, w], want, profiles=[NARROW], tolerance=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "uint8"])
@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        ((9, 7), ((3, 3), (2, 2), (1, 1, 1, 1), (1, 1))),
        ((11, 10), ((3, 2), (1, 2), (2, 0, 1, 1), (2, 1))),
        ((50, 1), ((5, 1), (2, 1), (2, 0, 2, 0), (1, 1))),
    ],
)
def test_pools_of_few_channels(size: Sizes, sizes: Sizes, dtype: str) -> None:
    x = values((2, 2, *size), dtype)
    check(lambda a: R.nn.max_pool2d(a, *sizes), [x], pool(x, *sizes), profiles=[WIDE])
    if dtype.startswith("float"):
        for counted in (True, False):
            want = pool(x, *sizes, counted=counted)
            check(
                lambda a, counted=counted: R.nn.avg_pool2d(a, *sizes, count_include_pad=counted),
                [x],
                want,
                profiles=[NARROW],
            )


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", "int64", "int8", "uint8"])
@pytest.mark.parametrize(
    ("left", "right"), [((5, 7), (7, 9)), ((2, 1, 4, 5), (3, 5, 20)), ((4, 37), (37, 1))]
)
def test_products_of_other_types(left: Sizes, right: Sizes, dtype: str) -> None:
    x, y = values(left, dtype), values(right, dtype, 5)
    is_float = dtype.startswith("float")
    want = np.matmul(*(v.astype(np.float64) for v in (x, y))) if is_float else np.matmul(x, y)
    assert "contraction" in check(R.matmul, [x, y], want, profiles=[NARROW])
