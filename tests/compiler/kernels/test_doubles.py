"""compiler/kernels/doubles.py: accuracy over wide ranges, and the ends of them."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from tvm import relax

from tests.compiler.kernels.harness import NARROW, check

R = relax.op
Array = np.ndarray


@pytest.mark.parametrize(
    ("name", "function", "low", "high"),
    [
        ("exp", np.exp, -20, 20),
        ("log", np.log, 1e-6, 1e6),
        ("erf", np.vectorize(math.erf), -5, 5),
        ("sin", np.sin, -1000, 1000),
        ("cos", np.cos, -1000, 1000),
        ("atan", np.arctan, -50, 50),
        ("asinh", np.arcsinh, -50, 50),
        ("tanh", np.tanh, -30, 30),
    ],
)
def test_a_range(name: str, function: Callable[[Array], Array], low: float, high: float) -> None:
    x = np.linspace(low, high, 4001)
    check(getattr(R, name), [x], np.asarray(function(x)), profiles=[NARROW])


ODD: dict[str, Callable[[Array], Array]] = {
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "erf": np.vectorize(math.erf),
    "sin": np.sin,
    "sinh": np.sinh,
    "tan": np.tan,
    "tanh": np.tanh,
}


@pytest.mark.parametrize("name", ODD)
def test_small_values_keep_their_digits(name: str) -> None:
    """Each is judged by its own size."""
    sizes = np.concatenate([np.geomspace(1e-300, 1e-3, 40), np.linspace(1e-3, 0.99, 400)])
    x = np.concatenate([-sizes, sizes])
    wanted = np.asarray(ODD[name](x))
    ratio = relax.const(1 / wanted, "float64")
    check(
        lambda a: relax.op.multiply(getattr(R, name)(a), ratio),
        [x],
        np.ones_like(x),
        profiles=[NARROW],
        tolerance=4e-15,
    )


def test_large_values_do_not_overflow_early() -> None:
    x = np.array([-1.7e308, -710.3, -30.0, -1.0, 0.0, 1.0, 30.0, 710.3, 1.7e308])
    names = {"asinh": np.arcsinh, "acosh": np.arccosh, "sinh": np.sinh, "cosh": np.cosh}
    with np.errstate(all="ignore"):
        wanted = [np.asarray(function(x)) for function in names.values()]
    check(lambda a: tuple(getattr(R, n)(a) for n in names), [x], *wanted, profiles=[NARROW])


@pytest.mark.parametrize("name", sorted(ODD.keys() - {"sin", "tan"}))
def test_nothing_keeps_its_sign(name: str) -> None:
    """1 / -0 is another infinity than 1 / 0."""
    x = np.array([-0.0, 0.0])
    check(
        lambda a: relax.op.divide(relax.const(1.0, "float64"), getattr(R, name)(a)),
        [x],
        np.array([-np.inf, np.inf]),
        profiles=[NARROW],
    )


def test_what_has_a_steep_end() -> None:
    x = 1 - np.concatenate([[0.0], np.geomspace(1e-12, 2, 60)[:-1], [2.0]])
    check(R.acos, [x], np.arccos(x), profiles=[NARROW])
    check(R.acosh, [2 - x], np.arccosh(2 - x), profiles=[NARROW])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_ends_of_the_ranges() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, 1.0, -1.0, 709.7, -745.0])
    names = ["exp", "log", "tanh", "sigmoid", "atan"]
    functions: list[Callable[[Array], Array]] = [
        np.exp,
        np.log,
        np.tanh,
        lambda v: 1 / (1 + np.exp(-v)),
        np.arctan,
    ]
    check(
        lambda a: tuple(getattr(R, n)(a) for n in names),
        [x],
        *(np.asarray(f(x)) for f in functions),
        profiles=[NARROW],
    )


def test_powers_of_whole_numbers_are_whole() -> None:
    x, y = (v.reshape(-1).astype(np.float64) for v in np.meshgrid(range(12), range(10)))
    wanted = np.power(x, y).astype(np.int64)
    check(
        lambda a, b: relax.op.astype(relax.op.power(a, b), "int64"),
        [x, y],
        wanted,
        profiles=[NARROW],
    )


def test_powers_of_any_sign() -> None:
    x = np.array([2.0, -2, -2, 0, 0, 3, 0.5, 1, 10])
    y = np.array([0.5, 3, 2, 2, 0, -2, 7, 100, -3])
    check(R.power, [x, y], np.power(x, y), profiles=[NARROW])
