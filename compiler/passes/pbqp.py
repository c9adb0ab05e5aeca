"""Partitioned Boolean quadratic programming: one choice a node, so that the costs of all choices
and of all pairs of choices at the ends of an edge add up to little.

Nodes of at most two edges are folded into their neighbours, which loses nothing, so chains, trees
and what residual networks are made of are solved exactly. Where only denser nodes are left, the
densest is decided by what its neighbours would choose best for themselves. After Scholz and
Eckstein, Register Allocation for Irregular Architectures (LCTES 2002).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

Edges = Mapping[tuple[int, int], np.ndarray]  # rows: choices of the first node
Choices = dict[int, int]


def solve(costs: Sequence[np.ndarray], edges: Edges) -> list[int]:
    """A choice for every node."""
    solver = _Solver(costs, edges)
    solver.reduce()
    return solver.choose()


class _Solver:
    def __init__(self, costs: Sequence[np.ndarray], edges: Edges) -> None:
        self.costs = [np.array(c, float) for c in costs]
        self.near: dict[int, dict[int, np.ndarray]] = {n: {} for n in range(len(costs))}
        for (u, v), matrix in edges.items():
            self._connect(u, v, matrix)
        self.decisions: list[tuple[int, Callable[[Choices], int]]] = []

    def _connect(self, u: int, v: int, matrix: np.ndarray) -> None:
        self.near[u][v] = self.near[u].get(v, 0.0) + np.asarray(matrix, float)
        self.near[v][u] = self.near[u][v].T

    def reduce(self) -> None:
        waiting = set(self.near)
        sparse = [n for n in sorted(waiting) if len(self.near[n]) <= 2]
        while waiting:
            if not sparse:
                sparse = [max(sorted(waiting), key=lambda n: len(self.near[n]))]
            node = sparse.pop()
            if node not in waiting:
                continue
            waiting.remove(node)
            neighbours = self._remove(node)
            (self._decide, self._fold, self._fold_between)[min(len(neighbours), 3) % 3](
                node, neighbours
            )
            sparse += [n for n in neighbours if len(self.near[n]) <= 2]

    def _remove(self, node: int) -> dict[int, np.ndarray]:
        neighbours = self.near.pop(node)
        for other in neighbours:
            del self.near[other][node]
        return neighbours

    def _decide(self, node: int, neighbours: dict[int, np.ndarray]) -> None:
        """With no neighbour, or with many."""
        total = self.costs[node] + sum(
            (matrix + self.costs[other]).min(axis=1) for other, matrix in neighbours.items()
        )
        best = int(total.argmin())
        for other, matrix in neighbours.items():
            self.costs[other] += matrix[best]
        self.decisions.append((node, lambda _: best))

    def _fold(self, node: int, neighbours: dict[int, np.ndarray]) -> None:
        [(other, matrix)] = neighbours.items()
        total = self.costs[node][:, None] + matrix
        best = total.argmin(axis=0)
        self.costs[other] += total.min(axis=0)
        self.decisions.append((node, lambda chosen: int(best[chosen[other]])))

    def _fold_between(self, node: int, neighbours: dict[int, np.ndarray]) -> None:
        [(one, first), (two, second)] = neighbours.items()
        total = self.costs[node][:, None, None] + first[:, :, None] + second[:, None, :]
        best = total.argmin(axis=0)
        self._connect(one, two, total.min(axis=0))
        self.decisions.append((node, lambda chosen: int(best[chosen[one], chosen[two]])))

    def choose(self) -> list[int]:
        chosen: Choices = {}
        for node, decision in reversed(self.decisions):
            chosen[node] = decision(chosen)
        return [chosen[n] for n in range(len(chosen))]


def total(costs: Sequence[np.ndarray], edges: Edges, choices: Sequence[int]) -> float:
    """What choices cost."""
    pairs = sum(matrix[choices[u], choices[v]] for (u, v), matrix in edges.items())
    return float(sum(c[i] for c, i in zip(costs, choices, strict=True)) + pairs)
