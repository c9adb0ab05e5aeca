"""compiler/kernels/narrow.py: every code and the numbers between them, against ml_dtypes."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tvm
from onnx import numpy_helper
from tvm import relax

from compiler.kernels.narrow import CARRIERS, FLOATS, INTEGERS, ROUNDINGS
from compiler.passes.rewriter import own
from tests.compiler.kernels.harness import NARROW, Array, compute

SPECIAL = [0, -0.0, np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-30, -1e-30, 448, 464, 465, 240, 248]
BITS = [*FLOATS, "bfloat16", "float8_e8m0fnu"]


def type_of(kind: str) -> np.dtype[Any]:
    found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, kind))
    return found


def encoded(x: Array, kind: str, saturate: bool, rounding: str = "up") -> Array:
    def emit(v: relax.Var) -> relax.Expr:
        how = relax.ShapeExpr([int(saturate), ROUNDINGS.index(rounding)])
        return own("neoc.encode", [v, tvm.ir.StringImm(kind), how], x.shape, CARRIERS[kind])

    return compute(emit, x, profile=NARROW)[0][0].view(type_of(kind))


def decoded(codes: Array, kind: str) -> Array:
    near = "int32" if kind in INTEGERS else "float32"
    return compute(
        lambda v: own("neoc.decode", [v, tvm.ir.StringImm(kind)], codes.shape, near),
        codes,
        profile=NARROW,
    )[0][0]


def codes(kind: str) -> Array:
    return np.arange(2**16 if kind == "bfloat16" else 2**8).astype(CARRIERS[kind])


def numbers(kind: str, dtype: str) -> Array:
    """All that the type holds, what lies halfway between, next to that, and specials."""
    known = codes(kind)[:256].view(type_of(kind)).astype(dtype)
    known = np.sort(known[np.isfinite(known)])
    middle = (known[1:] + known[:-1]) / 2
    near = [np.nextafter(middle, np.asarray(s, dtype)) for s in (-np.inf, np.inf)]
    return np.concatenate([known, middle, *near, np.asarray(SPECIAL, dtype)])


def assert_same(got: Array, want: Array) -> None:
    np.testing.assert_array_equal(np.float32(got), np.float32(want))
    minus, expected = (
        np.signbit(np.where(np.isnan(np.float32(v)), 0, np.float32(v))) for v in (got, want)
    )
    np.testing.assert_array_equal(minus, expected)


@pytest.mark.parametrize("kind", BITS)
def test_every_code_is_its_number(kind: str) -> None:
    every = codes(kind) if kind != "float4_e2m1fn" else codes(kind)[:16]
    assert_same(decoded(every, kind), every.view(type_of(kind)).astype(np.float32))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [*FLOATS, "bfloat16"])
def test_numbers_are_rounded_to_even(kind: str, dtype: str) -> None:
    x = numbers(kind, "float32").astype(dtype)
    assert_same(encoded(x, kind, saturate=False), x.astype(type_of(kind)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", [k for k in FLOATS if k != "float4_e2m1fn"])
def test_what_is_too_large_saturates(kind: str) -> None:
    x = numbers(kind, "float32")
    want = numpy_helper.saturate_cast(x, type_of(kind))
    assert_same(encoded(x, kind, saturate=True), want)


@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_an_exponent_rounds_as_asked(rounding: str, saturate: bool) -> None:
    odd = [1e-39, 1e-45, 3.4e38, 1e38, np.nan, np.inf, 0.7]
    x = np.array([0, 1, 1.4, 1.5, 1.6, 2, 3, *odd], np.float32)
    want = numpy_helper.to_float8e8m0(x, saturate, rounding)
    assert_same(encoded(x, "float8_e8m0fnu", saturate, rounding), want)


@pytest.mark.parametrize("kind", INTEGERS)
def test_small_integers_fill_the_low_bits(kind: str) -> None:
    x = np.arange(-20, 20, dtype=np.int32)
    made = encoded(x, kind, saturate=True)
    np.testing.assert_array_equal(made.astype(np.int32), x.astype(type_of(kind)).astype(np.int32))
    np.testing.assert_array_equal(decoded(made.view(np.uint8), kind), made.astype(np.int32))


def test_the_same_bits_are_other_numbers() -> None:
    x = np.array([1, -2, np.inf], np.float32)
    (got,), _ = compute(lambda v: own("neoc.bitcast", [v], (3,), "int32"), x)
    np.testing.assert_array_equal(got, x.view(np.int32))
