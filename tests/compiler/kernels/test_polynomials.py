"""compiler/kernels/polynomials.py: accuracy in single precision, and the ends of the ranges."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from tvm import relax

from tests.compiler.kernels.harness import check

R = relax.op
Array = np.ndarray


@pytest.mark.parametrize(
    ("name", "function", "low", "high"),
    [
        ("exp", np.exp, -10, 10),
        ("log", np.log, 1e-3, 1e3),
        ("erf", np.vectorize(math.erf), -5, 5),
        ("tanh", np.tanh, -10, 10),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x)), -20, 20),
    ],
)
def test_a_range(name: str, function: Callable[[Array], Array], low: float, high: float) -> None:
    x = np.linspace(low, high, 4001, dtype=np.float32)
    check(getattr(R, name), [x], np.asarray(function(x.astype(np.float64))))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_exp_overflows_where_single_precision_does() -> None:
    x = np.array([88.0, 88.37, 88.5, 88.72, 88.73, 100, -86, -90, np.inf, -np.inf], np.float32)
    check(R.exp, [x], np.exp(x))


def test_sigmoid_ends_at_nothing_and_one_and_keeps_nan() -> None:
    x = np.array([-np.inf, -1e30, -100, 0, 100, 1e30, np.inf, np.nan], np.float32)
    check(R.sigmoid, [x], np.array([0, 0, 0, 0.5, 1, 1, 1, np.nan], np.float32))


def test_tanh_ends_at_one_exactly() -> None:
    x = np.array([-np.inf, -1e30, -8, 8, 100, np.inf], np.float32)
    check(R.tanh, [x], np.sign(x), tolerance=1e-12)
