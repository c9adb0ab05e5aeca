"""compiler/kernels/vector.py: scalar expressions as vectors."""

import numpy as np
import pytest
from tvm import relax, tirx
from tvm.sym import Analyzer

from compiler.kernels.emit import kernel
from compiler.kernels.value import Expr, lanes_of
from compiler.kernels.vector import Evaluator, rebuilt, spread, stride, substituted
from tests.compiler.kernels.harness import check, values

LANE = tirx.Var("lane", "int32")
I = tirx.Var("i", "int32")  # noqa: E741  # the index of mathematics


@pytest.mark.parametrize(
    ("index", "step"),
    [
        (I * 8 + LANE, 1),
        (I * 8 + LANE * 3, 3),
        (I + 5, 0),
        (tirx.floordiv(LANE, 8) + I, 0),
        (tirx.floordiv(LANE, 2), None),
        (tirx.floormod(I * 16 + LANE, 16), 1),
    ],
)
def test_the_step_between_lanes(index: Expr, step: int | None) -> None:
    assert stride(index, LANE, 8) == step


def evaluated(index: Expr) -> Expr:
    with kernel("k", [((1000,), "float32")]) as (buffers, _):
        return Evaluator(LANE, 8)(buffers[0][index])


def test_neighbours_are_one_load_and_one_element_is_spread() -> None:
    assert isinstance(evaluated(LANE + 3).indices[0], tirx.Ramp)
    assert isinstance(evaluated(tirx.const(3, "int32")), tirx.Broadcast)


def test_scattered_elements_are_gathered() -> None:
    assert isinstance(evaluated(tirx.floordiv(LANE, 3) * 7), tirx.Shuffle)


def test_substitution_keeps_what_does_not_change() -> None:
    one = I + 1
    assert substituted(one, {LANE: tirx.const(0, "int32")}).same_as(one)
    assert rebuilt(one, [one.a, one.b]).same_as(one)
    changed = substituted(one, {I: tirx.const(4, "int32")})
    assert int(Analyzer().simplify(changed)) == 5


def test_long_chains_compile_in_linear_time() -> None:
    """Without settling the tenth function would take hours."""
    x = values((3, 37))
    want = x.astype(np.float64)
    for _ in range(10):
        want = want / (1 + np.exp(-want))

    def emit(a: relax.Var) -> relax.Expr:
        for _ in range(10):
            a = relax.BlockBuilder.current().emit(relax.op.nn.silu(a))
        return a

    assert check(emit, [x], want, tolerance=1e-5) == ["elementwise"]


def test_spread() -> None:
    assert lanes_of(spread(I, 8)) == 8
    assert spread(I, 1).same_as(I)
