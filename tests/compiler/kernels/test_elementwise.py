"""compiler/kernels/elementwise.py: kernels of fused operators, and of several boxes."""

import numpy as np
import pytest
from tvm import relax

from tests.compiler.kernels.harness import NARROW, Sizes, check, values

R = relax.op
X, Y = values((2, 3, 5, 7)), values((2, 4, 5, 7))


def test_operands_broadcast() -> None:
    c, row, column = values((3, 1, 1)), values((7,)), values((5, 1))
    check(
        lambda a, p, q, r: R.multiply(R.add(R.add(a, p), q), r),
        [X, c, row, column],
        (X + c + row) * column,
    )


def test_a_scalar() -> None:
    three, four = (np.asarray(v, np.float32) for v in (3, 4))
    check(lambda a: R.add(a, relax.const(np.float32(1))), [three], four)


def test_tensors_without_elements() -> None:
    x, none = values((3, 5)), np.zeros((0, 5), np.float32)
    check(
        lambda a, b: (R.exp(b), R.concat([a, b], 0), R.sum(b, [0]), R.max(b, [1])),
        [x, none],
        none,
        x,
        np.zeros(5, np.float32),
        np.zeros(0, np.float32),
        profiles=[NARROW],
    )


@pytest.mark.parametrize("number", range(4))
def test_products_with_one_of_two(number: int) -> None:
    """Each of them used twice, so that TVM looks for its range."""
    x, y = values((3, 21)), values((3, 21), seed=1)
    x64, y64 = x.astype(np.float64), y.astype(np.float64)
    less = x < y

    def emit(a: relax.Var, b: relax.Var) -> relax.Expr:
        chosen = R.where(R.less(a, b), a, b)
        product = [
            R.multiply(a, R.maximum(b, a)),
            R.multiply(R.minimum(b, a), a),
            R.multiply(a, chosen),
            R.multiply(chosen, R.add(a, b)),
        ][number]
        return R.multiply(product, R.add(product, a))

    product = [
        x64 * np.maximum(x64, y64),
        x64 * np.minimum(x64, y64),
        x64 * np.where(less, x64, y64),
        np.where(less, x64, y64) * (x64 + y64),
    ][number]
    check(emit, [x, y], (product * (product + x64)).astype(np.float32))


@pytest.mark.parametrize("size", [1, 7, 15, 16, 17, 100003])
def test_rows_of_any_length(size: int) -> None:
    x = values((size,))
    names = check(lambda a: R.exp(R.negative(a)), [x], np.exp(-x.astype(np.float64)))
    assert names == ["elementwise"]


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_concatenations(axis: int) -> None:
    other = Y if axis == 1 else X
    names = check(
        lambda a, b: R.concat([a, b, R.negative(a)], axis),
        [X, other],
        np.concatenate([X, other, -X], axis),
    )
    assert "pieces" in names


WIDTHS = [(0, 0, 0, 0, 1, 2, 3, 4), (1, 0, 0, 2, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0, 1, 0)]
MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@pytest.mark.parametrize("widths", WIDTHS)
def test_pads(widths: Sizes) -> None:
    pairs = np.array(widths).reshape(4, 2)
    check(
        lambda a: (
            R.nn.pad(a, widths, "constant", 1.5),
            *(R.nn.pad(a, widths, mode) for mode in MODES),
        ),
        [X],
        np.pad(X, pairs, constant_values=1.5),
        *(np.pad(X, pairs, mode=mode) for mode in MODES.values()),  # type: ignore[call-overload]  # modes are strings
        profiles=[NARROW],
    )


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "float16", "float64", "bool"])
def test_pads_of_every_type(dtype: str) -> None:
    z = values((3, 5), dtype)
    want = np.pad(z, ((1, 1), (2, 0)), constant_values=1)
    check(lambda a: R.nn.pad(a, (1, 1, 2, 0), "constant", 1), [z], want, profiles=[NARROW])
