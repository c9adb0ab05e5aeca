"""compiler/passes/open_windows.py: a border becomes a copy with margins."""

from pathlib import Path

import numpy as np
import pytest

from compiler.passes.open_windows import open_windows
from tests.compiler import nets

RNG = np.random.default_rng(0)
SIGNATURE = "(float[1, 2, 5, 6] x, float[3, 2, 3, 3] w) => (y)"


def opened(body: str, folder: Path) -> list[str]:
    module = open_windows(nets.load(nets.text(SIGNATURE, body), folder).module)
    return nets.operators(module["main"])


@pytest.mark.parametrize(
    "attributes", ["pads = [1, 0, 2, 1]", "strides = [2, 1]", "pads = [1, 1, 1, 1]"]
)
def test_a_convolution_computes_the_same(attributes: str, tmp_path: Path) -> None:
    module = nets.load(nets.text(SIGNATURE, f"y = Conv <{attributes}> (x, w)"), tmp_path).module
    after = open_windows(module)
    assert nets.operators(after["main"])[-1] == "relax.nn.conv2d"
    assert ("relax.nn.pad" in nets.operators(after["main"])) == ("pads" in attributes)
    x, w = (RNG.standard_normal(s).astype(np.float32) for s in ((1, 2, 5, 6), (3, 2, 3, 3)))
    [got], [expected] = nets.evaluate(after, x, w), nets.evaluate(module, x, w)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("body", "operators"),
    [
        ("y = MaxPool <kernel_shape = [2, 2]> (x)", ["neoc.max_window"]),
        (
            "y = MaxPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x)",
            ["relax.nn.pad", "neoc.max_window"],
        ),
        (
            "y = MaxPool <kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1> (x)",
            ["relax.nn.pad", "neoc.max_window"],
        ),
        (
            "y = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x)",
            ["relax.nn.pad", "neoc.sum_window", "relax.multiply"],
        ),
    ],
)
def test_pools_read_windows(body: str, operators: list[str], tmp_path: Path) -> None:
    assert opened(body, tmp_path) == operators


@pytest.mark.parametrize("include", [0, 1])
def test_a_mean_is_over_what_it_counts(include: int, tmp_path: Path) -> None:
    body = f"""y = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1],
        count_include_pad = {include}> (x)"""
    main = open_windows(nets.load(nets.text(SIGNATURE, body), tmp_path).module)["main"]
    [multiply] = [b.value for b in main.body.blocks[0].bindings if "multiply" in str(b.value)]
    share = multiply.args[1].value.numpy()
    assert share[0, 0, 0, 0] == np.float32(1 / 9 if include else 1 / 4)
    assert share[0, 0, 1, 1] == np.float32(1 / 9)


def test_what_has_no_window_is_left_alone(tmp_path: Path) -> None:
    assert opened("y = Relu(x)", tmp_path) == ["relax.nn.relu"]
