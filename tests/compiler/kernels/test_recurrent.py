"""compiler/kernels/recurrent.py: layers of any cell, by the definition step by step."""

import numpy as np
import pytest
from tvm import ir, relax, tirx

from compiler.passes.rewriter import own
from tests.compiler.kernels.harness import check, values
from tests.compiler.kernels.references import GATES, STATES, recurrent

NAMES = {"lstm": ("sigmoid", "tanh", "tanh"), "gru": ("sigmoid", "tanh"), "rnn": ("tanh",)}


def run(
    cell: str,
    steps: int,
    batch: int,
    directions: int,
    units: int,
    extra: int = 0,
    reverse: bool = False,
    names: tuple[str, ...] = (),
    clip: float = 0.0,
    last: bool = False,
    known: bool = True,
    seeds: tuple[int | None, ...] = (None,),
) -> None:
    names = names or NAMES[cell]
    gates, states = GATES[cell], STATES[cell]
    shapes = [
        (steps, batch, directions * gates * units),
        (directions, units, gates * units),
        *[(directions, batch, units)] * states,
        *[(directions, extra * units)] * (extra > 0),
    ]
    tensors = [values(s, seed=n) for n, s in enumerate(shapes)]
    tensors[1] /= np.float32(np.sqrt(units))
    want = recurrent(cell, tensors, reverse, names, clip, last)
    settings = [
        relax.ShapeExpr([int(reverse), int(last)]),
        *map(ir.StringImm, names),
        tirx.const(clip),
    ]

    def emit(*given: relax.Var) -> relax.Expr:
        operands = [given[0], relax.const(tensors[1]) if known else given[1], *given[2 - known :]]
        call = own(f"neoc.{cell}", [*operands, *settings], want.shape, "float32")
        return relax.op.negative(call)

    inputs = [t for n, t in enumerate(tensors) if not known or n != 1]
    assert check(emit, inputs, -want, seeds=seeds, tolerance=1e-5) == ["recurrent"]


@pytest.mark.parametrize(
    ("steps", "batch", "directions", "units"),
    [(5, 1, 1, 16), (4, 3, 2, 21), (1, 2, 1, 1), (3, 1, 2, 5), (6, 2, 1, 72)],
    ids=str,
)
@pytest.mark.parametrize("known", [True, False])
def test_lstm(steps: int, batch: int, directions: int, units: int, known: bool) -> None:
    run("lstm", steps, batch, directions, units, known=known, seeds=(None, 1, 2))


@pytest.mark.parametrize("cell", GATES)
def test_everything_at_once(cell: str) -> None:
    names = {"lstm": ("sigmoid", "relu", "tanh"), "gru": ("sigmoid", "relu"), "rnn": ("relu",)}
    extra = {"lstm": 3, "gru": 1, "rnn": 0}[cell]
    run(cell, 4, 2, 1, 12, extra, True, names[cell], 0.7, cell == "lstm", seeds=(None, 3))
    run(cell, 3, 3, 2, 9, extra, False, clip=0.5, last=cell == "lstm", seeds=(None, 4))
