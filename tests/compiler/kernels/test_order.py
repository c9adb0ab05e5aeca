"""compiler/kernels/order.py: rows in order, and the places of what is true."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import relax

from compiler.passes.rewriter import own
from tests.compiler.kernels.harness import NARROW, WIDE, Sizes, check, values

R = relax.op


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (5, 3), (64, 2), (1001, 1)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_rows_by_their_elements_from_the_first_on(shape: Sizes, dtype: str) -> None:
    x = values(shape, dtype)
    x = np.round(x) if dtype == "float32" else x
    check(
        lambda a: own("neoc.order", [a], shape[:1], "int64"),
        [x],
        np.lexsort(x.T[::-1]),
        profiles=[NARROW],
    )


def test_nan_is_the_largest() -> None:
    x = values((40, 1))
    x[[3, 17]] = np.nan
    check(lambda a: own("neoc.order", [a], (40,), "int64"), [x], np.argsort(x[:, 0], kind="stable"))


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(0, 99))
def test_places(shape: list[int], seed: int) -> None:
    """Those of a comparison, which is fused into them."""
    x = values(shape, seed=seed)
    found = np.flatnonzero(x > 0)
    wanted = np.pad(found, (0, x.size - found.size))
    zero = relax.const(np.float32(0))
    names = check(
        lambda a: own(
            "neoc.places",
            [relax.BlockBuilder.current().emit(R.greater(a, zero))],
            (x.size,),
            "int64",
        ),
        [x],
        wanted,
        profiles=[WIDE],
    )
    assert names == ["places"]
