"""compiler/kernels/recurrence.py: how weights are packed, and what costs less."""

import numpy as np
import pytest
from tvm import ir, relax, tirx

from compiler import pipeline
from compiler.kernels.recurrence import Recurrence, cycles
from compiler.kernels.workload import Workload
from compiler.passes.rewriter import own
from targets import PROFILES
from tests.compiler.kernels.harness import main_of, values

WIDE = PROFILES["ml_c5"]


def layer(steps: int, batch: int, units: int) -> Workload:
    """An LSTM that reads its input's share."""
    given = [values((steps, batch, 4 * units)), *[values((1, batch, units))] * 2]
    settings = [relax.ShapeExpr([0, 0, 0]), *map(ir.StringImm, ("sigmoid", "tanh", "tanh"))]

    def emit(x: relax.Var, h: relax.Var, c: relax.Var) -> relax.Expr:
        weight = relax.const(values((1, units, 4 * units)))
        operands = [x, weight, h, c, *settings, tirx.const(0.0)]
        return own("neoc.lstm", operands, (steps, 1, batch, units), "float32")

    (work,) = pipeline.workloads(pipeline.lower(main_of(emit, given), WIDE)).values()
    return work


@pytest.mark.parametrize("vectors", [1, 2])
def test_the_gates_of_a_unit_stand_together(vectors: int) -> None:
    """The last group ends at the edge."""
    shape = Recurrence.of(layer(2, 1, 40), WIDE)
    weight = np.arange(40 * 160, dtype=np.float32).reshape(40, 4, 40)
    groups, width = shape.groups(vectors), vectors * 16
    packed = shape.pack(weight.reshape(1, 40, 160), vectors).reshape(groups, 40, vectors, 4, 16)
    for group, vector in np.ndindex(groups, vectors):
        first = min(group * width, 40 - width) + vector * 16
        np.testing.assert_array_equal(packed[group, :, vector], weight[:, :, first : first + 16])


def test_threads_share_the_steps_of_one_row_and_rows_are_taken_together() -> None:
    def cost(shape: Recurrence, rows: int, parts: int) -> float:
        return cycles(shape, {"rows": rows, "vectors": 1, "parts": parts}, WIDE)

    one, many = (Recurrence.of(layer(9, batch, 256), WIDE) for batch in (1, 8))
    assert cost(one, 1, 2) < cost(one, 1, 1)
    assert cost(many, 4, 2) < cost(many, 1, 2)
    assert cost(many, 8, 1) == float("inf")  # 32 sums and what they are multiplied with
