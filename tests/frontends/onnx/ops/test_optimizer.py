"""Steps of optimizers against the standard's evaluator."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import ModelError

Convert = Callable[..., None]
DOMAIN = "ai.onnx.preview.training"
RATE = np.float32(0.1)
ADAM = {"alpha": 0.9, "beta": 0.99, "norm_coefficient": 0.01, "norm_coefficient_post": 0.1}
MOMENTUM = {"alpha": 0.9, "beta": 0.7, "norm_coefficient": 0.01}


def tensors(kinds: int, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """The last kind is of squares."""
    rng = np.random.default_rng(0)
    made = [rng.standard_normal(s).astype(np.float32) for _ in range(kinds) for s in shapes]
    return [abs(x) for x in made]


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize(
    ("op", "kinds", "attributes"),
    [
        ("Adagrad", 3, {"decay_factor": 0.1, "epsilon": 1e-5, "norm_coefficient": 0.01}),
        ("Adam", 4, ADAM),
        ("Momentum", 3, MOMENTUM | {"mode": "standard"}),
        ("Momentum", 3, MOMENTUM | {"mode": "nesterov"}),
    ],
)
def test_a_step(
    classical: Convert, op: str, kinds: int, attributes: dict[str, object], count: int
) -> None:
    inputs = [RATE, np.int64(count), *tensors(kinds, (2, 3), (4,))]
    classical(op, inputs, attributes, 1, DOMAIN, 2 * (kinds - 1))


def test_tensors_that_do_not_pair_are_refused(classical: Convert) -> None:
    with pytest.raises(ModelError, match="4 tensors are not 3 for each weight"):
        inputs = [RATE, np.int64(1), *tensors(2, (2,), (3,))]
        classical("Adagrad", inputs, {}, 1, DOMAIN, 2)


def test_gradients_are_refused(classical: Convert) -> None:
    with pytest.raises(ModelError, match="it is for training"):
        classical("Gradient", tensors(1, (2,)), {"xs": ["x0"], "y": "x0"}, 1, DOMAIN, 1)
