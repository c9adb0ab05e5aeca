"""Recurrent layers against ONNX Runtime; what would be silently wrong is refused."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model, ModelError

Agrees = Callable[..., Model]

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


def test_many_steps_are_not_written_out(load: Agrees) -> None:
    with pytest.raises(ModelError, match="100 steps are too many"):
        load(
            "g (float[100,1,3] x) => (float[] y) { y = GRU<hidden_size=2>(x, w, r) }",
            w=(1, 6, 3),
            r=(1, 6, 2),
        )
