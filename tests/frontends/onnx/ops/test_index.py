"""Indexing, constant and at run time, negative indices included."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model, ModelError

Agrees = Callable[..., Model]

CONSTANT = [
    ("y = Gather<axis=1>(x, i)", {"i": [0, -1, 2]}),
    ("y = Gather(x, i)", {"i": -1}),
    ("y = Gather<axis=1>(x, i)", {"i": [[0, 1], [-2, 3]]}),
    ("y = GatherElements<axis=1>(x, i)", {"i": [[0, -1], [1, 1], [2, 0]]}),
    ("y = GatherND(x, i)", {"i": [[0, 1], [-1, 2]]}),
    ("y = ScatterND(x, i, u)", {"i": [[0], [-1]], "u": (2, 4)}),
    ("y = ScatterElements<axis=1>(x, i, u)", {"i": [[0, 3], [1, -1], [2, 0]], "u": (3, 2)}),
    ('y = ScatterElements<axis=1, reduction="add">(x, i, u)', {"i": [[0, 0]], "u": (1, 2)}),
    ("y = Compress<axis=1>(x, c)", {"c": np.array([True, False, True])}),
    ("y, j = TopK<axis=1>(x, k)", {"k": [2]}),
    ("y, j = TopK<axis=0, largest=0>(x, k)", {"k": [3]}),
]


@pytest.mark.parametrize(("nodes", "constants"), CONSTANT)
def test_constant_indices(agrees: Agrees, nodes: str, constants: dict[str, object]) -> None:
    agrees(f"g (float[3,4] x) => (float[] y) {{ {nodes} }}", 18, **constants)


RUN_TIME = ["Gather<axis=1>(x, i)", "GatherElements(x, i)", "GatherND(x, i)"]


@pytest.mark.parametrize("node", RUN_TIME)
def test_run_time_indices(agrees: Agrees, node: str) -> None:
    feeds = {"i": np.array([[0, -1], [2, -3]], np.int64)}
    agrees(f"g (float[3,4] x, int64[2,2] i) => (float[] y) {{ y = {node} }}", feeds=feeds)


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_one_hot(agrees: Agrees, axis: int) -> None:
    feeds = {"x": np.array([[0, 2, 9], [-1, 4, 1]], np.int64)}
    text = f"g (int64[2,3] x) => (float[] y) {{ y = OneHot<axis={axis}>(x, d, v) }}"
    agrees(text, feeds=feeds, d=5, v=np.array([0.5, 2], np.float32))


def test_top_k_indices(agrees: Agrees) -> None:
    agrees("g (float[3,7] x) => (float[] y, int64[] j) { y, j = TopK(x, k) }", k=[3])


def test_a_constant_index_outside_its_axis_is_refused(load: Agrees) -> None:
    with pytest.raises(ModelError, match="an index is outside the 4 elements"):
        load("g (float[3,4] x) => (float[] y) { y = Gather<axis=1>(x, i) }", i=[4])


def test_one_hot_of_values_of_the_run(agrees: Agrees) -> None:
    agrees("g (int64[3] x, float[2] v) => (float[] y) { y = OneHot(x, d, v) }", d=4)
