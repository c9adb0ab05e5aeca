"""Recurrent layers against ONNX Runtime; what would be silently wrong is refused."""

from collections.abc import Callable

import numpy as np
import pytest

from compiler.kernels import cells
from frontends.model import Model, ModelError
from frontends.onnx.ops import recurrent

Agrees = Callable[..., Model]
LENGTHS = np.array([3, 0], np.int32)

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
STEPS, BATCH, INPUT, UNITS = 4, 2, 3, 5


def text(op: str, inputs: str, attributes: str, outputs: str = "y, h, c", layout: int = 0) -> str:
    names = outputs if op == "LSTM" else outputs.replace(", c", "")
    first = f"{BATCH},{STEPS}" if layout else f"{STEPS},{BATCH}"
    results = ", ".join(f"float[] {n.strip()}" for n in names.split(",") if n.strip())
    node = f"{names} = {op}<hidden_size={UNITS}, layout={layout}{attributes}>({inputs})"
    return f"g (float[{first},{INPUT}] x) => ({results}) {{ {node} }}"


def weights(op: str, directions: int = 1, layout: int = 0) -> dict[str, tuple[int, ...]]:
    rows = GATES[op] * UNITS
    state = (BATCH, directions, UNITS) if layout else (directions, BATCH, UNITS)
    return {
        "w": (directions, rows, INPUT),
        "r": (directions, rows, UNITS),
        "b": (directions, 2 * rows),
        "h0": state,
        "c0": state,
        "p": (directions, 3 * UNITS),
    }


def attributes(op: str, rest: str = "") -> str:
    return (", linear_before_reset=1" if op == "GRU" else "") + rest


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_directions_and_states(agrees: Agrees, op: str, direction: str) -> None:
    given = weights(op, 2 if direction == "bidirectional" else 1)
    states = "h0, c0, p" if op == "LSTM" else "h0"
    body = text(op, f"x, w, r, b, , {states}", attributes(op, f', direction="{direction}"'))
    used = [n.strip() for n in f"w, r, b, {states}".split(",")]
    agrees(body, **{n: given[n] for n in used})


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("outputs", ["y", "y, h", ", h", ", , c"])
def test_any_outputs(agrees: Agrees, op: str, outputs: str) -> None:
    if op == "LSTM" or "c" not in outputs:
        given = weights(op)
        agrees(text(op, "x, w, r", attributes(op), outputs), w=given["w"], r=given["r"])


def test_clip_and_activations(agrees: Agrees) -> None:
    given = weights("LSTM", 2)
    names = ", ".join(f'"{n}"' for n in ("Sigmoid", "Relu", "Tanh") * 2)
    rest = f', clip=0.3, direction="bidirectional", activations=[{names}]'
    agrees(text("LSTM", "x, w, r", rest), w=given["w"], r=given["r"])


def test_every_length_the_whole_one(agrees: Agrees) -> None:
    given = weights("LSTM")
    lengths = np.full(BATCH, STEPS, np.int32)
    agrees(text("LSTM", "x, w, r, b, n", ""), n=lengths, **{n: given[n] for n in "wrb"})


def test_weights_may_be_inputs(agrees: Agrees) -> None:
    shapes = weights("GRU")
    inputs = ", ".join(f"float[{','.join(map(str, shapes[n]))}] {n}" for n in "wrb")
    body = text("GRU", "x, w, r, b", attributes("GRU"))
    agrees(body.replace("] x)", f"] x, {inputs})"))


@pytest.mark.parametrize(
    ("op", "rest", "why"),
    [
        ("LSTM", ', activations=["Swish", "Tanh", "Tanh"]', "activation swish"),
        ("RNN", ', activations=["ScaledTanh"]', "scaledtanh needs activation_alpha"),
        ("RNN", ', activations=["Elu"], activation_alpha=[1.0, 2.0]', "1 are needed"),
        ("LSTM", ', activations=["Sigmoid", "Tanh"]', "3 a direction"),
        ("LSTM", ', direction="up"', "direction 'up'"),
    ],
)
def test_refusals(load: Agrees, op: str, rest: str, why: str) -> None:
    given = weights(op, 2 if "bidirectional" in rest else 1)
    with pytest.raises(ModelError, match=why):
        load(text(op, "x, w, r", rest), w=given["w"], r=given["r"])


@pytest.mark.parametrize(
    ("op", "direction"), [("LSTM", "forward"), ("GRU", "reverse"), ("RNN", "bidirectional")]
)
def test_lengths_at_run_time(agrees: Agrees, op: str, direction: str) -> None:
    given = weights(op, 2 if direction == "bidirectional" else 1)
    body = text(op, "x, w, r, b, n, h0", attributes(op, f', clip=0.9, direction="{direction}"'))
    body = body.replace("] x)", f"] x, int32[{BATCH}] n)")
    agrees(body, feeds={"n": LENGTHS}, **{n: given[n] for n in ("w", "r", "b", "h0")})


def test_lengths_of_a_constant(agrees: Agrees) -> None:
    given = weights("LSTM")
    body = text("LSTM", "x, w, r, b, n, h0, c0, p", "")
    agrees(body, n=LENGTHS, **{n: given[n] for n in ("w", "r", "b", "h0", "c0", "p")})


@pytest.mark.parametrize("direction", ["reverse", "bidirectional"])
def test_the_reset_before_the_product(agrees: Agrees, direction: str) -> None:
    given = weights("GRU", 2 if direction == "bidirectional" else 1)
    body = text("GRU", "x, w, r, b, , h0", f', clip=0.9, direction="{direction}"')
    agrees(body, **{n: given[n] for n in ("w", "r", "b", "h0")})


@pytest.mark.parametrize("states", ["h0, c0", "h0, c0, p"])
def test_coupled_gates(agrees: Agrees, states: str) -> None:
    given = weights("LSTM")
    names = f"w, r, b, {states}".split(", ")
    body = text("LSTM", f"x, w, r, b, , {states}", ", input_forget=1")
    agrees(body, **{n: given[n] for n in names})


@pytest.mark.parametrize(
    "rest",
    [
        'activations=["Affine"], activation_alpha=[0.3], activation_beta=[0.2]',
        'activations=["LeakyRelu"]',
        'activations=["ThresholdedRelu"], activation_alpha=[0.4]',
        'activations=["ScaledTanh"], activation_alpha=[1.3], activation_beta=[0.7]',
        'activations=["HardSigmoid"]',
        'activations=["Elu"], activation_alpha=[0.4]',
        'activations=["Softsign"]',
        'activations=["Softplus"]',
        'activations=["Tanh", "HardSigmoid"], direction="bidirectional", activation_alpha=[0.3]',
    ],
)
def test_activations(agrees: Agrees, rest: str) -> None:
    given = weights("RNN", 2 if "bidirectional" in rest else 1)
    agrees(text("RNN", "x, w, r", f", {rest}"), w=given["w"], r=given["r"])


def test_activations_take_their_numbers_in_order(agrees: Agrees) -> None:
    given = weights("LSTM")
    rest = ', activations=["HardSigmoid", "Tanh", "LeakyRelu"], activation_alpha=[0.3, 0.4]'
    body = text("LSTM", "x, w, r", rest + ", activation_beta=[0.4]")
    agrees(body, w=given["w"], r=given["r"])


def test_every_activation_has_a_kernel() -> None:
    assert recurrent.ACTIVATIONS.keys() == cells.ACTIVATIONS.keys()


@pytest.mark.parametrize("op", GATES)
def test_batches_first_over_many_steps(agrees: Agrees, op: str) -> None:
    """ONNX Runtime has no layout 1: the standard's evaluator answers, which knows one direction."""
    given = weights(op, layout=1)
    body = text(op, "x, w, r, b, , h0", attributes(op), layout=1).replace(f",{STEPS},", ",100,")
    agrees(body, **{n: given[n] for n in ("w", "r", "b", "h0")})


@pytest.mark.parametrize("kind", ["float16", "double"])
def test_other_types_are_computed_as_float32(agrees: Agrees, kind: str) -> None:
    arrays = {
        name: np.random.default_rng(0).standard_normal(dims).astype(kind)
        for name, dims in weights("GRU").items()
        if name in "wrb"
    }
    body = text("GRU", "x, w, r, b", attributes("GRU")).replace("float[", f"{kind}[")
    agrees(body, tolerance=2e-3, **arrays)
