"""Reductions: axes as attribute or input, all of them, none of them."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model, ModelError

Agrees = Callable[..., Model]

OPS = "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare".split()


@pytest.mark.parametrize("op", OPS)
def test_axes_as_attribute(agrees: Agrees, op: str) -> None:
    agrees(
        "g (float[3,4,5] x) => (float[] y)"
        f" {{ a = Abs(x) y = Reduce{op}<axes=[0,-1], keepdims=0>(a) }}",
        11,
    )


@pytest.mark.parametrize("op", OPS)
def test_axes_as_input(agrees: Agrees, op: str) -> None:
    agrees(f"g (float[3,4,5] x) => (float[] y) {{ a = Abs(x) y = Reduce{op}(a, w) }}", 18, w=[1])


@pytest.mark.parametrize("noop", [0, 1])
def test_no_axes(agrees: Agrees, noop: int) -> None:
    agrees(f"g (float[3,4] x) => (float[] y) {{ y = ReduceSum<noop_with_empty_axes={noop}>(x) }}")


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceMax", "ReduceProd"])
def test_integers_stay_integers(agrees: Agrees, op: str) -> None:
    agrees(f"g (int64[3,4] x) => (int64[] y) {{ y = {op}<keepdims=0>(x) }}")


@pytest.mark.parametrize("op", ["ReduceLogSum", "ReduceLogSumExp"])
def test_logarithms_of_integers_are_refused(agrees: Agrees, op: str) -> None:
    with pytest.raises(ModelError, match=rf"{op}.*no clear value in int64; cast"):
        agrees(f"g (int64[3,4] x) => (int64[] y) {{ y = {op}(x) }}")


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
def test_arg(agrees: Agrees, op: str, last: int) -> None:
    feeds = {"x": np.array([[1, 3, 3, 0, 0], [2, 2, 2, 2, 2]], np.float32)}
    agrees(
        f"g (float[2,5] x) => (int64[] y) {{ y = {op}<axis=1, select_last_index={last}>(x) }}",
        feeds=feeds,
    )


@pytest.mark.parametrize(
    "attributes", ["exclusive=0", "exclusive=1", "reverse=1", "exclusive=1, reverse=1"]
)
def test_cumulative_sum(agrees: Agrees, attributes: str) -> None:
    agrees(f"g (float[3,5] x) => (float[] y) {{ y = CumSum<{attributes}>(x, axis) }}", axis=1)
