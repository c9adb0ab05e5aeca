"""compiler/passes/order_pools.py: means of windows before or behind 1x1 convolutions."""

from pathlib import Path

import numpy as np
import pytest

from compiler.passes.order_pools import order_pools
from tests.compiler import nets

RNG = np.random.default_rng(0)
CONV, ADD, POOL = "relax.nn.conv2d", "relax.add", "relax.nn.avg_pool2d"
WEIGHTS = {
    "same": (4, 4, 1, 1),
    "fewer": (2, 4, 1, 1),
    "more": (9, 4, 1, 1),
    "grouped": (4, 2, 1, 1),
    "square": (4, 4, 3, 3),
}
HALVED = "kernel_shape=[2, 2], strides=[2, 2]"
PADDED = f"{HALVED}, pads=[1, 1, 1, 1]"
COUNTED = f"{PADDED}, count_include_pad=1"
SMOOTHED = "kernel_shape=[3, 3], pads=[1, 1, 1, 1]"


def ordered(body: str, weight: str, folder: Path) -> list[str]:
    """The operators after the pass, which must compute the same as before it."""
    shape = WEIGHTS[weight]
    constants = {
        "w": RNG.standard_normal(shape).astype(np.float32),
        "b": RNG.standard_normal(shape[0]).astype(np.float32),
    }
    constants = {name: array for name, array in constants.items() if name in body}
    signature = "(float[2, 4, 6, 7] x) => (float[n, o, h, v] y)"
    module = nets.load(nets.text(signature, body, constants), folder).module
    after = order_pools(module)
    x = RNG.standard_normal((2, 4, 6, 7)).astype(np.float32)
    for got, expected in zip(nets.evaluate(after, x), nets.evaluate(module, x), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    return nets.operators(after["main"])


@pytest.mark.parametrize(
    ("body", "weight"),
    [
        (f"c = Conv(x, w) y = AveragePool<{HALVED}>(c)", "same"),
        (f"c = Conv(x, w) y = AveragePool<{HALVED}>(c)", "fewer"),
        (f"c = Conv<group=2>(x, w) y = AveragePool<{HALVED}>(c)", "grouped"),
        (f"c = Conv(x, w) y = AveragePool<{COUNTED}>(c)", "same"),
        (f"c = Conv(x, w) y = AveragePool<{PADDED}>(c)", "same"),
    ],
)
def test_a_mean_that_leaves_fewer_pixels_comes_first(
    body: str, weight: str, tmp_path: Path
) -> None:
    assert ordered(body, weight, tmp_path) == [POOL, CONV]


def test_a_bias_stays_behind_both(tmp_path: Path) -> None:
    body = f"c = Conv(x, w, b) y = AveragePool<{HALVED}>(c)"
    assert ordered(body, "same", tmp_path) == [POOL, CONV, ADD]


def test_a_mean_of_as_many_pixels_comes_where_channels_are_fewer(tmp_path: Path) -> None:
    behind = f"p = AveragePool<{SMOOTHED}>(x) y = Conv(p, w, b)"
    assert ordered(behind, "fewer", tmp_path) == [CONV, POOL, ADD]
    assert ordered(behind, "more", tmp_path) == [POOL, CONV, ADD]
    before = f"c = Conv(x, w) y = AveragePool<{SMOOTHED}>(c)"
    assert ordered(before, "more", tmp_path) == [POOL, CONV]
    assert ordered(before, "fewer", tmp_path) == [CONV, POOL]


@pytest.mark.parametrize(
    ("body", "weight", "kept"),
    [
        (f"c = Conv(x, w) y = AveragePool<{HALVED}>(c)", "square", [CONV, POOL]),
        (f"c = Conv<strides=[2, 2]>(x, w) y = AveragePool<{HALVED}>(c)", "same", [CONV, POOL]),
        (f"c = Conv(x, w) y = MaxPool<{HALVED}>(c)", "same", [CONV, "relax.nn.max_pool2d"]),
        # where padding counts, so would the bias of pixels that are none
        (f"c = Conv(x, w, b) y = AveragePool<{COUNTED}>(c)", "same", [CONV, ADD, POOL]),
        (f"p = AveragePool<{HALVED}>(x) y = Conv(p, w)", "same", [POOL, CONV]),
    ],
)
def test_what_may_not_change_places(
    body: str, weight: str, kept: list[str], tmp_path: Path
) -> None:
    assert ordered(body, weight, tmp_path) == kept


def test_what_something_else_reads_stays(tmp_path: Path) -> None:
    read_twice = (
        f"c = Conv(x, w) p = AveragePool<{HALVED}>(c) m = GlobalAveragePool(c) y = Add(p, m)"
    )
    assert ordered(read_twice, "same", tmp_path)[:2] == [CONV, POOL]
