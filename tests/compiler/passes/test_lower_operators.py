"""compiler/passes/lower_operators.py: the same answers by operators that have kernels."""

from pathlib import Path

import numpy as np
import pytest
import tvm

from compiler.passes.lower_operators import lower_operators
from tests.compiler import nets

RNG = np.random.default_rng(0)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def lowered(text: str, folder: Path, *inputs: np.ndarray) -> list[str]:
    """The operators after the pass, which must compute the same as before it."""
    module = nets.load(text, folder).module
    after = lower_operators(module)
    pairs = zip(nets.evaluate(after, *inputs), nets.evaluate(module, *inputs), strict=True)
    for got, expected in pairs:
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    return nets.operators(after["main"])


def test_a_split_is_slices(tmp_path: Path) -> None:
    text = nets.text(
        "(float[2, 5] x) => (float[2, 2] a, float[2, 3] b)",
        "a, b = Split <axis = -1> (x, s)",
        {"s": np.array([2, 3])},
    )
    assert lowered(text, tmp_path, random(2, 5)) == ["relax.strided_slice"] * 2


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


@pytest.mark.parametrize(("kernel", "attributes", "groups"), TRANSPOSED)
def test_a_transposed_convolution_is_one_convolution(
    kernel: tuple[int, int], attributes: str, groups: int, tmp_path: Path
) -> None:
    text = nets.text(
        "(float[1, 4, 5, 6] x) => (y)",
        f"y = ConvTranspose <{attributes}, group = {groups}> (x, w)",
        {"w": random(4, 3, *kernel)},
    )
    operators = lowered(text, tmp_path, random(1, 4, 5, 6))
    assert operators.count("relax.nn.conv2d") == 1
    assert "relax.nn.conv2d_transpose" not in operators


def test_an_output_has_a_place_of_its_own(tmp_path: Path) -> None:
    text = nets.text(
        "(float[2, 3] x) => (float[2, 3] same, float[6] flat, float[2] fixed, float[2, 3] r)",
        "same = Identity(x) flat = Reshape(x, to) fixed = Identity(k) r = Relu(x)",
        {"to": np.array([6]), "k": np.array([1, 2], np.float32)},
    )
    operators = lowered(text, tmp_path, random(2, 3))
    assert operators.count("relax.astype") == 3  # as they are: copies
    assert operators.count("relax.nn.relu") == 1


def test_what_has_kernels_is_left_alone(tmp_path: Path) -> None:
    text = nets.text("(float[2, 3] x) => (float[2, 3] y)", "a = Relu(x) y = Softmax(a)")
    module = nets.load(text, tmp_path).module
    tvm.ir.assert_structural_equal(lower_operators(module), module)
