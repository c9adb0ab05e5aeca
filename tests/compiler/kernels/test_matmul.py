"""compiler/kernels/matmul.py: products of matrices, the right side packed if it is known."""

import math

import numpy as np
import pytest
from tvm import relax

from tests.compiler.kernels.harness import NARROW, WIDE, Sizes, check, values

R = relax.op
SHAPES = [
    ((5, 7), (7, 9)),
    ((1, 33), (33, 17)),
    ((2, 3, 4, 5), (2, 3, 5, 6)),
    ((2, 1, 4, 5), (3, 5, 20)),
    ((2, 4, 4, 5), (3, 1, 4, 5, 6)),
    ((7,), (7, 9)),
    ((5, 7), (7,)),
    ((7,), (7,)),
    ((5, 64), (64, 3)),
    ((1, 1), (1, 1)),
    ((13, 1), (1, 19)),
    ((37, 29), (29, 73)),
]


@pytest.mark.parametrize(("left", "right"), SHAPES, ids=str)
@pytest.mark.parametrize("known", ["neither", "left", "right"])
def test_the_default_computes_the_definition(left: Sizes, right: Sizes, known: str) -> None:
    x, y = values(left), values(right, seed=5)
    given = [v for n, v in (("left", x), ("right", y)) if n != known]
    want = np.maximum(np.matmul(x.astype(np.float64), y.astype(np.float64)), 0)

    def emit(*operands: relax.Var) -> relax.Expr:
        rest = iter(operands)
        a = relax.const(x) if known == "left" else next(rest)
        b = relax.const(y) if known == "right" else next(rest)
        return R.nn.relu(R.matmul(a, b))

    profile = WIDE if len(left) % 2 else NARROW
    check(emit, given, want, profiles=[profile], tolerance=1e-5)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("left", "right"), [SHAPES[3], SHAPES[-1]], ids=str)
def test_points_of_the_space_compute_the_definition(left: Sizes, right: Sizes, seed: int) -> None:
    x, y = values(left), values(right, seed=5)
    want = np.matmul(x.astype(np.float64), y.astype(np.float64))
    names = check(R.matmul, [x, y], want, seeds=[seed], tolerance=1e-5)
    assert names == ["matmul"]


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_blocks_of_a_deep_product_add_up(seed: int) -> None:
    x, y, bias = values((19, 768)), values((768, 45), seed=5), values((45,))
    want = np.matmul(x.astype(np.float64), y.astype(np.float64)) + bias

    def emit(a: relax.Var) -> relax.Expr:
        return R.nn.gelu(R.add(R.matmul(a, relax.const(y)), relax.const(bias)))

    half = np.vectorize(math.erf)(want / np.sqrt(2)) + 1
    check(emit, [x], want * half / 2, seeds=[seed], tolerance=1e-5)
