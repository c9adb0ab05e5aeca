"""Recurrent layers written out, against ONNX Runtime."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model
from tests.frontends.onnx.ops.test_recurrent import BATCH, attributes, text, weights

Agrees = Callable[..., Model]

LENGTHS = np.array([3, 1], np.int32)


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
