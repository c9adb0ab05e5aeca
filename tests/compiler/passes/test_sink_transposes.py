"""compiler/passes/sink_transposes.py: where transposes end up, and that results stay the same."""

from pathlib import Path

import numpy as np
import pytest

from compiler.passes.sink_transposes import sink_transposes
from tests.compiler import nets

RNG = np.random.default_rng(0)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


CONSTANTS = {
    "w": random(4, 4, 1, 1),
    "line": random(4, 4, 3),
    "dense": random(4, 5),
    "rows": random(4 * 6 * 5, 2),
    "scale": random(4),
    "map": random(5, 4),
    "around": np.array([0, 1, 2, 0, 0, 1, 0, 3]),
    "from": np.array([1]),
    "to": np.array([3]),
    "last": np.array([3]),
    "row": np.array([1, -1]),
}
FIRST, LAST = "Transpose <perm = [0, 3, 1, 2]>", "Transpose <perm = [0, 2, 3, 1]>"
X = "float[1, 6, 5, 4] x"  # channels last
CONV = f"t = {FIRST} (x) c = Conv(t, w) a = {LAST} (c)"  # a as x


def sunk(body: str, folder: Path, inputs: str = X, shape: tuple[int, ...] = (1, 6, 5, 4)) -> str:
    """The operators behind the pass, without their prefixes; the result is what it was."""
    constants = {name: array for name, array in CONSTANTS.items() if f", {name})" in body}
    constants |= {name: array for name, array in CONSTANTS.items() if f", {name}," in body}
    module = nets.load(nets.text(f"({inputs}) => (y)", body, constants), folder).module
    after = sink_transposes(module)
    x = random(*shape)
    for got, want in zip(nets.evaluate(after, x), nets.evaluate(module, x), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    return " ".join(name.split(".")[-1] for name in nets.operators(after["main"]))


@pytest.mark.parametrize(
    ("body", "operators"),
    [
        # Down to the result, through whatever may run in either order.
        (f"{CONV} r = Relu(a) y = Mul(r, scale)", "permute_dims conv2d relu multiply permute_dims"),
        (f"{CONV} y = Mul(a, map)", "permute_dims conv2d multiply permute_dims"),
        (f"{CONV} y = Pad(a, around)", "permute_dims conv2d pad permute_dims"),
        (
            f"{CONV} y = Slice(a, from, to, last)",
            "permute_dims conv2d strided_slice permute_dims",
        ),
        (f"{CONV} y = Concat <axis = 3> (a, a)", "permute_dims conv2d concat permute_dims"),
        (
            f"{CONV} b, d = Split <axis = 3> (a) y = Add(b, d)",
            "permute_dims conv2d split add permute_dims",
        ),
        # Pairs cancel: between convolutions there is none.
        (
            f"{CONV} r = Relu(a) s = {FIRST} (r) d = Conv(s, w) e = Add(d, c) y = {LAST} (e)",
            "permute_dims conv2d relu conv2d add permute_dims",
        ),
        # Inputs are transposed once, whoever reads them.
        (f"{CONV} y = Add(a, x)", "permute_dims conv2d add permute_dims"),
        # Global pools, and gates that are computed from one.
        (
            f"{CONV} y = ReduceMean <axes = [1, 2], keepdims = 0> (a)",
            "permute_dims conv2d mean reshape",
        ),
        (
            f"{CONV} m = ReduceMean <axes = [1, 2]> (a) s = {FIRST} (m) g = Conv(s, w)"
            f" h = {LAST} (g) y = Mul(a, h)",
            "permute_dims conv2d mean conv2d multiply permute_dims",
        ),
        # A dense layer of every pixel, and one of all pixels.
        (f"{CONV} y = MatMul(a, dense)", "permute_dims conv2d conv2d permute_dims"),
        (f"{CONV} f = Reshape(a, row) y = MatMul(f, rows)", "permute_dims conv2d reshape matmul"),
        # What was made in the other order ends the way down,
        (
            f"{CONV} b = Softmax <axis = 3> (a) y = Add(a, b)",
            "permute_dims conv2d permute_dims softmax add",
        ),
        # ... so does what reads the channels side by side.
        (
            f"{CONV} m = ReduceMean <axes = [3]> (a) y = Sub(a, m)",
            "permute_dims conv2d permute_dims mean subtract",
        ),
    ],
)
def test_where_transposes_end(body: str, operators: str, tmp_path: Path) -> None:
    assert sunk(body, tmp_path) == operators


def test_convolutions_of_one_axis(tmp_path: Path) -> None:
    """Neither transposes nor reshapes between them."""
    inputs, shape = "float[1, 9, 4] x", (1, 9, 4)
    flip = "Transpose <perm = [0, 2, 1]>"
    body = (
        f"a = {flip} (x) b = Conv(a, line) c = {flip} (b) d = Relu(c) e = Mul(d, scale)"
        f" f = {flip} (e) g = Conv(f, line) h = {flip} (g)"
        " y = ReduceMean <axes = [1], keepdims = 0> (h)"
    )
    operators = sunk(body, tmp_path, inputs, shape)
    assert operators == "reshape permute_dims conv2d relu multiply conv2d mean reshape"


def test_heads_are_no_images(tmp_path: Path) -> None:
    body = "a = Transpose <perm = [0, 2, 1, 3]> (x) y = Relu(a)"
    assert sunk(body, tmp_path) == "permute_dims relu"


def test_a_network_with_its_channels_last_moves_nothing(tmp_path: Path) -> None:
    """As converters from TensorFlow write them: no kernel only moves data, the input's included."""
    constants = {
        "stem": random(16, 3, 3, 3),
        "bias": random(16),
        "deep": random(16, 1, 3, 3),
        "wide": random(32, 16, 1, 1),
        "dense": random(32, 5),
        "zero": np.zeros(1, np.float32),
        "six": np.full(1, 6, np.float32),
        "to": np.array([1, 32]),
    }
    body = f"""
        a = {FIRST} (x) b = Conv <strides = [2, 2], pads = [0, 0, 1, 1]> (a, stem, bias)
        c = Relu(b) d = Conv <group = 16, pads = [1, 1, 1, 1]> (c, deep)
        e = Max(d, zero) f = Min(e, six) g = Conv(f, wide) h = {LAST} (g)
        m = ReduceMean <axes = [1, 2], keepdims = 0> (h) r = Reshape(m, to) y = MatMul(r, dense)
    """
    net = nets.text("(float[1, 16, 16, 3] x) => (float[1, 5] y)", body, constants)
    kernels = nets.lower(nets.load(net, tmp_path)).kernels.values()
    assert {kernel.work.operator.split(".")[-1] for kernel in kernels} == {
        *("conv2d", "depthwise", "mean", "matmul")
    }
