"""compiler/kernels/fold.py: the loop nests and what they combine."""

import numpy as np
import pytest
from tvm import relax, tirx

from compiler.kernels.fold import GREATEST, LEAST, PRODUCT, SUM, accumulator_type
from tests.compiler.kernels.harness import check, values


@pytest.mark.parametrize("inner", [1, 2, 7, 8, 9, 31, 64])
@pytest.mark.parametrize("length", [1, 5, 33])
def test_lanes_that_stay_and_lanes_that_are_reduced(inner: int, length: int) -> None:
    x = values((2, length, inner))
    wide = x.astype(np.float64)
    check(
        lambda a: (relax.op.sum(a, [1]), relax.op.sum(a, [2])),
        [x],
        wide.sum(1),
        wide.sum(2),
        tolerance=1e-5,
    )


def test_a_monoid_starts_with_its_neutral_element() -> None:
    assert float(SUM.start("float32").value) == 0
    assert int(PRODUCT.start("int64")) == 1
    assert float(GREATEST.start("float32").value) == -np.inf
    assert int(LEAST.start("int8")) == 127
    assert isinstance(GREATEST.start("int32"), tirx.IntImm)


def test_half_precision_accumulates_in_single() -> None:
    assert [accumulator_type(t) for t in ("float16", "float32", "int8")] == [
        "float32",
        "float32",
        "int8",
    ]
