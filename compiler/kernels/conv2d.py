"""Direct convolution, [N, C/L, H, W, L] or [N, C, H, W] in, [N, O/L, H', W', L] out.

A task computes one row (or a block of columns, or all of a small image) of a few panels of L
output channels:

    acc[columns][vectors] = 0                                # registers
    for ky inside the image: for kx: for c:
        acc[x][v] += data[c, y + ky, x + kx] * weight[v, ky, kx, c, 0:L]
    out = epilogue(acc)

A table of positions may say where each channel lies (neoc.gathered_conv2d).

Nothing is padded: ky runs over rows inside the image, and the tiles at the left and right border
leave out the taps outside it. Loop order and tiles after Liu et al., Optimizing CNN Model
Inference on CPUs (USENIX ATC 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.arithmetic import Arithmetic, Floats, Pairs
from compiler.kernels.emit import (
    LINE,
    REGION,
    below,
    either,
    kernel,
    loop,
    prefetch,
    registers,
    vector_at,
)
from compiler.kernels.geometry import WIDEST, Geometry, blocks, cycles, even, fits, waiting
from compiler.kernels.template import Point, Space, Template
from compiler.kernels.value import ZERO, Expr, Value
from compiler.kernels.vector import Evaluator
from compiler.kernels.workload import Bound, Workload
from targets import Profile


class DirectConv(Template):
    name = "conv2d"
    version = 4

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.operator in ("neoc.conv2d", "neoc.gathered_conv2d")

    def space(self, work: Workload, profile: Profile) -> Space:
        shape = Geometry.of(work)
        longest = shape.out_width if shape.mode == "rows" else shape.pixels
        return Space({
            "vectors": tuple(v for v in (1, 2, 3, 4, 5, 6, 8) if shape.in_one_group(v)),
            "columns": tuple(c for c in range(1, 29) if c <= longest),
            "panels_first": (0, 1),
        })  # fmt: skip

    def cost(self, work: Workload, profile: Profile, point: Point) -> float:
        shape = Geometry.of(work)
        if not fits(point["vectors"], point["columns"], profile, shape.whole):
            return inf
        streams = point["panels_first"] == (shape.weight_bytes > shape.data_bytes)
        few = 1 - point["columns"] * 1e-6  # of equals the widest
        busy = _busy(shape, profile, point)
        first = busy / (shape.out_height if shape.mode == "rows" else 1)
        return busy * few / (0.95 + 0.05 * streams) + waiting(shape.weight_bytes, first / 2)

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        shape = Geometry.of(work)
        with kernel(name, work.parameters) as (buffers, done):
            flat = shape.mode != "rows" and work.mergeable(2)
            bound = work.bind(buffers, merged=(2,) if flat else ())
            long = work.calls_mathematics or shape.whole
            emitter = _Emitter(shape, profile, point, bound, buffers[-1], flat, long)
            emitter.emit(_busy(shape, profile, point) > REGION)
        return done[0]


def _busy(shape: Geometry, profile: Profile, point: Point) -> float:
    first = bool(point["panels_first"])
    return cycles(shape, point["vectors"], point["columns"], profile, first)


@dataclass(frozen=True)
class _Tile:
    """Output pixels computed together: offsets (y, x) from a corner. number: of the tile among
    those of an image. border: the corner's column, if near one.
    """

    number: Expr | int
    y: Expr | int
    x: Expr | int
    pixels: tuple[tuple[int, int], ...]
    border: int | None = None


Taps = list[
    list[tuple[int, int]]
]  # for each kx: (pixel, offset from the tile's corner in the data)


class _Emitter:
    """Writes one convolution. All positions are element offsets into flat buffers."""

    def __init__(
        self,
        shape: Geometry,
        profile: Profile,
        point: Point,
        bound: Bound,
        out: tirx.Buffer,
        merged: bool,
        long_epilogue: bool,
    ) -> None:
        arithmetic: Arithmetic = Pairs.of(profile) if shape.whole else Floats(shape.lanes)
        self.arithmetic, self.long_epilogue = arithmetic, long_epilogue
        self.shape = shape.flat() if merged and shape.mode == "flat" else shape
        self.mode, self.merged = shape.mode, merged
        self.vectors, self.columns = point["vectors"], point["columns"]
        self.blocks = blocks(shape, -(-shape.panels // self.vectors), profile.cores)
        self.panels_first = bool(point["panels_first"])
        self.data, self.weight, *table = bound.anchor_buffers()
        self.table = table[0] if table else None
        self.out = out
        self.nothing: Expr = ZERO  # 0, but known at run time only
        self.ahead: list[Expr] = []  # weights to fetch in every block of channels
        self.accumulated = tirx.Var("accumulated", arithmetic.sums)
        anchor_shape = (shape.batch, shape.panels, shape.out_height, shape.out_width, shape.lanes)
        anchor = Value(anchor_shape, arithmetic.sums, lambda _: self.accumulated)
        self.result = bound.result(anchor)
        if self.mode == "flat" and not merged:
            self.mode = "rows"

    def emit(self, parallel: bool) -> None:
        s = self.shape
        groups = -(-s.panels // self.vectors)
        pieces = {"image": 1, "rows": s.out_height, "flat": len(self.blocks)}[self.mode]
        with loop(s.batch * groups * pieces, parallel) as task:
            self.nothing = tirx.min(task, 0)
            n = T.bind(task // (groups * pieces)) if s.batch > 1 else ZERO
            inside = task % (groups * pieces) if s.batch > 1 else task
            if self.panels_first:
                group, piece = T.bind(inside // pieces), T.bind(inside % pieces)
            else:
                group, piece = T.bind(inside % groups), T.bind(inside // groups)
            self._panels(n, group, piece)

    def _panels(self, n: Expr, group: Expr, piece: Expr) -> None:
        """The last group may have fewer panels."""
        full, rest = divmod(self.shape.panels, self.vectors)
        if not rest:
            self._piece(n, group * self.vectors, piece, self.vectors)
        elif not full:
            self._piece(n, ZERO, piece, rest)
        else:
            with T.If(group < full):
                with T.Then():
                    self._piece(n, group * self.vectors, piece, self.vectors)
                with T.Else():
                    self._piece(n, tirx.const(full * self.vectors, "int32"), piece, rest)

    def _piece(self, n: Expr, panel: Expr, piece: Expr, vectors: int) -> None:
        s = self.shape
        if self.mode == "image":
            pixels = [(y, x) for y in range(s.out_height) for x in range(s.out_width)]
            start = 0
            for number, count in enumerate(even(len(pixels), self.columns)):
                tile = _Tile(number, 0, 0, tuple(pixels[start : start + count]))
                self._tile(n, panel, vectors, tile)
                start += count
        elif self.mode == "flat":
            self._block(n, panel, piece, vectors)
        else:
            self._row(n, panel, piece, vectors)

    def _block(self, n: Expr, panel: Expr, piece: Expr, vectors: int) -> None:
        """A piece of one long row; the first may be a column longer than the others."""
        large, size = self.blocks.count(self.blocks[0]), self.blocks[-1]
        mixed = large < len(self.blocks)
        start = T.bind(piece * size + (tirx.min(piece, large) if mixed else 0))

        def columns(count: int) -> None:
            number, first = piece * self._tiles_of_block, 0
            for width, run in _runs(even(count, self.columns)):
                with loop(run) as i:
                    x = T.bind(start + first + i * width)
                    self._tile(n, panel, vectors, _Tile(number + i, 0, x, _across(width)))
                number, first = number + run, first + width * run

        more = below(piece, large, mixed, True)
        either(more, lambda: columns(self.blocks[0]), lambda: columns(size))

    @property
    def _tiles_of_block(self) -> int:
        return len(even(self.blocks[0], self.columns))

    def _row(self, n: Expr, panel: Expr, y: Expr, vectors: int) -> None:
        """One row: tiles at the borders with their own taps, those between as a loop."""
        s = self.shape
        first = 0
        segments: list[tuple[int, int, int, bool]] = []  # first column, tile, repetitions, inside
        for size in even(s.out_width, self.columns):
            left = first * s.stride[1] - s.padding[1]
            right = (
                (first + size - 1) * s.stride[1] - s.padding[1] + (s.kernel[1] - 1) * s.dilation[1]
            )
            inside = left >= 0 and right < s.width
            if inside and segments and segments[-1][3] and segments[-1][1] == size:
                segments[-1] = (*segments[-1][:2], segments[-1][2] + 1, True)
            else:
                segments.append((first, size, 1, inside))
            first += size
        number = y * len(even(s.out_width, self.columns))
        for start, size, run, inside in segments:
            with loop(run) as i:
                at = T.bind(start + i * size) if run > 1 else start
                border = None if inside else start
                tile = _Tile(number + i, y, at, _across(size), border)
                self._tile(n, panel, vectors, tile)
            number = number + run

    def _tile(self, n: Expr, panel: Expr, vectors: int, tile: _Tile) -> None:
        lanes, count = self.shape.lanes, len(tile.pixels) * vectors
        acc = registers(count, lanes, self.arithmetic.sums)
        for i in range(count):
            T.buffer_store(
                acc,
                tirx.Broadcast(tirx.const(0, self.arithmetic.sums), lanes),
                [vector_at(i * lanes, lanes)],
            )
        self.ahead = self._lines_ahead(tile, vectors) if self.panels_first else []
        for taps, ky in self._kernel_rows(tile):
            self._accumulate(acc, n, panel, vectors, tile, taps, ky)
        self._store(acc, n, panel, vectors, tile)

    def _lines_ahead(self, tile: _Tile, vectors: int) -> list[Expr]:
        """Which lines of the next task's weights a tile fetches while it reads a block of channels:
        its share of them, as elements from those that it reads.
        """
        s = self.shape
        column = s.reach * s.lanes
        each = max(s.block * s.lanes * s.item // LINE, 1)  # lines of a panel
        rows = len(even(s.out_width, self.columns)) * s.out_height
        tiles = self._tiles_of_block * len(self.blocks) if self.mode == "flat" else rows
        share = -(-vectors * each // tiles)
        lines = [T.bind((tile.number * share + n) % (vectors * each)) for n in range(share)]
        return [
            T.bind(
                (line // each + vectors) * s.kernel[0] * s.kernel[1] * column
                + line % each * LINE // s.item
            )
            for line in lines
        ]

    def _kernel_rows(self, tile: _Tile) -> Iterator[tuple[Taps, Expr | int]]:
        """The rows of the kernel that meet the image, with the taps of each."""
        s = self.shape
        if self.mode == "image":
            for ky in range(s.kernel[0]):
                rows = range(-ky * s.dilation[0], s.height - ky * s.dilation[0])
                if any(taps := self._taps(tile, rows, 0)):
                    yield taps, ky
            return
        taps = self._taps(tile, None, tile.border)
        low, high = self._valid_rows(tile.y)
        if isinstance(low, int):
            with loop(s.kernel[0]) as ky:
                yield taps, ky
        else:
            with T.serial(0, high - low) as k:
                yield taps, T.bind(low + k)

    def _taps(self, tile: _Tile, rows: range | None, border: int | None) -> Taps:
        """The taps of each kx whose input lies in `rows` (None: all), counted from the tile's
        corner, and in the image if the tile's first column is `border` (None: far from it)."""
        s = self.shape
        found: Taps = []
        for kx in range(s.kernel[1] if s.kernel[1] <= WIDEST else 1):
            here = []
            for i, (dy, dx) in enumerate(tile.pixels):
                y = dy * s.stride[0] - s.padding[0]
                x = dx * s.stride[1] - s.padding[1] + kx * s.dilation[1]
                inside = border is None or 0 <= x + border * s.stride[1] < s.width
                if inside and (rows is None or y in rows):
                    here.append((i, (y * s.width + x) * s.block))
            found.append(here)
        return found

    def _valid_rows(self, y: Expr | int) -> tuple[Expr | int, Expr | int]:
        """The ky whose input row lies inside the image."""
        s = self.shape
        kernel_h, dy = s.kernel[0], s.dilation[0]
        last = (s.out_height - 1) * s.stride[0] - s.padding[0] + (kernel_h - 1) * dy
        if s.padding[0] == 0 and last < s.height:
            return 0, kernel_h
        top = s.padding[0] - y * s.stride[0]
        low = tirx.max(tirx.floordiv(top + dy - 1, dy), 0)
        high = tirx.min(tirx.floordiv(top + s.height + dy - 1, dy), kernel_h)
        return T.bind(low), T.bind(high)

    def _accumulate(
        self,
        acc: tirx.Buffer,
        n: Expr,
        panel: Expr,
        vectors: int,
        tile: _Tile,
        taps: Taps,
        ky: Expr | int,
    ) -> None:
        """All channels for one kx after the other: in one loop LLVM would keep the pixels that
        neighbouring kx share in registers, and spill the accumulators. For the same reason it must
        not unroll the loop over kx, and is not told how often that runs.
        """
        s, lanes, step = self.shape, self.shape.lanes, self.arithmetic
        column = s.reach * lanes  # weights of one (ky, kx)
        stride = s.kernel[0] * s.kernel[1] * column  # from one panel's weights to the next one's
        row = T.bind((panel * s.kernel[0] + ky) * (s.kernel[1] * column))
        corner = (
            (tile.y * s.stride[0] + ky * s.dilation[0]) * s.width + tile.x * s.stride[1]
        ) * s.block

        def channels(kx: Expr | int, start: Expr | int, here: list[tuple[int, int]]) -> None:
            weights = T.bind(row + kx * column)

            def channel(position: Expr, c: Expr) -> None:
                at = weights + c * lanes
                w = [T.bind(step.weights(self.weight, at + v * stride)) for v in range(vectors)]
                for i, offset in here:
                    x = T.bind(step.spread(self.data, position + offset))
                    for v in range(vectors):
                        slot = vector_at((i * vectors + v) * lanes, lanes)
                        T.buffer_store(acc, step.added(acc[slot], x, w[v]), [slot])

            def fetch(c: Expr) -> None:
                for offset in self.ahead:
                    prefetch(self.weight, weights + c * lanes + offset)

            self._channels(n, panel, start, channel, fetch)

        alike = self.mode != "image" and tile.border is None and s.kernel[1] > 1
        if alike or s.kernel[1] > WIDEST:
            with T.serial(0, s.kernel[1] + self.nothing) as kx:
                channels(kx, corner + kx * (s.dilation[1] * s.block), taps[0])
            return
        for kx, here in enumerate(taps):
            if here:
                channels(kx, corner, here)

    def _channels(
        self,
        n: Expr,
        panel: Expr,
        corner: Expr | int,
        body: Callable[[Expr, Expr], None],
        block: Callable[[Expr], None],
    ) -> None:
        """body(the tile's corner in the data, the channel's number in the weights) for every
        channel within reach, block(number) before each whole block of them.
        """
        s = self.shape
        plane = s.height * s.width
        step = self.arithmetic.depth
        image = n * (int(self.data.shape[0]) // s.batch) + corner
        if self.table is not None:
            with loop(s.reach) as c:
                body(T.bind(image + self.table[c]), c)
        elif s.groups > 1:
            self._window(image, panel, body)
        elif s.block == 1:
            with loop(s.reach) as c:
                body(T.bind(image + c * plane), c)
        else:
            whole, rest = divmod(s.reach, s.block)
            if whole:
                with loop(whole) as chunk:
                    base = T.bind(image + chunk * (plane * s.block))
                    block(chunk * s.block)
                    with loop(s.block // step) as inner:
                        body(base + inner * step, chunk * s.block + inner * step)
            if rest:
                with loop(rest // step) as inner:
                    body(
                        image + whole * plane * s.block + inner * step,
                        whole * s.block + inner * step,
                    )

    def _window(self, image: Expr, panel: Expr, body: Callable[[Expr, Expr], None]) -> None:
        """The channels of the groups that a panel's lanes belong to, block by block: the window may
        begin and end within a block.
        """
        s, plane = self.shape, self.shape.height * self.shape.width
        outputs, inputs = s.out_channels // s.groups, s.in_channels // s.groups
        group = T.bind(panel * s.lanes // outputs)
        last = tirx.min(panel * s.lanes + s.lanes, s.out_channels) - 1
        groups = T.bind(last // outputs - group + 1) if outputs % s.lanes else 1
        first, count = T.bind(group * inputs), groups * inputs
        block, whole = T.bind(first // s.block), inputs % s.block == 0
        with T.serial(0, T.bind((first + count - 1) // s.block + 1 - block)) as n:
            here = T.bind((block + n) * s.block - first)  # of the block's first channel
            base = T.bind(image + (block + n) * (plane * s.block))
            low = ZERO if whole else T.bind(tirx.max(-here, 0))
            high = s.block if whole else T.bind(tirx.min(count - here, s.block))
            with T.serial(0, high - low) as k:
                inner = k if whole else T.bind(low + k)
                body(base + inner, here + inner)

    def _store(self, acc: tirx.Buffer, n: Expr, panel: Expr, vectors: int, tile: _Tile) -> None:
        """The epilogue, written out for every vector, or as a loop where it is long."""
        lanes, count = self.shape.lanes, len(tile.pixels)
        top, left = tile.pixels[0]
        row = tile.pixels == tuple((top, left + i) for i in range(count))
        if not (self.long_epilogue and row and count > 1):
            for v in range(vectors):
                for i, (y, x) in enumerate(tile.pixels):
                    self._finish(acc, i * vectors + v, n, panel + v, tile.y + y, tile.x + x)
            return
        done = registers(
            count * vectors, lanes, self.arithmetic.sums
        )  # indexed by the loop, so in memory; acc must stay in registers
        for i in range(count * vectors):
            T.buffer_store(done, acc[vector_at(i * lanes, lanes)], [vector_at(i * lanes, lanes)])
        with T.serial(0, count) as i:
            for v in range(vectors):
                self._finish(done, i * vectors + v, n, panel + v, tile.y + top, tile.x + left + i)

    def _finish(
        self, acc: tirx.Buffer, slot: Expr | int, n: Expr, panel: Expr, y: Expr | int, x: Expr | int
    ) -> None:
        s, lanes = self.shape, self.shape.lanes
        lane = tirx.Var("lane", "int32")
        at = T.bind(panel)
        place = (y * s.out_width + x,) if self.merged else (y, x)
        index = (n, at, *(tirx.const(p, "int32") if isinstance(p, int) else p for p in place), lane)
        held = acc[vector_at(slot * lanes, lanes)]
        value = Evaluator(lane, lanes, {self.accumulated: held})(self.result.at(index))
        target = (((n * s.panels + at) * s.out_height + y) * s.out_width + x) * lanes
        T.buffer_store(self.out, value, [vector_at(target, lanes)])


def _across(count: int) -> tuple[tuple[int, int], ...]:
    return tuple((0, x) for x in range(count))


def _runs(sizes: list[int]) -> list[tuple[int, int]]:
    """6, 6, 5 -> (6, 2), (5, 1)"""
    runs: list[tuple[int, int]] = []
    for size in sizes:
        if runs and runs[-1][0] == size:
            runs[-1] = (size, runs[-1][1] + 1)
        else:
            runs.append((size, 1))
    return runs
