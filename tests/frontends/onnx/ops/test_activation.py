"""Activations, and softmax before and after opset 13."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model, ModelError
from tests.frontends.onnx.conftest import execute

Agrees = Callable[..., Model]

ACTIVATIONS = [
    "Celu<alpha=2.0>", "Elu<alpha=0.5>", "HardSigmoid", "HardSwish", "LeakyRelu<alpha=0.3>",
    "Mish", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "ThresholdedRelu<alpha=0.5>",
]  # fmt: skip


@pytest.mark.parametrize("op", ACTIVATIONS)
def test_activation(agrees: Agrees, op: str) -> None:
    feeds = {"x": np.array([[-100, -3, -0.5, 0, 0.5, 3, 80]], np.float32)}
    agrees(f"g (float[1,7] x) => (float[1,7] y) {{ y = {op}(x) }}", 18, feeds=feeds)


def test_what_is_almost_nothing_keeps_its_digits(load: Agrees) -> None:
    model = load("g (float[3] x) => (float[3] y) { y = Softplus(x) }")
    x = np.array([-14, -17, -30], np.float32)
    [got] = execute(model, {"x": x})
    np.testing.assert_allclose(got, np.log1p(np.exp(x.astype(np.float64))), rtol=1e-6)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(agrees: Agrees, approximate: str) -> None:
    agrees(f'g (float[3,7] x) => (float[] y) {{ y = Gelu<approximate="{approximate}">(x) }}', 20)


@pytest.mark.parametrize("slope", [(3, 1, 1), (1,), (5,), (1, 3, 1, 1), (3, 4, 5)])
def test_prelu(agrees: Agrees, slope: tuple[int, ...]) -> None:
    agrees("g (float[2,3,4,5] x) => (float[] y) { y = PRelu(x, s) }", s=slope)


def test_prelu_of_channels_before_opset_7(load: Agrees) -> None:
    model = load("g (float[2,3,4,3] x) => (float[] y) { y = PRelu(x, s) }", 6, s=(3,))
    scaled = model.module["main"].body.blocks[0].bindings[1].value
    assert [int(d) for d in scaled.args[1].ty.shape] == [3, 1, 1]


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize(("opset", "axis"), [(11, 1), (11, 2), (11, -1), (13, 1), (13, -1)])
def test_softmax(agrees: Agrees, op: str, opset: int, axis: int) -> None:
    agrees(f"g (float[2,3,4] x) => (float[2,3,4] y) {{ y = {op}<axis={axis}>(x) }}", opset)


def test_an_axis_outside_the_rank_is_refused(load: Agrees) -> None:
    with pytest.raises(ModelError, match="axis 3 is outside a tensor of rank 2"):
        load("g (float[2,3] x) => (float[2,3] y) { y = Softmax<axis=3>(x) }")
