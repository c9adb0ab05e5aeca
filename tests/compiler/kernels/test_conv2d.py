"""compiler/kernels/conv2d.py: dense and grouped convolutions with constant weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import relax

from targets import Profile
from tests.compiler.kernels.harness import NARROW, WIDE, Sizes, check, values
from tests.compiler.kernels.references import conv2d

R = relax.op

# batch, channels, height, width, out channels, kernel, strides, padding, dilation, groups
CASES = [
    (1, 3, 9, 11, 5, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    (2, 17, 7, 13, 19, (3, 2), (2, 1), (1, 0, 2, 1), (1, 1), 1),
    (1, 6, 10, 9, 9, (3, 3), (1, 1), (2, 2, 2, 2), (2, 2), 3),
    (1, 1, 1, 1, 4, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    (1, 16, 13, 73, 24, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    (1, 8, 12, 6, 16, (5, 3), (3, 2), (2, 1, 0, 0), (1, 2), 1),
    (1, 12, 6, 6, 24, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 12),
    (1, 68, 5, 5, 34, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 2),
    (2, 34, 9, 9, 68, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 2),
    (1, 32, 6, 9, 48, (3, 3), (2, 1), (1, 1, 1, 1), (1, 1), 2),
    (1, 1, 1, 40, 3, (1, 19), (1, 2), (0, 9, 0, 9), (1, 1), 1),
]


def agrees(case: Sizes, profile: Profile, seed: int | None, dtype: str = "float32") -> list[str]:
    n, c, h, w, o, kernel, strides, padding, dilation, groups = case
    x, weight = values((n, c, h, w), dtype), values((o, c // groups, *kernel), dtype)
    sizes = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
    bias = values((1, o, 1, 1), dtype)

    def emit(a: relax.Var) -> relax.Expr:
        conv = R.nn.conv2d(a, relax.const(weight, dtype), **sizes)
        return R.nn.relu(R.add(conv, relax.const(bias, dtype)))

    want = np.maximum(conv2d(x, weight, strides, padding, dilation, groups) + bias, 0)
    return check(emit, [x], want, profiles=[profile], seeds=[seed], tolerance=1e-5)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("profile", [NARROW, WIDE], ids=["8", "16"])
def test_the_default_computes_the_definition(case: Sizes, profile: Profile) -> None:
    agrees(case, profile, None)


@pytest.mark.parametrize("case", CASES[:3], ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_points_of_the_space_compute_the_definition(case: Sizes, seed: int) -> None:
    agrees(case, (NARROW, WIDE)[seed % 2], seed)


@settings(max_examples=6, deadline=None, derandomize=True, database=None)
@given(
    channels=st.integers(1, 20),
    outputs=st.integers(1, 20),
    size=st.tuples(st.integers(3, 12), st.integers(3, 12)),
    padding=st.tuples(*[st.integers(0, 2)] * 4),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_any_sizes(
    channels: int,
    outputs: int,
    size: Sizes,
    padding: Sizes,
    strides: Sizes,
) -> None:
    agrees((1, channels, *size, outputs, (3, 3), strides, padding, (1, 1), 1), NARROW, None)


def test_a_residual_comes_along() -> None:
    x, weight = values((1, 16, 6, 7)), values((16, 16, 3, 3))

    def emit(a: relax.Var) -> relax.Expr:
        sizes = {"padding": 2, "dilation": 2}
        inside = R.nn.relu(R.nn.conv2d(a, relax.const(weight), **sizes))
        return R.nn.relu(R.add(R.nn.conv2d(inside, relax.const(weight), **sizes), a))

    same = (1, 1), (2, 2, 2, 2), (2, 2)
    inside = np.maximum(conv2d(x, weight, *same), 0)
    want = np.maximum(conv2d(inside, weight, *same) + x, 0)
    assert "conv2d" in check(emit, [x], want, tolerance=1e-5)


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("size", [(1, 40), (3, 13), (7, 7), (9, 90)])
def test_a_long_epilogue_reaches_every_pixel(size: Sizes, seed: int | None) -> None:
    x, weight = values((1, 24, *size)), values((20, 24, 1, 3)) / 5

    def emit(a: relax.Var) -> relax.Expr:
        y = R.nn.conv2d(a, relax.const(weight), padding=(0, 1))
        return R.multiply(y, R.sigmoid(y))

    y = conv2d(x, weight, padding=(0, 1, 0, 1))
    check(emit, [x], y / (1 + np.exp(-y)), seeds=[seed], tolerance=1e-4)


@pytest.mark.parametrize("profile", [NARROW, WIDE], ids=["8", "16"])
@pytest.mark.parametrize("batch", [1, 2])
def test_channels_may_lie_anywhere(profile: Profile, batch: int) -> None:
    """Shuffled, sliced and concatenated channels of several images."""
    a, b = values((11, 5, 1, 1)), values((10, 5, 3, 3))
    order, last = np.roll(np.arange(21), 4), values((7, 19, 3, 3))
    x = values((batch, 5, 6, 9))

    def emit(x: relax.Var) -> relax.Expr:
        parts = [
            R.nn.relu(R.nn.conv2d(x, relax.const(a))),
            R.nn.conv2d(x, relax.const(b), padding=1),
        ]
        whole = R.take(R.concat(parts, 1), relax.const(order), axis=1)
        return R.nn.conv2d(R.strided_slice(whole, [1], [2], [21]), relax.const(last), strides=2)

    ones = [
        conv2d(x, a, (1, 1), (0, 0, 0, 0), (1, 1), 1),
        conv2d(x, b, (1, 1), (1,) * 4, (1, 1), 1),
    ]
    whole = np.concatenate([np.maximum(ones[0], 0), ones[1]], 1)[:, order][:, 2:]
    want = conv2d(whole, last, (2, 2), (0, 0, 0, 0), (1, 1), 1)
    check(emit, [x], want, profiles=[profile], seeds=[None, 1], tolerance=1e-5)


@pytest.mark.parametrize("profile", [NARROW, WIDE], ids=["8", "16"])
@pytest.mark.parametrize("channels", [8, 11])
def test_a_gate_of_the_channels_before_it(profile: Profile, channels: int) -> None:
    a, b = values((channels, 5, 1, 1)), values((6, channels, 3, 3))
    x = values((1, 5, 9, 10))

    def emit(x: relax.Var) -> relax.Expr:
        image = R.nn.conv2d(x, relax.const(a))
        gate = R.sigmoid(R.mean(image, [2, 3], keepdims=True))
        return R.nn.conv2d(R.multiply(image, gate), relax.const(b), padding=1)

    image = conv2d(x, a, (1, 1), (0, 0, 0, 0), (1, 1), 1)
    gated = image / (1 + np.exp(-image.mean((2, 3), keepdims=True)))
    want = conv2d(gated, b, (1, 1), (1, 1, 1, 1), (1, 1), 1)
    check(emit, [x], want, profiles=[profile], seeds=[None], tolerance=1e-5)
