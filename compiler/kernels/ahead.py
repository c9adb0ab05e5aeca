"""The input's share of the gates of later steps, made while the step at hand waits for its weights.

A step of one row reads each recurrent weight once. The second cache delivers them at half the pace
at which they are multiplied; in the other half one tile of the input's product fits:

    given[first + r, columns] += sum over a slice of k: x[first + r, k] * right[k, columns]

for `rows` steps and `across` vectors of a group's columns. Every visit of a group of units adds one
slice, so that within `rows` steps all tiles of the next `rows` are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import bound, either, loop, registers, vector_at
from compiler.kernels.geometry import LOADS_PER_CYCLE
from compiler.kernels.value import ZERO, Expr, Index
from compiler.kernels.vector import spread
from targets import Profile

LOAD_CYCLES = 0.15  # of each load, beside those of the recurrent weights: measured
Step = Callable[[Expr], None]


@dataclass(frozen=True)
class Turn:
    """What a visit of a group of units sums up: everything, or, where `parts` threads share a step,
    first what thread `own` made itself in the step before, and what the others made when they have.
    What a thread made comes last where everything is summed up: the next visit finds it near.
    """

    parts: int = 1
    own: Expr = ZERO
    begins: bool = True
    ends: bool = True

    def count(self, units: int) -> int:
        """How many of a layer's units a visit that ends sums up."""
        return units if self.begins else units - units // self.parts

    @contextmanager
    def loop(self, units: int, times: int, pace: int = 1) -> Iterator[tuple[Expr, Expr]]:
        """Of a visit that ends: numbers, and the unit of each, every pace-th one."""
        with loop(times) as n:
            if self.parts == 1:
                yield n, n * pace
            else:
                at = bound((self.own + 1) * (units // self.parts) + n * pace)
                yield n, bound(at - tirx.Select(at < units, 0, units))


@dataclass(frozen=True)
class Ahead:
    """depth: elements of an input. vectors: of units, of a group. rows: steps of a tile. across:
    vectors of a tile, of those that a group has in all `gates`.
    """

    steps: int
    depth: int
    gates: int
    units: int
    lanes: int
    vectors: int
    rows: int
    across: int

    @property
    def sound(self) -> bool:
        """Whether `rows` visits make whole tiles, each visit the same part of one."""
        return (
            self.rows <= self.steps
            and self.units % (self.vectors * self.lanes) == 0
            and self.width % self.across == 0
            and self.rows % self.passes == 0
            and self.depth % self.slices == 0
        )

    @property
    def width(self) -> int:
        """Vectors of a group, each unit's gates together."""
        return self.vectors * self.gates

    @property
    def passes(self) -> int:
        """Tiles of a group."""
        return self.width // self.across

    @property
    def slices(self) -> int:
        """Visits of a tile."""
        return self.rows // self.passes

    @property
    def slice(self) -> int:
        """Of the depth, in a visit."""
        return self.depth // self.slices

    def pace(self, units: int) -> int:
        """Of so many units in a visit, those between two elements of the input."""
        return max(units // self.slice, 1)

    def splits(self, parts: int) -> bool:
        """Whether threads that made as many units each can begin with those, without a rest."""
        each = self.units // parts
        paces = {n: self.pace(n) for n in (self.units, self.units - each)}
        even = all(n // pace <= self.slice and each % pace == 0 for n, pace in paces.items())
        return even and self.units % (parts * self.vectors * self.lanes) == 0

    @property
    def blocks(self) -> int:
        return -(-self.steps // self.rows)

    @property
    def alone(self) -> int:
        """The first step beside which nothing is made."""
        return (self.blocks - 1) * self.rows

    @property
    def stretches(self) -> list[tuple[int, int, int]]:
        """From which step on, for how many steps, so many rows of a later block are made. The last
        block has as many as are left.
        """
        left, alone = self.steps - self.alone, self.alone
        whole = alone if left == self.rows else max(alone - self.rows, 0)
        found = [(0, whole, self.rows), (whole, alone - whole, left), (alone, left, 0)]
        return [stretch for stretch in found if stretch[1]]

    @property
    def columns(self) -> int:
        return self.gates * self.units

    @property
    def registers(self) -> int:
        return self.rows * self.across + self.across + 1

    def place(self, t: Expr, unit: Expr) -> Expr:
        """Where the first gate of a vector of units stands: [2, units, gates, rows, lanes], a block
        of steps and the next.
        """
        before = (t // self.rows % 2 * self.units + unit) * (self.gates * self.rows)
        return before + t % self.rows * self.lanes

    def column(self, group: Expr, vector: Expr) -> Expr:
        """Where one of a group's vectors stands in [gates, units]."""
        unit = (group * self.vectors + vector // self.gates) * self.lanes
        return vector % self.gates * self.units + unit

    def cycles(self, profile: Profile) -> float:
        """Of one k of a tile."""
        loads = self.rows + self.across
        arithmetic = self.rows * self.across / profile.fma_per_cycle
        return max(arithmetic, loads / LOADS_PER_CYCLE) + LOAD_CYCLES * loads

    def pack(self, right: np.ndarray) -> np.ndarray:
        """[I, gates * H] -> [groups, passes, I, across, lanes]"""
        cut = right.reshape(self.depth, self.gates, -1, self.vectors, self.lanes)
        groups = cut.transpose(2, 3, 1, 0, 4).reshape(-1, self.across, self.depth, self.lanes)
        return np.ascontiguousarray(groups.swapaxes(1, 2)).reshape(-1)


class Share:
    """`given`, the input's share of all steps: the first `rows` by `start`, the others `beside`.

    x [steps, I]; right as `pack` gives it; bias [gates * H]. place(t): the step that comes at time
    t.
    """

    def __init__(
        self,
        sizes: Ahead,
        x: tirx.Buffer,
        right: tirx.Buffer,
        bias: tirx.Buffer,
        place: Callable[[Expr], Expr],
    ) -> None:
        self.sizes, self.x, self.right, self.bias, self.place = sizes, x, right, bias, place
        elements = 2 * sizes.rows * sizes.columns
        self.given = T.alloc_buffer((elements,), "float32", layout=None)

    def start(self, _: Index, group: Expr) -> None:
        """Of the first `rows` steps, a group's."""
        with loop(self.sizes.passes) as number:
            tile = _Tile(self, ZERO, self.sizes.rows, group, number, True)
            with loop(self.sizes.depth) as k:
                tile.step(k)
            tile.store()

    def beside(self, t: Expr, rows: int, group: Expr, turn: Turn, step: Step) -> None:
        """step(k) for the units k of a turn, and between them a slice of a tile of so many rows
        behind t's block.
        """
        s = self.sizes
        first, visit = bound((t // s.rows + 1) * s.rows), bound(t % s.rows)
        number, part = bound(visit // s.slices), bound(visit % s.slices)
        fresh = part == 0 if s.slices > 1 else True
        tile = _Tile(self, first, rows, group, number, fresh)
        origin = bound(part * s.slice)
        units = turn.count(s.units)
        pace = s.pace(units)
        together = min(units // pace, s.slice)
        with turn.loop(s.units, together, pace) as (n, first):
            for k in range(pace):
                step(first + k)
            tile.step(origin + n)
        if rest := units - together * pace:
            with loop(rest) as k:
                step(together * pace + k)
        if rest := s.slice - together:
            with loop(rest) as k:
                tile.step(origin + together + k)
        tile.store()


class _Tile:
    """A tile in registers: a `fresh` one from the bias on, else from where it was left."""

    def __init__(
        self,
        share: Share,
        first: Expr,
        rows: int,
        group: Expr,
        number: Expr,
        fresh: Expr | bool,
    ) -> None:
        self.share, self.rows, s = share, rows, share.sizes
        self.acc = registers(rows * s.across, s.lanes)
        self.group, self.vector = group, number * s.across
        unit = group * (s.vectors * s.lanes)
        self.start = bound(s.place(first, unit) + self.vector * (s.rows * s.lanes))
        self.panel = bound((group * s.passes + number) * (s.depth * s.across * s.lanes))
        self.inputs = [bound(share.place(first + r) * s.depth) for r in range(rows)]
        either(fresh, self._load_bias, self._load)

    def _slot(self, row: int, vector: int) -> Expr:
        s = self.share.sizes
        return vector_at((vector * self.rows + row) * s.lanes, s.lanes)

    def _each(self) -> list[tuple[int, int]]:
        return [(r, v) for r in range(self.rows) for v in range(self.share.sizes.across)]

    def _at(self, row: int, vector: int) -> Expr:
        s = self.share.sizes
        return vector_at(self.start + (vector * s.rows + row) * s.lanes, s.lanes)

    def _load_bias(self) -> None:
        s = self.share.sizes
        for v in range(s.across):
            column = bound(s.column(self.group, self.vector + v))
            bias = T.bind(self.share.bias[vector_at(column, s.lanes)])
            for r in range(self.rows):
                T.buffer_store(self.acc, bias, [self._slot(r, v)])

    def _load(self) -> None:
        for r, v in self._each():
            T.buffer_store(self.acc, self.share.given[self._at(r, v)], [self._slot(r, v)])

    def step(self, k: Expr) -> None:
        s = self.share.sizes
        at = [self.panel + (k * s.across + v) * s.lanes for v in range(s.across)]
        right = [T.bind(self.share.right[vector_at(a, s.lanes)]) for a in at]
        for r in range(self.rows):
            x = T.bind(spread(self.share.x[self.inputs[r] + k], s.lanes))
            for v in range(s.across):
                slot = self._slot(r, v)
                T.buffer_store(self.acc, self.acc[slot] + x * right[v], [slot])

    def store(self) -> None:
        for r, v in self._each():
            T.buffer_store(self.share.given, self.acc[self._slot(r, v)], [self._at(r, v)])
