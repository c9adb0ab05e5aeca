"""compiler/passes/pack_layout.py: where tensors are packed, and where they cannot stay so.

That packed operators compute what they should is tested with their kernels.
"""

from pathlib import Path

import numpy as np
import pytest
from tvm import relax

from compiler.passes.pack_layout import pack_layout
from tests.compiler import nets

LANES = 8
RNG = np.random.default_rng(0)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


WEIGHTS = {
    "w": random(16, 16, 1, 1),
    "odd": random(12, 16, 1, 1),
    "d": random(16, 1, 3, 3),
    "deep": random(24, 1, 3, 3),
    "rgb": random(16, 3, 3, 3),
    "many": random(576, 1),
    "from": np.array([5]),
    "to": np.array([21]),
    "one": np.array([1]),
}
X = "float[1, 16, 6, 6] x"


def packed(body: str, folder: Path, inputs: str = X, result: str = "y") -> list[str]:
    """The operators behind the pass, without their prefixes."""
    constants = {name: array for name, array in WEIGHTS.items() if f", {name}" in body}
    module = nets.load(nets.text(f"({inputs}) => ({result})", body, constants), folder).module
    return [name.split(".")[-1] for name in nets.operators(pack_layout(module, LANES)["main"])]


@pytest.mark.parametrize(
    ("body", "operators"),
    [
        ("y = Conv(x, w)", ["pack", "conv2d", "unpack"]),
        ("y = Conv <group = 16> (x, d)", ["pack", "depthwise", "unpack"]),
        # Packed once, and plain again at the end.
        (
            "a = Conv(x, w) r = Relu(a) p = MaxPool <kernel_shape = [2, 2]> (r) y = Conv(p, w)",
            ["pack", "conv2d", "relu", "max_pool2d", "conv2d", "unpack"],
        ),
        # A residual: both branches read the one packed tensor.
        (
            "a = Conv(x, w) s = Conv(a, w) y = Add(s, a)",
            ["pack", "conv2d", "conv2d", "add", "unpack"],
        ),
        # A mean over height and width, and what normalises by it.
        (
            "a = Conv(x, w) m = GlobalAveragePool(a) g = Sigmoid(m) y = Mul(a, g)",
            ["pack", "conv2d", "mean", "sigmoid", "multiply", "unpack"],
        ),
        # ... with fewer weights than pixels those of the next convolution are scaled,
        (
            "a = Conv(x, w) m = GlobalAveragePool(a) g = Sigmoid(m) b = Mul(a, g) y = Conv(b, w)",
            [*"pack conv2d mean sigmoid reshape reshape multiply conv2d unpack".split()],
        ),
        # ... unless somebody else reads the pixels.
        (
            "a = Conv(x, w) m = GlobalAveragePool(a) b = Mul(m, a) c = Conv(b, w) y = Add(b, c)",
            ["pack", "conv2d", "mean", "multiply", "conv2d", "add", "unpack"],
        ),
        # Whole panels are put side by side and taken apart.
        (
            "a = Conv(x, w) c = Concat <axis = 1> (a, a) y = Relu(c)",
            ["pack", "conv2d", "concat", "relu", "unpack"],
        ),
        # Panels that do not end where the tensor does: their channels are picked,
        (
            "a = Conv(x, odd) c = Concat <axis = 1> (a, a) y = Conv <group = 24> (c, deep)",
            ["pack", "conv2d", "select", "depthwise", "unpack"],
        ),
        # ... by the next convolution itself if it can,
        (
            "a = Conv(x, odd) c = Concat <axis = 1> (a, x) d = Slice(c, from, to, one)"
            " y = Conv(d, w)",
            ["pack", "conv2d", "concat", "gathered_conv2d", "unpack"],
        ),
        # ... and plain for somebody who reads them so.
        (
            "a = Conv(x, odd) y = Concat <axis = 1> (a, a)",
            ["pack", "conv2d", "unpack", "concat"],
        ),
        # What mixes the channels reads the plain tensor.
        (
            "a = Conv(x, w) y = Transpose <perm = [0, 2, 3, 1]> (a)",
            ["pack", "conv2d", "unpack", "permute_dims"],
        ),
        # ... but all of it in a row, times a constant,
        (
            "a = Conv(x, w) f = Flatten(a) y = MatMul(f, many)",
            ["pack", "conv2d", "reshape", "matmul"],
        ),
        # ... unless somebody reads the row itself.
        (
            "a = Conv(x, w) f = Flatten(a) b = MatMul(f, many) y = Add(b, f)",
            ["pack", "conv2d", "unpack", "reshape", "matmul", "add"],
        ),
        # Nothing to gain without a convolution.
        ("a = Relu(x) y = Exp(a)", ["relu", "exp"]),
    ],
)
def test_tensors_stay_packed(body: str, operators: list[str], tmp_path: Path) -> None:
    assert packed(body, tmp_path) == operators


def test_an_image_of_few_channels_is_read_as_it_is(tmp_path: Path) -> None:
    operators = packed("y = Conv(x, rgb)", tmp_path, "float[1, 3, 6, 6] x")
    assert operators == ["conv2d", "unpack"]


def test_an_image_of_few_channels_is_read_with_its_channels_last(tmp_path: Path) -> None:
    body = "a = Transpose <perm = [0, 3, 1, 2]> (x) y = Conv(a, rgb)"
    operators = packed(body, tmp_path, "float[1, 6, 6, 3] x")
    assert operators == ["reshape", "conv2d", "unpack"]


def test_one_pixel_is_packed_by_its_shape(tmp_path: Path) -> None:
    """[1, 16, 1, 1] and [1, 2, 1, 1, 8] are the same bytes."""
    operators = packed("y = Conv(x, w)", tmp_path, "float[1, 16, 1, 1] x")
    assert operators == ["reshape", "conv2d", "reshape"]


class Packed:
    """Costs that want everything packed."""

    def operator(self, call: relax.Call, packed: bool) -> float:
        return float(not packed)

    def transform(self, shape: tuple[int, ...]) -> float:
        return 0.0


def test_a_constant_image_is_packed_when_compiled(tmp_path: Path) -> None:
    pool = "p = MaxPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (image)"
    text = nets.text(f"({X}) => (y)", f"{pool} y = Add(p, x)", {"image": random(1, 16, 6, 6)})
    main = pack_layout(nets.load(text, tmp_path).module, LANES, Packed())["main"]
    names = [name.split(".")[-1] for name in nets.operators(main)]
    assert names == ["max_pool2d", "pack", "add", "unpack"]
