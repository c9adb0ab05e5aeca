"""compiler/kernels/scan.py: cumulative sums."""

import numpy as np
import pytest
from tvm import relax

from tests.compiler.kernels.harness import NARROW, Sizes, check, values

R = relax.op


@pytest.mark.parametrize("shape", [(3, 5, 19), (2, 3), (7,), (2, 3000), (40, 50)], ids=str)
def test_any_axis(shape: Sizes) -> None:
    x = values(shape) * np.float32(0.1)
    sums = [np.cumsum(x, axis, dtype=np.float64) for axis in range(len(shape))]
    check(
        lambda a: tuple(
            R.cumsum(a, axis, exclusive=e) for axis in range(len(shape)) for e in (False, True)
        ),
        [x],
        *(wanted for total in sums for wanted in (total, total - x)),
        tolerance=1e-5,
    )


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", "int64"])
def test_every_type(dtype: str) -> None:
    x = values((3, 4, 9), dtype)
    wide = x.astype(np.float64) if dtype.startswith("float") else x
    check(
        lambda a: (R.cumsum(a, 0), R.cumsum(a, 2), R.cumsum(a)),
        [x],
        np.cumsum(wide, 0),
        np.cumsum(wide, 2),
        np.cumsum(wide),
        profiles=[NARROW],
    )
