"""compiler/passes/resampling.py: tables of elements and weights, against the definitions."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from compiler.passes.resampling import table


def attributes(method: str, mode: str = "half_pixel", **others: object) -> Any:
    usual = {"rounding_method": "", "cubic_alpha": -0.75, "cubic_exclude": 0}
    return SimpleNamespace(
        method=method, coordinate_transformation_mode=mode, **{**usual, **others}
    )


@pytest.mark.parametrize("method", ["linear", "cubic"])
@pytest.mark.parametrize("mode", ["half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize(("length", "output"), [(4, 7), (7, 4), (5, 5), (1, 3)])
def test_weights_share_a_whole(method: str, mode: str, length: int, output: int) -> None:
    made = table(length, output, attributes(method, mode))
    assert made is not None and made[1] is not None
    assert made[0].shape == made[1].shape == (output, 2 if method == "linear" else 4)
    assert made[0].min() >= 0 and made[0].max() < length
    np.testing.assert_allclose(made[1].sum(axis=1), 1)


@pytest.mark.parametrize("method", ["linear", "cubic"])
def test_the_same_size_is_the_identity(method: str) -> None:
    made = table(5, 5, attributes(method))
    assert made is not None and made[1] is not None
    np.testing.assert_allclose((np.arange(5.0)[made[0]] * made[1]).sum(axis=1), np.arange(5))


def test_a_line_stays_a_line() -> None:
    made = table(3, 6, attributes("linear", "align_corners"))
    assert made is not None and made[1] is not None
    np.testing.assert_allclose(
        (np.arange(3.0)[made[0]] * made[1]).sum(axis=1), np.linspace(0, 2, 6)
    )


@pytest.mark.parametrize(
    ("mode", "rounding", "places"),
    [
        ("asymmetric", "floor", [0, 0, 1, 1, 2, 2]),
        ("half_pixel", "round_prefer_floor", [0, 0, 1, 1, 2, 2]),
        ("align_corners", "ceil", [0, 1, 1, 2, 2, 2]),
    ],
)
def test_nearest(mode: str, rounding: str, places: list[int]) -> None:
    made = table(3, 6, attributes("nearest_neighbor", mode, rounding_method=rounding))
    assert made is not None and made[1] is None
    assert made[0].ravel().tolist() == places


def test_excluded_weights_go_to_the_others() -> None:
    made = table(4, 8, attributes("cubic", cubic_exclude=1))
    assert made is not None and made[1] is not None
    assert made[1][0, 0] == 0  # it lies outside
    np.testing.assert_allclose(made[1].sum(axis=1), 1)


@pytest.mark.parametrize(
    "unknown",
    [
        attributes("linear", "tf_crop_and_resize"),
        attributes("area"),
        attributes("nearest_neighbor", rounding_method="stochastic"),
    ],
)
def test_what_has_no_table(unknown: Any) -> None:
    assert table(4, 8, unknown) is None
