"""The register tile of all products: rows of broadcast elements times a panel of vectors.

acc[rows][vectors] += left[r, k] * panel[k, v * L : (v + 1) * L]   for k in 0 .. depth - 1
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.arithmetic import Arithmetic
from compiler.kernels.emit import loop, registers, vector_at
from compiler.kernels.value import Expr

UNROLLED = 4  # k written out in a row; of more integers LLVM regroups the sums, and spills


@dataclass(frozen=True)
class Tile:
    """rows times vectors accumulators in registers."""

    rows: int
    vectors: int
    arithmetic: Arithmetic

    @property
    def lanes(self) -> int:
        return self.arithmetic.lanes

    @property
    def count(self) -> int:
        return self.rows * self.vectors

    def slot(self, row: int, vector: int) -> Expr:
        return vector_at((row * self.vectors + vector) * self.lanes, self.lanes)

    def zeros(self) -> tirx.Buffer:
        sums = self.arithmetic.sums
        acc = registers(self.count, self.lanes, sums)
        zero = tirx.Broadcast(tirx.const(0, sums), self.lanes)
        for i in range(self.count):
            T.buffer_store(acc, zero, [vector_at(i * self.lanes, self.lanes)])
        return acc

    def load(self, acc: tirx.Buffer, source: tirx.Buffer, start: Expr) -> None:
        for i in range(self.count):
            value = source[vector_at(start + i * self.lanes, self.lanes)]
            T.buffer_store(acc, value, [vector_at(i * self.lanes, self.lanes)])

    def store(self, acc: tirx.Buffer, target: tirx.Buffer, start: Expr) -> None:
        for i in range(self.count):
            value = acc[vector_at(i * self.lanes, self.lanes)]
            T.buffer_store(target, value, [vector_at(start + i * self.lanes, self.lanes)])

    def accumulate(
        self,
        acc: tirx.Buffer,
        left: Callable[[int, Expr], Expr],
        panel: Callable[[int, Expr], Expr],
        depth: int | Expr,
        prefetch: Callable[[Expr], None] | None = None,
    ) -> None:
        """left(row, k): an element in every lane; panel(vector, k): a vector of the right side; of
        integers, two of each. prefetch(step) is called once for UNROLLED k.
        """
        size = self.arithmetic.depth

        def step(k: Expr) -> None:
            b = [T.bind(panel(v, k)) for v in range(self.vectors)]
            for r in range(self.rows):
                a = T.bind(left(r, k))
                for v in range(self.vectors):
                    slot = self.slot(r, v)
                    T.buffer_store(acc, self.arithmetic.added(acc[slot], a, b[v]), [slot])

        whole, rest = depth // UNROLLED, depth % UNROLLED
        with loop(whole) as i:
            if prefetch is not None:
                prefetch(i)
            for u in range(0, UNROLLED if whole != 0 else 0, size):
                step(i * UNROLLED + u)
        if rest != 0:
            with loop(rest // size) as i:
                step(whole * UNROLLED + i * size)

    def each(self, acc: tirx.Buffer, finish: Callable[[Expr, Expr | int, int], None]) -> None:
        """finish(a vector of the tile, its row, its number in the row), written out."""
        for r in range(self.rows):
            for v in range(self.vectors):
                finish(acc[self.slot(r, v)], r, v)

    def looped(self, acc: tirx.Buffer, finish: Callable[[Expr, Expr | int, int], None]) -> None:
        """The same as a loop over the rows, where `finish` is long."""
        kept = registers(
            self.count, self.lanes, self.arithmetic.sums
        )  # indexed by the loop, so in memory
        for i in range(self.count):
            slot = vector_at(i * self.lanes, self.lanes)
            T.buffer_store(kept, acc[slot], [slot])
        with loop(self.rows) as r:
            for v in range(self.vectors):
                at = vector_at((r * self.vectors + v) * self.lanes, self.lanes)
                finish(T.bind(kept[at]), r, v)
