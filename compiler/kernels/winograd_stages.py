"""The three stages of a Winograd convolution as vector code.

    V[plane][tile][c] = input @ d @ input.T       d: a tile's samples in the image, zeros outside
    M[plane][tile][k] = sum over c of U[plane][c][k] * V[plane][tile][c]
    out[tile]         = epilogue(output @ M @ output.T)

A tile is walked twice: along its rows into a small matrix on the stack, then down the columns of
that. Planes are spaced by an odd number of cache lines, else all of a tile's elements would meet
in one set of the L1 cache.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import LINE, bound, loop, prefetch, registers, vector_at, workspace
from compiler.kernels.filtering import Filtering, filtering, product
from compiler.kernels.geometry import Geometry
from compiler.kernels.value import ZERO, Expr, Value
from compiler.kernels.vector import Evaluator
from compiler.kernels.workload import Bound

AHEAD = 4096  # bytes of weights that are fetched ahead: hardware stops at the end of a page


@dataclass(frozen=True)
class Tiling:
    """How a convolution is cut. tile: outputs along each filtered axis. block: tiles of one task.
    rows, vectors: tiles and vectors of output channels of one register tile.
    """

    shape: Geometry
    tile: int
    block: int
    rows: int
    vectors: int

    def _filtering(self, axis: int) -> Filtering:
        taps = self.shape.kernel[axis]
        return filtering(self.tile if taps > 1 else 1, taps)

    @property
    def down(self) -> Filtering:
        return self._filtering(0)

    @property
    def across(self) -> Filtering:
        return self._filtering(1)

    @property
    def planes(self) -> int:
        return self.down.samples * self.across.samples

    @property
    def grid(self) -> tuple[int, int]:
        """Tiles of one image, down and across."""
        s = self.shape
        return -(-s.out_height // self.down.outputs), -(-s.out_width // self.across.outputs)

    @property
    def count(self) -> int:
        return self.shape.batch * self.grid[0] * self.grid[1]

    @property
    def held(self) -> int:
        """Tiles that a workspace has room for: those of a block, in whole register tiles."""
        return -(-min(self.block, self.count) // self.rows) * self.rows

    @property
    def blocks(self) -> int:
        return -(-self.count // self.block)

    @property
    def groups(self) -> int:
        """Of output panels, `vectors` each; the last may have fewer."""
        return -(-self.shape.panels // self.vectors)

    @property
    def depth(self) -> int:
        """Channels of the packed data, those that only fill up a vector included."""
        return -(-self.shape.in_channels // self.shape.lanes) * self.shape.lanes

    @property
    def width(self) -> int:
        return self.shape.panels * self.shape.lanes

    def spaced(self, channels: int) -> int:
        """Elements from one plane of a workspace to the next."""
        lines = -(-self.held * channels * 4 // LINE)
        return (lines | 1) * LINE // 4


class Stages:
    """Writes the stages over flat buffers."""

    def __init__(
        self, tiling: Tiling, bound: Bound, data: tirx.Buffer, weight: tirx.Buffer, out: tirx.Buffer
    ) -> None:
        self.tiling, self.shape = tiling, tiling.shape
        self.data, self.weight, self.out = data, weight, out
        self.down, self.across = tiling.down, tiling.across
        s = self.shape
        self.accumulated = tirx.Var("accumulated", "float32")
        shape = (s.batch, s.panels, s.out_height, s.out_width, s.lanes)
        self.result = bound.result(Value(shape, "float32", lambda _: self.accumulated))

    def workspaces(self) -> tuple[tirx.Buffer, tirx.Buffer]:
        """V and M."""
        t = self.tiling
        return workspace(t.planes * t.spaced(t.depth)), workspace(t.planes * t.spaced(t.width))

    def _corner(self, tile: Expr) -> tuple[Expr, Expr, Expr]:
        """The image, and the output's row and column, where a tile begins."""
        down, across = self.tiling.grid
        image = bound(tile // (down * across)) if self.shape.batch > 1 else ZERO
        inside = tile % (down * across) if self.shape.batch > 1 else tile
        y = T.bind(inside // across * self.down.outputs)
        return image, y, T.bind(inside % across * self.across.outputs)

    # ---- the input ----

    def input(self, into: tirx.Buffer, slot: Expr, tile: Expr, chunk: Expr) -> None:
        """One vector of channels of one tile into a slot of the workspace."""
        s, t = self.shape, self.tiling
        image, y, x = self._corner(tile)
        top, left = T.bind(y - s.padding[0]), T.bind(x - s.padding[1])
        area = s.height * s.width * s.lanes
        plane = T.bind(image * (int(self.data.shape[0]) // s.batch) + chunk * area)
        high, wide = self.down.samples, self.across.samples
        held = registers(high * wide, s.lanes)
        zero = tirx.Broadcast(tirx.const(0.0, "float32"), s.lanes)

        start = T.bind(plane + (top * s.width + left) * s.lanes)

        def at(i: Expr, j: int) -> Expr:
            return self.data[vector_at(start + i * (s.width * s.lanes) + j * s.lanes, s.lanes)]

        def masked(i: Expr, j: int) -> Expr:
            row, column = top + i, left + j
            inside = tirx.all(row >= 0, row < s.height, column >= 0, column < s.width)
            return tirx.if_then_else(inside, at(i, j), zero)

        def rows(read: Callable[[Expr, int], Expr]) -> None:
            with loop(high) as i:
                samples = [T.bind(read(i, j)) for j in range(wide)]
                for j, value in enumerate(product(self.across.input, samples)):
                    T.buffer_store(held, value, [vector_at((i * wide + j) * s.lanes, s.lanes)])

        inside = tirx.all(top >= 0, top <= s.height - high, left >= 0, left <= s.width - wide)
        with T.If(inside):
            with T.Then():
                rows(at)
            with T.Else():
                rows(masked)
        target = T.bind(slot * t.depth + chunk * s.lanes)
        with loop(wide) as j:
            column = [
                T.bind(held[vector_at((i * wide + j) * s.lanes, s.lanes)]) for i in range(high)
            ]
            for i, value in enumerate(product(self.down.input, column)):
                place = target + (i * wide + j) * t.spaced(t.depth)
                T.buffer_store(into, value, [vector_at(place, s.lanes)])

    # ---- the products ----

    def products(
        self, data: tirx.Buffer, into: tirx.Buffer, plane: Expr, group: Expr, runs: int | Expr
    ) -> None:
        """All slots of one plane, for one group of panels. runs: register tiles in use."""
        t = self.tiling
        full, rest = divmod(self.shape.panels, t.vectors)
        if not rest:
            self._group(data, into, plane, group, runs, t.vectors)
        elif not full:
            self._group(data, into, plane, group, runs, rest)
        else:
            with T.If(group < full):
                with T.Then():
                    self._group(data, into, plane, group, runs, t.vectors)
                with T.Else():
                    self._group(data, into, plane, group, runs, rest)

    def _group(
        self,
        data: tirx.Buffer,
        into: tirx.Buffer,
        plane: Expr,
        group: Expr,
        runs: int | Expr,
        vectors: int,
    ) -> None:
        s, t, lanes = self.shape, self.tiling, self.shape.lanes
        panel = T.bind(group * t.vectors)
        weights = T.bind((plane * s.panels + panel) * (s.reach * lanes))
        with loop(runs) as run:
            acc = registers(t.rows * vectors, lanes)
            slots = [vector_at(n * lanes, lanes) for n in range(t.rows * vectors)]
            for slot in slots:
                T.buffer_store(acc, tirx.Broadcast(tirx.const(0.0, "float32"), lanes), [slot])
            source = T.bind(plane * t.spaced(t.depth) + run * (t.rows * t.depth))
            ahead, step = self._ahead(weights, vectors, run, runs)
            with loop(s.reach) as c:
                at = weights + c * (vectors * lanes)
                prefetch(self.weight, ahead + c * step)
                w = [T.bind(self.weight[vector_at(at + v * lanes, lanes)]) for v in range(vectors)]
                for i in range(t.rows):
                    x = T.bind(tirx.Broadcast(data[source + i * t.depth + c], lanes))
                    for v in range(vectors):
                        slot = slots[i * vectors + v]
                        T.buffer_store(acc, acc[slot] + x * w[v], [slot])
            target = T.bind(plane * t.spaced(t.width) + run * (t.rows * t.width) + panel * lanes)
            for i in range(t.rows):
                for v in range(vectors):
                    place = vector_at(target + i * t.width + v * lanes, lanes)
                    T.buffer_store(into, acc[slots[i * vectors + v]], [place])

    def _ahead(self, weights: Expr, vectors: int, run: Expr, runs: int | Expr) -> tuple[Expr, int]:
        """Where a run begins to fetch, and how far it goes on with every channel: all runs together
        fetch the weights of the group behind this one. If their number is not known, each fetches
        what it reads a little later.
        """
        width, reach = vectors * self.shape.lanes, self.shape.reach
        if not isinstance(runs, int):
            return weights + AHEAD // 4, width
        return T.bind(weights + reach * width + run * (reach * width // runs)), -(-width // runs)

    # ---- the output ----

    def output(self, source: tirx.Buffer, slot: Expr, tile: Expr, panel: Expr) -> None:
        """One vector of channels of one tile; what lies beyond the image is cut off."""
        s, t, lanes = self.shape, self.tiling, self.shape.lanes
        image, y, x = self._corner(tile)
        high, wide = self.down.outputs, self.across.outputs
        samples = self.across.samples
        held = registers(high * samples, lanes)
        start = T.bind(slot * t.width + panel * lanes)
        with loop(samples) as j:
            column = []
            for i in range(self.down.samples):
                place = start + (i * samples + j) * t.spaced(t.width)
                column.append(T.bind(source[vector_at(place, lanes)]))
            for i, value in enumerate(product(self.down.output, column)):
                T.buffer_store(held, value, [vector_at((i * samples + j) * lanes, lanes)])
        with loop(_cut(high, y, s.out_height)) as i:
            row = [
                T.bind(held[vector_at((i * samples + j) * lanes, lanes)]) for j in range(samples)
            ]
            done = registers(wide, lanes)
            for j, value in enumerate(product(self.across.output, row)):
                T.buffer_store(done, value, [vector_at(j * lanes, lanes)])
            with loop(_cut(wide, x, s.out_width)) as j:
                value = done[vector_at(j * lanes, lanes)]
                self._finish(value, image, panel, T.bind(y + i), T.bind(x + j))

    def _finish(self, value: Expr, image: Expr, panel: Expr, y: Expr, x: Expr) -> None:
        s, lanes = self.shape, self.shape.lanes
        lane = tirx.Var("lane", "int32")
        held = T.bind(value)
        index = (image, panel, y, x, lane)
        finished = Evaluator(lane, lanes, {self.accumulated: held})(self.result.at(index))
        target = (((image * s.panels + panel) * s.out_height + y) * s.out_width + x) * lanes
        T.buffer_store(self.out, finished, [vector_at(target, lanes)])


def _cut(extent: int, start: Expr, end: int) -> int | Expr:
    return extent if end % extent == 0 else T.bind(tirx.min(end - start, extent))
