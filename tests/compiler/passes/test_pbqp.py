"""compiler/passes/pbqp.py: against every combination of choices."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.passes.pbqp import Edges, solve, total

Problem = tuple[list[np.ndarray], Edges]


def least(costs: list[np.ndarray], edges: Edges) -> float:
    return min(total(costs, edges, c) for c in product(*(range(len(v)) for v in costs)))


def problem(draw: st.DrawFn, pairs: list[tuple[int, int]], nodes: int) -> Problem:
    sizes = [draw(st.integers(1, 3)) for _ in range(nodes)]
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    costs = [rng.integers(0, 9, size).astype(float) for size in sizes]
    return costs, {(u, v): rng.integers(0, 9, (sizes[u], sizes[v])).astype(float) for u, v in pairs}


@st.composite
def sparse(draw: st.DrawFn) -> Problem:
    """Series-parallel: every node is joined to at most two earlier ones that are neighbours, as in
    residual networks.
    """
    nodes: int = draw(st.integers(1, 8))
    pairs: list[tuple[int, int]] = []
    for n in range(1, nodes):
        at = draw(st.integers(0, n - 1))
        pairs.append((at, n))
        above = [u for u, v in pairs if v == at and u != at]
        if draw(st.booleans()) and above:
            pairs.append((draw(st.sampled_from(above)), n))
    return problem(draw, pairs, nodes)


@st.composite
def dense(draw: st.DrawFn) -> Problem:
    nodes = draw(st.integers(2, 6))
    pairs = [p for p in combinations(range(nodes), 2) if draw(st.integers(0, 9)) > 1]
    return problem(draw, pairs, nodes)


@settings(max_examples=150, deadline=None)
@given(sparse())
def test_sparse_graphs_are_solved_exactly(given: Problem) -> None:
    costs, edges = given
    assert total(costs, edges, solve(costs, edges)) == least(costs, edges)


@settings(max_examples=100, deadline=None)
@given(dense())
def test_dense_graphs_are_solved_nearly(given: Problem) -> None:
    costs, edges = given
    choices = solve(costs, edges)
    assert len(choices) == len(costs)
    worst = sum(c.max() for c in costs) + sum(m.max() for m in edges.values())
    found, best = total(costs, edges, choices), least(costs, edges)
    assert found - best <= 0.5 * (worst - best)


@pytest.mark.parametrize("nodes", [0, 1, 200])
def test_a_chain_keeps_one_layout(nodes: int) -> None:
    """A transform costs more than any node gains."""
    costs = [np.array([1.0, n % 2 * 0.5]) for n in range(nodes)]
    edges = {(n, n + 1): np.array([[0.0, 9.0], [9.0, 0.0]]) for n in range(nodes - 1)}
    assert solve(costs, edges) == [1] * nodes
