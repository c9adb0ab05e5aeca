"""compiler/kernels/reduce.py: sum, mean, max, min, prod over any axes."""

import numpy as np
import pytest
from tvm import relax

from tests.compiler.kernels.harness import NARROW, WIDE, Sizes, check, values

R = relax.op
NAMES = ["sum", "mean", "max", "min", "prod"]
AXES = [(0,), (1,), (2, 3), (3,), (1, 3), (0, 2), (0, 1, 2, 3)]
X = values((2, 3, 5, 9))


@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_any_axes(axes: Sizes, keepdims: bool) -> None:
    wide = X.astype(np.float64)
    names = check(
        lambda a: tuple(getattr(R, n)(a, list(axes), keepdims) for n in NAMES),
        [X],
        *(np.asarray(getattr(np, n)(wide, axis=axes, keepdims=keepdims)) for n in NAMES),
        profiles=[NARROW if keepdims else WIDE],
        tolerance=1e-5,
    )
    assert names == ["reduce"] * len(NAMES)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "int64", "uint8", "int32"])
def test_every_type(dtype: str) -> None:
    x = values((3, 4, 19), dtype)
    is_float = dtype.startswith("float")
    wide = x.astype(np.float64) if is_float else x
    names = [n for n in NAMES if n != "prod" and (n != "mean" or is_float)]
    check(
        lambda a: tuple(getattr(R, n)(a, [axis]) for n in names for axis in (1, 2)),
        [x],
        *(np.asarray(getattr(np, n)(wide, axis=axis)) for n in names for axis in (1, 2)),
        profiles=[NARROW],
    )


def test_large_ones() -> None:
    packed, wide, tall = values((1, 8, 31, 33, 8)), values((4, 4096)), values((4096, 37))
    check(
        lambda a, b, c: (R.mean(a, [2, 3], True), R.sum(b, [1]), R.sum(c, [0])),
        [packed, wide, tall],
        packed.astype(np.float64).mean((2, 3), keepdims=True),
        wide.astype(np.float64).sum(1),
        tall.astype(np.float64).sum(0),
        tolerance=1e-5,
    )


def test_a_nan_wins() -> None:
    x = values((3, 40))
    x[1, 7] = x[0, 39] = np.nan
    check(lambda a: (R.max(a, [1]), R.min(a, [0])), [x], x.max(1), x.min(0))


def test_what_is_fused_before_and_behind() -> None:
    c = values((3,))
    want = np.maximum((X.astype(np.float64) ** 2).mean((2, 3)) + c, 0)
    names = check(lambda a, b: R.nn.relu(R.add(R.mean(R.multiply(a, a), [2, 3]), b)), [X, c], want)
    assert names == ["reduce"]
