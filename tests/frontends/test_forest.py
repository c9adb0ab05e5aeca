"""frontends/forest.py: any nodes as a forest of one kind of test."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontends import forest
from frontends.forest import Forest
from frontends.model import ModelError
from frontends.nodes import GTE, LEAF, LEQ, LT, NEQ, Nodes
from tests.compiler.kernels import forests


@settings(max_examples=60, deadline=None)
@given(
    trees=st.integers(0, 9), depth=st.integers(0, 12), targets=st.integers(1, 3),
    vectors=st.booleans(), kind=st.sampled_from(["float32", "float64"]), seed=st.integers(0, 999),
)  # fmt: skip
def test_a_forest_says_what_its_nodes_say(
    trees: int, depth: int, targets: int, vectors: bool, kind: str, seed: int
) -> None:
    full = 0.85 if depth < 7 else 0.5
    grown = forests.grown(
        trees, depth, 4, targets, seed=seed, tests=tuple(range(8)), vectors=vectors, full=full,
        kind=kind,
    )  # fmt: skip
    x = forests.inputs(grown, 9, 4, seed, kind)
    made = forest.forest(grown.nodes, grown.leaves, kind)
    again = Forest.unpacked(made.packed())
    np.testing.assert_array_equal(forests.walked(again, x), grown.walked(x))
    assert made.facts()[-1] <= depth


def nodes(tests: list[int], values: list[float], yes: list[int], no: list[int]) -> Nodes:
    zeros = np.zeros(len(tests), int)
    test, value, first, second = (np.array(c) for c in (tests, values, yes, no))
    return Nodes(test, zeros, value, first, second, zeros, np.array([0]), {})


def test_limits_of_the_numbers() -> None:
    x = np.array([[-np.inf], [-1.0], [np.inf], [np.nan]], np.float32)
    leaves = np.array([[1.0], [2.0]], np.float32)
    for test, value, want in [
        (LEQ, np.inf, [1, 1, 1, 2]),
        (LT, np.inf, [1, 1, 2, 2]),
        (LT, -np.inf, [2, 2, 2, 2]),
        (LT, np.nan, [2, 2, 2, 2]),
        (GTE, np.inf, [2, 2, 1, 2]),
        (NEQ, -1.0, [1, 2, 1, 1]),
    ]:
        made = nodes([test, LEAF, LEAF], [value, 0, 0], [1, 0, 1], [2, 0, 0])
        got = forests.walked(forest.forest(made, leaves, "float32"), x)
        assert got[:, 0].tolist() == want, (test, value)


def test_a_circle_is_refused() -> None:
    round_ = nodes([LT, LT, LEAF], [0, 0, 0], [1, 0, 0], [2, 2, 0])
    with pytest.raises(ModelError, match="a tree has a circle"):
        forest.forest(round_, np.zeros((1, 1), np.float32), "float32")


def test_what_asks_for_nothing_is_in_the_base() -> None:
    """A leaf, and a test with one answer, are no tree until there is one; one behind it stays."""
    tests, values = [LEAF, LT, LEAF, LT, LEAF, LEAF, LEAF], [0.0, 5, 0, 0, 0, 0, 0]
    yes, no = [0, 2, 1, 4, 2, 3, 4], [0, 2, 0, 5, 0, 0, 0]
    made = replace(nodes(tests, values, yes, no), roots=np.array([0, 1, 3, 6]))
    leaves = np.array([[8.0], [2**-23], [1], [-7], [-0.5]], np.float32)
    grown = forest.forest(made, leaves, "float32")
    assert (grown.base.tolist(), len(grown.roots), grown.bounds.tolist()) == ([8.0], 2, [0.0])
    assert forests.walked(grown, np.array([[-1.0], [1]], np.float32)).tolist() == [[8.5], [0.5]]


def test_bases_of_other_aggregates() -> None:
    two = replace(nodes([LEAF, LEAF], [0, 0], [0, 1], [0, 0]), roots=np.array([0, 1]))
    leaves = np.array([[3.0, np.nan], [-2, np.nan]], np.float32)
    for how, base in (("SUM", [1, 0]), ("MIN", [-2, np.inf]), ("MAX", [3, -np.inf])):
        assert forest.forest(two, leaves, "float32", how).base.tolist() == base
