"""compiler/kernels/mathematics.py: every function becomes a program or an instruction."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from tvm import relax

from compiler import codegen
from tests.compiler.kernels.harness import NARROW, check, lowered, values

R = relax.op
Array = np.ndarray
UNIT = ("asin", "acos", "atanh")
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf),
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
}


def argument(name: str, dtype: str) -> Array:
    x = values((3, 37), dtype)
    if name in UNIT:
        x = np.tanh(x)
    if name in ("log", "sqrt", "rsqrt"):
        x = np.abs(x) + 0.1
    return (np.abs(x) + 1 if name == "acosh" else x).astype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_functions_agree_with_numpy(dtype: str) -> None:
    inputs = [argument(name, dtype) for name in FUNCTIONS]
    check(
        lambda *xs: tuple(getattr(R, name)(x) for name, x in zip(FUNCTIONS, xs, strict=True)),
        inputs,
        *(
            np.asarray(f(x.astype(np.float64)))
            for f, x in zip(FUNCTIONS.values(), inputs, strict=True)
        ),
        profiles=[NARROW],
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_no_function_is_called(dtype: str) -> None:
    x = argument("acosh", dtype)
    made = lowered(lambda a: tuple(getattr(R, name)(a) for name in FUNCTIONS), [x], NARROW)
    assembly = codegen.build(made.kernels, NARROW).inspect_source("asm")
    calls = {line.split()[-1] for line in assembly.splitlines() if "\tcall" in line}
    ours = ("_compute_", "__tvm_set_raised", "TVMFFIErrorSetRaised")
    assert all(any(name in call for name in ours) for call in calls), calls
