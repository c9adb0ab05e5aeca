"""compiler/passes/fold_affine.py: batch normalisation vanishes into its convolution."""

from pathlib import Path

import numpy as np
import pytest

from compiler.passes.fold_affine import fold_affine
from tests.compiler import nets

RNG = np.random.default_rng(0)
W, B, S, T, P = (
    RNG.standard_normal(shape).astype(np.float32)
    for shape in ((3, 2, 3, 3), (3,), (3, 1, 1), (1, 3, 1, 1), (1, 1, 4, 4))
)
CONSTANTS = {"w": W, "b": B, "s": S, "t": T, "p": P}
SIGNATURE = "(float[1, 2, 6, 6] x) => (float[1, 3, 4, 4] y)"
CONV, ADD, MULTIPLY = "relax.nn.conv2d", "relax.add", "relax.multiply"


def folded(body: str, folder: Path) -> list[str]:
    """The operators after the pass, which must compute the same as before it."""
    constants = {name: array for name, array in CONSTANTS.items() if name in body}
    module = nets.load(nets.text(SIGNATURE, body, constants), folder).module
    after = fold_affine(module)
    x = RNG.standard_normal((1, 2, 6, 6)).astype(np.float32)
    for got, expected in zip(nets.evaluate(after, x), nets.evaluate(module, x), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    return nets.operators(after["main"])


@pytest.mark.parametrize(
    "body",
    [
        "c = Conv(x, w, b) m = Mul(c, s) y = Add(m, t)",
        "c = Conv(x, w, b) m = Mul(s, c) y = Add(t, m)",
        "c = Conv(x, w) m = Mul(c, s) y = Add(m, t)",
        "c = Conv(x, w) a = Add(c, t) y = Mul(a, s)",
        "c = Conv(x, w, b) y = Mul(c, s)",
        "c = Conv(x, w, b) y = Add(c, t)",
    ],
)
def test_channel_constants_go_into_the_convolution(body: str, tmp_path: Path) -> None:
    assert folded(body, tmp_path) == [CONV, ADD]


def test_a_scale_alone_leaves_no_trace(tmp_path: Path) -> None:
    assert folded("c = Conv(x, w) y = Mul(c, s)", tmp_path) == [CONV]


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("c = Conv(x, w) y = Mul(c, p)", [CONV, MULTIPLY]),  # differs from place to place
        ("c = Conv(x, w) m = Mul(c, s) y = Add(m, c)", [CONV, MULTIPLY, ADD]),  # c is read twice
        ("c = Conv(x, w) r = Relu(c) y = Mul(r, s)", [CONV, "relax.nn.relu", MULTIPLY]),
    ],
)
def test_what_cannot_be_folded_stays(body: str, kept: list[str], tmp_path: Path) -> None:
    assert folded(body, tmp_path) == kept


def test_transposed_convolutions_have_their_channels_elsewhere(tmp_path: Path) -> None:
    constants = {"w": np.ascontiguousarray(W.transpose(1, 0, 2, 3)), "s": S, "t": T}
    body = "c = ConvTranspose(x, w) m = Mul(c, s) y = Add(m, t)"
    signature = "(float[1, 2, 6, 6] x) => (float[1, 3, 8, 8] y)"
    module = nets.load(nets.text(signature, body, constants), tmp_path).module
    after = fold_affine(module)
    assert nets.operators(after["main"]) == ["relax.nn.conv2d_transpose", ADD]
    x = RNG.standard_normal((1, 2, 6, 6)).astype(np.float32)
    [got], [expected] = nets.evaluate(after, x), nets.evaluate(module, x)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
