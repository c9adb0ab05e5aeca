"""The input's share of the gates of later steps, made while the step at hand waits for its weights.

A step of one row reads each recurrent weight once. The second cache delivers them at half the pace
at which they are multiplied; in the other half one tile of the input's product fits:

    given[first + r, columns] += sum over a slice of k: x[first + r, k] * right[k, columns]

for `rows` steps and `across` vectors of a group's columns. Every visit of a group of units adds one
slice, so that within `rows` steps all tiles of the next `rows` are made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import bound, either, loop, registers, vector_at
from compiler.kernels.geometry import LOADS_PER_CYCLE
from compiler.kernels.value import Expr
from compiler.kernels.vector import spread
from targets import Profile

Step = Callable[[Expr], None]


@dataclass(frozen=True)
class Ahead:
    """depth: elements of an input. rows: steps of a tile. across: vectors of a tile, of the `gates`
    that a group of units has.
    """

    steps: int
    depth: int
    gates: int
    units: int
    lanes: int
    rows: int
    across: int

    @property
    def sound(self) -> bool:
        """Whether `rows` visits make whole tiles, each visit the same part of one."""
        return (
            self.rows <= self.steps
            and self.gates % self.across == 0
            and self.rows % self.passes == 0
            and self.depth % self.slices == 0
        )

    @property
    def passes(self) -> int:
        """Tiles of a group."""
        return self.gates // self.across

    @property
    def slices(self) -> int:
        """Visits of a tile."""
        return self.rows // self.passes

    @property
    def slice(self) -> int:
        """Of the depth, in a visit."""
        return self.depth // self.slices

    @property
    def blocks(self) -> int:
        return -(-self.steps // self.rows)

    @property
    def alone(self) -> int:
        """The first step beside which nothing is made."""
        return (self.blocks - 1) * self.rows

    @property
    def columns(self) -> int:
        return self.gates * self.units

    @property
    def registers(self) -> int:
        return self.rows * self.across + self.across + 1

    def place(self, t: Expr, group: Expr) -> Expr:
        """Where the first gate of a group stands: [2, groups, gates, rows, lanes], a block of steps
        and the next.
        """
        groups = self.units // self.lanes
        before = (t // self.rows % 2 * groups + group) * (self.gates * self.rows)
        return (before + t % self.rows) * self.lanes

    def cycles(self, profile: Profile) -> float:
        """Of one k of a tile."""
        loads = (self.rows + self.across) / LOADS_PER_CYCLE
        return max(self.rows * self.across / profile.fma_per_cycle, loads)

    def pack(self, right: np.ndarray) -> np.ndarray:
        """[I, gates * H] -> [groups, passes, I, across, lanes]"""
        cut = right.reshape(self.depth, self.passes, self.across, -1, self.lanes)
        return np.ascontiguousarray(cut.transpose(3, 1, 0, 2, 4)).reshape(-1)


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

    def start(self, group: Expr) -> None:
        """Of the first `rows` steps, a group's."""
        with loop(self.sizes.passes) as number:
            tile = _Tile(self, tirx.const(0, "int32"), group, number)
            with loop(self.sizes.depth) as k:
                tile.step(k)
            tile.store()

    def beside(self, t: Expr, group: Expr, step: Step) -> None:
        """step(k) for every unit k, and between them a slice of a tile for a later step than t."""
        s = self.sizes
        first, visit = bound((t // s.rows + 1) * s.rows), bound(t % s.rows)
        number, part = bound(visit // s.slices), bound(visit % s.slices)
        tile = _Tile(self, first, group, number, part)
        each = max(s.units // s.slice, 1)
        together = min(s.units // each, s.slice)
        origin = bound(part * s.slice)
        with loop(together) as k:
            for n in range(each):
                step(k * each + n)
            tile.step(origin + k)
        if rest := s.units - together * each:
            with loop(rest) as k:
                step(together * each + k)
        if rest := s.slice - together:
            with loop(rest) as k:
                tile.step(origin + together + k)
        tile.store()


class _Tile:
    """A tile in registers: all of its depth, from the bias on, or a `part` behind those before."""

    def __init__(
        self, share: Share, first: Expr, group: Expr, number: Expr, part: Expr | None = None
    ) -> None:
        self.share, s = share, share.sizes
        self.acc = registers(s.rows * s.across, s.lanes)
        self.column = bound(number * (s.across * s.units) + group * s.lanes)
        self.start = bound(s.place(first, group) + number * (s.across * s.rows * s.lanes))
        self.panel = bound((group * s.passes + number) * (s.depth * s.across * s.lanes))
        times = [tirx.min(first + r, s.steps - 1) for r in range(s.rows)]
        self.inputs = [bound(share.place(t) * s.depth) for t in times]
        if part is None:
            self._load_bias()
        else:
            either(part == 0 if s.slices > 1 else True, self._load_bias, self._load)

    def _slot(self, row: int, vector: int) -> Expr:
        s = self.share.sizes
        return vector_at((vector * s.rows + row) * s.lanes, s.lanes)

    def _each(self) -> list[tuple[int, int]]:
        s = self.share.sizes
        return [(r, v) for r in range(s.rows) for v in range(s.across)]

    def _at(self, row: int, vector: int) -> Expr:
        s = self.share.sizes
        return vector_at(self.start + (vector * s.rows + row) * s.lanes, s.lanes)

    def _load_bias(self) -> None:
        s = self.share.sizes
        for r, v in self._each():
            value = self.share.bias[vector_at(self.column + v * s.units, s.lanes)]
            T.buffer_store(self.acc, value, [self._slot(r, v)])

    def _load(self) -> None:
        for r, v in self._each():
            T.buffer_store(self.acc, self.share.given[self._at(r, v)], [self._slot(r, v)])

    def step(self, k: Expr) -> None:
        s = self.share.sizes
        at = [self.panel + (k * s.across + v) * s.lanes for v in range(s.across)]
        right = [T.bind(self.share.right[vector_at(a, s.lanes)]) for a in at]
        for r in range(s.rows):
            x = T.bind(spread(self.share.x[self.inputs[r] + k], s.lanes))
            for v in range(s.across):
                slot = self._slot(r, v)
                T.buffer_store(self.acc, self.acc[slot] + x * right[v], [slot])

    def store(self) -> None:
        for r, v in self._each():
            T.buffer_store(self.share.given, self.acc[self._slot(r, v)], [self._at(r, v)])
