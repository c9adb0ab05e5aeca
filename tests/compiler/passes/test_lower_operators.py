"""compiler/passes/lower_operators.py: the same answers by operators that have kernels."""

from pathlib import Path

import numpy as np
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


def test_a_softmax_is_along_the_last_axis(tmp_path: Path) -> None:
    body = "y = Softmax <axis = {}> (x)"
    signature = "(float[2, 3, 4] x) => (float[2, 3, 4] y)"
    moved = ["relax.permute_dims", "relax.nn.softmax", "relax.permute_dims"]
    x = random(2, 3, 4)
    assert lowered(nets.text(signature, body.format(1)), tmp_path, x) == moved
    assert lowered(nets.text(signature, body.format(-1)), tmp_path, x) == ["relax.nn.softmax"]
    wide = nets.text("(float[2, 3, 16] x) => (float[2, 3, 16] y)", body.format(1))
    assert lowered(wide, tmp_path, random(2, 3, 16)) == ["relax.nn.softmax"]


def test_a_product_is_of_matrices(tmp_path: Path) -> None:
    text = nets.text(
        "(float[3] x, float[2, 3, 4] m, float[4] z) => (a, b, c)",
        "a = MatMul(x, m) b = MatMul(m, z) c = MatMul(x, x)",
    )
    operators = lowered(text, tmp_path, random(3), random(2, 3, 4), random(4))
    assert set(operators) == {"relax.reshape", "relax.matmul"}


def test_an_output_has_a_place_of_its_own(tmp_path: Path) -> None:
    text = nets.text(
        "(float[2, 3] x) => (float[2, 3] same, float[6] flat, float[2] fixed, float[2, 3] r)",
        "same = Identity(x) flat = Reshape(x, to) fixed = Identity(k) r = Relu(x)",
        {"to": np.array([6]), "k": np.array([1, 2], np.float32)},
    )
    operators = lowered(text, tmp_path, random(2, 3))
    assert operators.count("relax.astype") == 3  # as they are: copies
    assert operators.count("relax.nn.relu") == 1


def test_a_transpose_of_ones_is_a_reshape(tmp_path: Path) -> None:
    text = nets.text(
        "(float[1, 3, 1, 4] x) => (float[3, 1, 4, 1] y, float[4, 1, 1, 3] z)",
        "y = Transpose <perm = [1, 2, 3, 0]> (x) z = Transpose <perm = [3, 0, 2, 1]> (x)",
    )
    operators = lowered(text, tmp_path, random(1, 3, 1, 4))
    assert sorted(operators) == ["relax.astype", "relax.permute_dims", "relax.reshape"]


def test_what_has_kernels_is_left_alone(tmp_path: Path) -> None:
    text = nets.text("(float[2, 3] x) => (float[2, 3] y)", "a = Relu(x) y = Exp(a)")
    module = nets.load(text, tmp_path).module
    tvm.ir.assert_structural_equal(lower_operators(module), module)


def test_a_pointwise_convolution_reads_only_the_pixels_it_needs(tmp_path: Path) -> None:
    text = nets.text(
        "(float[1, 2, 5, 4] x) => (float[1, 3, 3, 2] y)",
        "y = Conv <strides = [2, 2]> (x, w)",
        {"w": random(3, 2, 1, 1)},
    )
    operators = lowered(text, tmp_path, random(1, 2, 5, 4))
    assert operators == ["relax.strided_slice", "relax.nn.conv2d"]
