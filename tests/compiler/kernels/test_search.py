"""compiler/kernels/search.py: argmax, argmin and the k best."""

import numpy as np
import pytest
from tvm import relax

from tests.compiler.kernels.harness import NARROW, WIDE, check, values

R = relax.op
TYPES = ["float32", "float64", "float16", "int32", "int64", "int8", "uint8", "bool"]


@pytest.mark.parametrize("dtype", TYPES)
def test_the_first_of_the_best(dtype: str) -> None:
    x = values((3, 5, 37), dtype)
    found = [(name, axis) for name in ("argmax", "argmin") for axis in range(3)]
    check(
        lambda a: tuple(getattr(R, n)(a, axis, axis == 1) for n, axis in found),
        [x],
        *(getattr(np, n)(x, axis, keepdims=axis == 1) for n, axis in found),
        profiles=[WIDE if dtype == "float32" else NARROW],
    )


def test_the_whole_tensor_and_what_is_fused_behind() -> None:
    x = values((3, 5, 37))
    last = relax.const(np.int64(36), "int64")
    check(
        lambda a: (R.argmax(a), R.subtract(last, R.argmax(a, 2))),
        [x],
        np.asarray(x.argmax()),
        36 - x.argmax(2),
    )


def test_a_nan_is_the_best() -> None:
    x = values((3, 5, 37))
    x[0, 0, 5] = x[1, 2, 30] = np.nan
    check(lambda a: (R.argmax(a, 2), R.argmin(a, 1)), [x], x.argmax(2), x.argmin(1))


@pytest.mark.parametrize("dtype", ["float32", "int64", "float64", "uint8"])
@pytest.mark.parametrize(("axis", "count"), [(2, 1), (2, 37), (1, 3), (0, 2)])
def test_the_k_best_in_order(axis: int, count: int, dtype: str) -> None:
    x = values((3, 5, 37), dtype)
    orders = [np.argsort(s * x.astype(np.float64), axis, kind="stable") for s in (-1, 1)]
    orders = [np.take(order, range(count), axis) for order in orders]

    def emit(a: relax.Var) -> tuple[relax.Expr, ...]:
        both = [R.topk(a, count, axis, "both", largest, "int64") for largest in (True, False)]
        both = [relax.BlockBuilder.current().emit(b) for b in both]
        return tuple(relax.TupleGetItem(b, n) for b in both for n in range(2))

    wanted = [w for o in orders for w in (np.take_along_axis(x, o, axis), o)]
    check(emit, [x], *wanted, profiles=[NARROW])


@pytest.mark.parametrize(("extent", "count"), [(64, 64), (67, 5), (600, 100), (1001, 1001)])
def test_the_k_best_of_long_rows(extent: int, count: int) -> None:
    """Rows of several blocks, with many equal elements, and infinite ones."""
    x = np.floor(values((3, extent)) * 5)
    x[1, ::7], x[2, : extent // 2] = -np.inf, np.inf
    order = np.argsort(-x, 1, kind="stable")[:, :count]
    check(
        lambda a: R.topk(a, count, 1, "indices", True, "int64"), [x], order, profiles=[NARROW, WIDE]
    )


def test_nans_are_the_best_of_a_long_row() -> None:
    x = values((2, 200))
    x[0, [150, 3]] = np.nan
    order = np.argsort(np.where(np.isnan(x), -np.inf, -x), 1, kind="stable")[:, :9]
    check(lambda a: R.topk(a, 9, 1, "indices", True, "int64"), [x], order, profiles=[NARROW])
