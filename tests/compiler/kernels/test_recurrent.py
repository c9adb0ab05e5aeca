"""compiler/kernels/recurrent.py: layers of any cell, by the definition step by step."""

import numpy as np
import pytest
from tvm import ir, relax, tirx

from compiler import pipeline
from compiler.kernels.recurrent import Recurrent
from compiler.passes.rewriter import own
from tests.compiler.kernels.harness import NARROW, check, main_of, values
from tests.compiler.kernels.references import FUNCTIONS, GATES, STATES, Layer

NAMES = {
    "lstm": ("sigmoid", "tanh", "tanh"),
    "gru": ("sigmoid", "tanh"),
    "reset_gru": ("sigmoid", "tanh"),
    "rnn": ("tanh",),
}
OTHERS = {
    "lstm": ("hardsigmoid 0.3 0.4", "relu", "tanh"),
    "gru": ("sigmoid", "leakyrelu 0.2"),
    "reset_gru": ("sigmoid", "relu"),
    "rnn": ("relu",),
}
EXTRA = {"lstm": 3, "gru": 1, "reset_gru": 0, "rnn": 0}
NUMBERS = {"affine": " 0.3 0.2", "scaledtanh": " 1.3 0.7", "hardsigmoid": " 0.2 0.5"}
NUMBERS |= dict.fromkeys(("elu", "leakyrelu", "thresholdedrelu"), " 0.3")


def run(
    layer: Layer,
    steps: int,
    batch: int,
    directions: int,
    units: int,
    extra: int = 0,
    lengths: tuple[int, ...] = (),
    known: bool = True,
    seeds: tuple[int | None, ...] = (None,),
) -> None:
    gates, states = GATES[layer.cell], STATES[layer.cell]
    shapes = [
        (steps, batch, directions * gates * units),
        (directions, units, gates * units),
        *[(directions, batch, units)] * states,
        *[(directions, extra * units)] * (extra > 0),
    ]
    tensors = [values(s, seed=n) for n, s in enumerate(shapes)]
    tensors[1] /= np.float32(np.sqrt(units))
    tensors += [np.array(lengths, np.int32)] * bool(lengths)
    want = layer(tensors)
    settings = [
        relax.ShapeExpr([int(layer.reverse), layer.last, int(layer.coupled)]),
        *map(ir.StringImm, layer.names),
        tirx.const(layer.clip),
    ]

    def emit(*given: relax.Var) -> relax.Expr:
        operands = [given[0], relax.const(tensors[1]) if known else given[1], *given[2 - known :]]
        call = own(f"neoc.{layer.cell}", [*operands, *settings], want.shape, "float32")
        return relax.op.negative(call)

    inputs = [t for n, t in enumerate(tensors) if not known or n != 1]
    assert check(emit, inputs, -want, seeds=seeds, tolerance=1e-5) == ["recurrent"]


@pytest.mark.parametrize(
    ("cell", "steps", "depth", "units", "many"),
    [("lstm", 50, 12, 32, False), ("lstm", 17, 40, 48, True), ("lstm", 16, 200, 16, False),
     ("lstm", 19, 7, 32, True), ("gru", 25, 20, 32, False), ("gru", 30, 8, 64, True)],
    ids=str,
)  # fmt: skip
def test_layers_that_take_their_input(
    cell: str, steps: int, depth: int, units: int, many: bool
) -> None:
    """Rows behind the last whole tile, slices longer and shorter than the units; with `many`
    backwards, with last states, clips, lengths and the extra parameter.
    """
    gates, states, extra = GATES[cell], STATES[cell], EXTRA[cell] if many or cell == "gru" else 0
    layer = Layer(cell, NAMES[cell], many, states * many, many and cell == "lstm", 2.0 * many)
    x, right, bias = (
        values((steps, depth)),
        values((depth, gates * units)),
        values((gates * units,)),
    )
    right /= np.float32(np.sqrt(depth))
    weight = values((1, units, gates * units)) / np.float32(np.sqrt(units))
    rest = [values((1, 1, units), seed=n) for n in range(states)]
    rest += [values((1, extra * units))] * (extra > 0)
    rest += [np.array([steps - 3], np.int32)] * many
    share = (x.astype(np.float64) @ right + bias).reshape(steps, 1, -1)
    want = layer([share, weight, *rest])
    settings = [
        relax.ShapeExpr([int(layer.reverse), layer.last, int(layer.coupled)]),
        *map(ir.StringImm, layer.names),
        tirx.const(layer.clip),
    ]

    def emit(*given: relax.Var) -> relax.Expr:
        constants = map(relax.const, (right, bias, weight))
        operands = [given[0], *constants, *given[1:], *settings]
        return own(f"neoc.{cell}_of_input", operands, want.shape, "float32")

    assert check(emit, [x, *rest], want, seeds=(None, 1, 4), tolerance=1e-5) == ["recurrent"]


@pytest.mark.parametrize(
    ("steps", "batch", "directions", "units"),
    [(5, 1, 1, 16), (4, 3, 2, 21), (1, 2, 1, 1), (3, 1, 2, 5), (6, 2, 1, 72), (9, 1, 1, 128)],
    ids=str,
)
@pytest.mark.parametrize("known", [True, False])
def test_lstm(steps: int, batch: int, directions: int, units: int, known: bool) -> None:
    layer = Layer("lstm", NAMES["lstm"])
    run(layer, steps, batch, directions, units, known=known, seeds=(None, 1))


@pytest.mark.parametrize("cell", GATES)
def test_everything_at_once(cell: str) -> None:
    extra, states, coupled = EXTRA[cell], STATES[cell], cell == "lstm"
    first = Layer(cell, OTHERS[cell], True, states, coupled, 0.7)
    run(first, 4, 2, 1, 12, extra)
    second = Layer(cell, (*NAMES[cell], *OTHERS[cell]), last=1, clip=0.5)
    run(second, 3, 3, 2, 9, extra, known=False)
    run(second, 3, 3, 2, 9, extra, (2, 0, 7), seeds=(None, 5))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_activations(name: str) -> None:
    run(Layer("rnn", (name + NUMBERS.get(name, ""),)), 3, 2, 1, 12)


def test_activations_of_a_cell_that_is_long_to_write_out() -> None:
    run(Layer("lstm", ("softplus", "elu 0.5", "softplus")), 2, 1, 1, 16, 3)


def test_sequences_of_other_times_share_no_rows() -> None:
    given = [values(s) for s in [(3, 5, 9), (1, 9, 9), (1, 5, 9)]]
    settings = [relax.ShapeExpr([0, 0, 0]), ir.StringImm("tanh"), tirx.const(0.0)]

    def emit(*x: relax.Var) -> relax.Expr:
        return own("neoc.rnn", [*x, *settings], (4, 1, 5, 9), "float32")

    (work,) = pipeline.workloads(pipeline.lower(main_of(emit, given), NARROW)).values()
    found = {(p["rows"], p["parts"]) for p in Recurrent().space(work, NARROW)}
    assert {rows for rows, parts in found if parts == 1} == {1, 5}
    assert {rows for rows, parts in found if parts > 1} == {1, 2, 3, 4, 5}
