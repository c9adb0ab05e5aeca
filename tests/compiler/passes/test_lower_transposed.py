"""compiler/passes/lower_transposed.py: by phases where the weights are known, else stretched."""

from pathlib import Path

import numpy as np
import pytest

from compiler.passes.lower_transposed import lower_transposed
from tests.compiler import nets

RNG = np.random.default_rng(0)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


# kernel, attributes, groups
TRANSPOSED = [
    ((2, 2), "strides = [2, 2]", 1),
    ((3, 3), "strides = [2, 2], pads = [1, 1, 1, 1]", 1),
    ((3, 3), "strides = [2, 2], pads = [1, 1, 1, 1], output_padding = [1, 1]", 1),
    ((4, 4), "strides = [2, 2], pads = [1, 1, 1, 1]", 2),
    ((3, 2), "strides = [3, 1], pads = [0, 1, 2, 0]", 1),
    ((2, 2), "strides = [3, 3]", 1),  # rows of the output that no weight reaches
    ((3, 3), "dilations = [2, 2], strides = [2, 2]", 1),
    ((1, 1), "strides = [2, 2], pads = [1, 1, 1, 1]", 1),
    ((5, 5), "pads = [4, 4, 4, 4]", 1),
]


def check(text: str, folder: Path, *inputs: np.ndarray) -> None:
    """One convolution and no transposed one, which computes the same."""
    module = nets.load(text, folder).module
    after = lower_transposed(module)
    operators = nets.operators(after["main"])
    assert operators.count("relax.nn.conv2d") == 1
    assert "relax.nn.conv2d_transpose" not in operators
    [got], [expected] = nets.evaluate(after, *inputs), nets.evaluate(module, *inputs)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kernel", "attributes", "groups"), TRANSPOSED)
def test_a_transposed_convolution_is_one_convolution(
    kernel: tuple[int, int], attributes: str, groups: int, tmp_path: Path
) -> None:
    body = f"y = ConvTranspose <{attributes}, group = {groups}> (x, w)"
    x, weight = random(1, 4, 5, 6), random(4, 3, *kernel)
    known = nets.text("(float[1, 4, 5, 6] x) => (y)", body, {"w": weight})
    check(known, tmp_path, x)
    signature = f"(float[1, 4, 5, 6] x, float[4, 3, {kernel[0]}, {kernel[1]}] w) => (y)"
    check(nets.text(signature, body), tmp_path, x, weight)
