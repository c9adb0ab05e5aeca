"""compiler/kernels/operators.py: element-wise operators against numpy, special values too."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tvm import relax, tirx

from tests.compiler.kernels.harness import NARROW, check, values

R = relax.op
Array = np.ndarray
SPECIAL = np.array(
    [np.nan, np.inf, -np.inf, 0, -0.0, 1, -1, 2.5, -2.5, 1e30, -1e30, 88.5, -88, 0.5, 1.5, 100],
    np.float32,
)
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
quiet = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def evaluated(emit: Callable[..., Any], inputs: list[Array], *want: Array) -> None:
    check(emit, inputs, *want, profiles=[NARROW])


@quiet
def test_special_values_go_through_as_in_numpy() -> None:
    functions: list[tuple[Any, Callable[[Array], Array]]] = [
        (R.nn.relu, lambda x: np.maximum(x, 0)),
        (R.exp, np.exp),
        (R.log, np.log),
        (R.sqrt, np.sqrt),
        (R.tanh, np.tanh),
        (R.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
        (R.abs, np.abs),
        (R.sign, np.sign),
        (R.floor, np.floor),
        (R.round, np.round),
        (R.isnan, np.isnan),
        (R.isinf, np.isinf),
        (R.isfinite, np.isfinite),
    ]
    clipped = {"min": tirx.const(-1, "float32"), "max": tirx.const(2, "float32")}
    evaluated(
        lambda x: (*(op(x) for op, _ in functions), R.clip(x, **clipped)),
        [SPECIAL],
        *(np.asarray(f(SPECIAL)) for _, f in functions),
        np.clip(SPECIAL, -1, 2),
    )


@quiet
def test_special_pairs_compare_as_in_numpy() -> None:
    a, b = (np.ascontiguousarray(m.reshape(-1)) for m in np.meshgrid(SPECIAL, SPECIAL))
    names = ["maximum", "minimum", "equal", "not_equal", "less", "less_equal", "greater", "divide"]
    evaluated(
        lambda x, y: tuple(getattr(R, n)(x, y) for n in names),
        [a, b],
        *(getattr(np, n)(a, b) for n in names),
    )


@quiet
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_compute_as_in_numpy_and_no_divisor_stops_them(dtype: str) -> None:
    a, b = values((5, 33), dtype), values((5, 33), dtype, 7)
    zero = b == 0
    one = np.where(zero, 1, b).astype(dtype)
    shift = np.abs(b) % np.iinfo(dtype).bits
    names = ["add", "subtract", "multiply", "maximum", "minimum", "less", "equal"]
    names += ["bitwise_and", "bitwise_or", "bitwise_xor"]
    evaluated(
        lambda x, y, s: (
            *(getattr(R, n)(x, y) for n in names),
            R.divide(x, y),
            R.floor_divide(x, y),
            R.floor_mod(x, y),
            R.mod(x, y),
            R.left_shift(R.abs(x), s),
            R.right_shift(R.abs(x), s),
            R.sign(x),
            R.bitwise_not(x),
        ),
        [a, b, shift.astype(dtype)],
        *(getattr(np, n)(a, b) for n in names),
        np.where(zero, 0, np.trunc(a.astype(np.float64) / one)),
        np.where(zero, 0, a // one),
        np.where(zero, 0, a % one),
        np.where(zero, 0, np.fmod(a, one)),
        np.left_shift(np.abs(a), shift.astype(dtype)),
        np.right_shift(np.abs(a), shift.astype(dtype)),
        np.sign(a),
        ~a,
    )


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
def test_the_least_number_by_minus_one_is_itself(dtype: str) -> None:
    least = np.full(19, np.iinfo(dtype).min, dtype)
    minus = np.full(19, -1, dtype)
    zeros = np.zeros_like(least)
    evaluated(lambda x, y: (R.divide(x, y), R.floor_mod(x, y)), [least, minus], least, zeros)


def test_shifts_by_more_bits_than_there_are() -> None:
    x, y = np.array([5, -5, 5, -5, 5], np.int32), np.array([40, 40, -1, -1, 1], np.int32)
    evaluated(
        lambda a, b: (R.left_shift(a, b), R.right_shift(a, b)),
        [x, y],
        np.array([0, 0, 0, 0, 10], np.int32),
        np.array([0, -1, 0, -1, 2], np.int32),
    )


@pytest.mark.parametrize("dtype", [*INTEGERS, "float16", "float32", "float64", "bool"])
def test_casts(dtype: str) -> None:
    x = np.abs(values((3, 21), dtype)) if dtype != "bool" else values((3, 21), dtype)
    targets = ["float16", "float32", "float64", "int8", "uint8", "int32", "int64", "bool"]
    targets = [t for t in targets if t != dtype]
    evaluated(
        lambda a: tuple(R.astype(a, t) for t in targets), [x], *(x.astype(t) for t in targets)
    )


def test_booleans() -> None:
    a, b = values((5, 33), "bool"), values((5, 33), "bool", 3)
    names = ["logical_and", "logical_or", "logical_xor", "equal", "not_equal"]
    evaluated(
        lambda x, y: (*(getattr(R, n)(x, y) for n in names), R.logical_not(x)),
        [a, b],
        *(getattr(np, n)(a, b) for n in names),
        ~a,
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int8", "bool"])
def test_where_broadcasts(dtype: str) -> None:
    mask, x, y = values((5, 33), "bool"), values((5, 33), dtype), values((1, 33), dtype, 3)
    evaluated(R.where, [mask, x, y], np.where(mask, x, y))


def test_a_mask_may_be_used_twice() -> None:
    x = values((5, 33))

    def emit(a: relax.Var) -> relax.Expr:
        mask = relax.BlockBuilder.current().emit(R.less(a, relax.const(np.float32(0.5))))
        return R.where(mask, R.add(R.astype(mask, "float32"), a), a)

    evaluated(emit, [x], x + (x < 0.5))


def test_powers() -> None:
    x = np.array([2, -2, -2, 0, 0, 3, 0.5, 1], np.float32)
    y = np.array([0.5, 3, 2, 2, 0, -2, 7, 100], np.float32)
    evaluated(R.power, [x, y], np.power(x.astype(np.float64), y))
    for exponent in (2.0, 3.0, 0.5, -0.5, -1.0, 0.75):
        z = np.abs(values((3, 9))) + np.float32(0.1)
        number = relax.const(np.float32(exponent))
        evaluated(lambda a, n=number: R.power(a, n), [z], z.astype(np.float64) ** exponent)


def test_float_modulos() -> None:
    x, y = values((5, 9)), np.abs(values((5, 9), seed=2)) + np.float32(0.5)
    evaluated(lambda a, b: (R.floor_mod(a, b), R.mod(a, b)), [x, y], np.mod(x, y), np.fmod(x, y))


def test_activations() -> None:
    x = values((3, 37))
    wide = x.astype(np.float64)
    evaluated(
        lambda a: (R.nn.silu(a), R.nn.leakyrelu(a, 0.1), R.rsqrt(R.abs(a))),
        [x],
        wide / (1 + np.exp(-wide)),
        np.where(wide > 0, wide, 0.1 * wide),
        1 / np.sqrt(np.abs(wide)),
    )
