"""compiler/kernels/resampling.py: tables of elements and weights, against the definitions."""

import numpy as np
import pytest
from tvm import relax

from compiler.kernels.resampling import Sampling
from compiler.passes.rewriter import own


def sampling(
    method: str, coordinates: str = "half_pixel", rounding: str = "", exclude: bool = False
) -> Sampling:
    return Sampling(method, coordinates, rounding, -0.75, exclude)


@pytest.mark.parametrize("method", ["linear", "cubic"])
@pytest.mark.parametrize("mode", ["half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize(("length", "output"), [(4, 7), (7, 4), (5, 5), (1, 3)])
def test_weights_share_a_whole(method: str, mode: str, length: int, output: int) -> None:
    places, weights = sampling(method, mode).table(length, output)
    assert weights is not None
    assert places.shape == weights.shape == (output, 2 if method == "linear" else 4)
    assert places.min() >= 0 and places.max() < length
    np.testing.assert_allclose(weights.sum(axis=1), 1)


@pytest.mark.parametrize("method", ["linear", "cubic"])
def test_the_same_size_is_the_identity(method: str) -> None:
    places, weights = sampling(method).table(5, 5)
    assert weights is not None
    np.testing.assert_allclose((np.arange(5.0)[places] * weights).sum(axis=1), np.arange(5))


def test_a_line_stays_a_line() -> None:
    places, weights = sampling("linear", "align_corners").table(3, 6)
    assert weights is not None
    np.testing.assert_allclose((np.arange(3.0)[places] * weights).sum(axis=1), np.linspace(0, 2, 6))


@pytest.mark.parametrize(
    ("mode", "rounding", "expected"),
    [
        ("asymmetric", "floor", [0, 0, 1, 1, 2, 2]),
        ("half_pixel", "round_prefer_floor", [0, 0, 1, 1, 2, 2]),
        ("align_corners", "ceil", [0, 1, 1, 2, 2, 2]),
    ],
)
def test_nearest(mode: str, rounding: str, expected: list[int]) -> None:
    places, weights = sampling("nearest_neighbor", mode, rounding=rounding).table(3, 6)
    assert weights is None
    assert places.ravel().tolist() == expected


def test_excluded_weights_go_to_the_others() -> None:
    _, weights = sampling("cubic", exclude=True).table(4, 8)
    assert weights is not None
    assert weights[0, 0] == 0  # it lies outside
    np.testing.assert_allclose(weights.sum(axis=1), 1)


@pytest.mark.parametrize(
    "unknown",
    [
        sampling("linear", "tf_crop_and_resize"),
        sampling("area"),
        sampling("nearest_neighbor", rounding="stochastic"),
    ],
)
def test_what_has_no_table(unknown: Sampling) -> None:
    assert not unknown.is_known


def test_it_travels_with_a_call() -> None:
    known = sampling("cubic", "asymmetric", "floor", True)
    x = relax.Var("x", relax.TensorType((1, 2, 3, 4), "float32"))
    call = own("neoc.resize", [x, *known.arguments], (1, 2, 6, 8), "float32")
    assert Sampling.of(call) == known
