"""Transposes, by squares of as many vectors as a vector has lanes.

    for each (outer axes, rows of a cache line) in parallel: for each square of columns:
        v[i] = x[column + i, row : row + L];  y[row + j, column : column + L] = transposed(v)[j]

Rows are the axis that is last before, columns the one that is last afterwards. The last square is
moved back to end at the edge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import LINE, PARALLEL_WORK, bound, kernel, loop
from compiler.kernels.operators import integers, shape_of
from compiler.kernels.template import FIXED, Point, Space, Template
from compiler.kernels.value import ZERO, Expr, unravel
from compiler.kernels.workload import Workload, operands_of, operator_of
from targets import Profile

BLOCK = 4  # elements of 128 bits, inside of which shuffles are cheap


@dataclass(frozen=True)
class Move:
    """A permutation without axes of one element, with axes that stay neighbours as one. For every
    axis of the result: its extent, and its step in the operand and in the result.
    """

    extents: tuple[int, ...]
    read: tuple[int, ...]
    written: tuple[int, ...]

    @classmethod
    def of(cls, shape: tuple[int, ...], order: tuple[int, ...]) -> Move:
        kept = [a for a, extent in enumerate(shape) if extent != 1]
        order = tuple(kept.index(a) for a in order if a in kept)
        sizes = [shape[a] for a in kept]
        runs: list[list[int]] = []
        for axis in order:
            if runs and runs[-1][-1] == axis - 1:
                runs[-1].append(axis)
            else:
                runs.append([axis])
        extents = tuple(math.prod(sizes[a] for a in run) for run in runs)
        read = tuple(math.prod(sizes[run[-1] + 1 :]) for run in runs)
        written = tuple(math.prod(extents[n + 1 :]) for n in range(len(runs)))
        return cls(extents, read, written)

    @property
    def rows(self) -> int:
        """The number of the axis whose elements stand side by side in the operand."""
        return self.read.index(1)


class Transpose(Template):
    name = "transpose"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        move, lanes = _move(work), profile.isa.lanes
        return (
            move is not None
            and np.dtype(work.output[1]).itemsize == 4
            and len(move.extents) > 1
            and move.read[-1] > 1
            and min(move.extents[move.rows], move.extents[-1]) >= lanes >= BLOCK
        )

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        move = _move(work)
        assert move is not None
        with kernel(name, work.parameters) as (buffers, done):
            _emit(move, profile.isa.lanes, *buffers)
        return done[0]


def _move(work: Workload) -> Move | None:
    """What the only call of a workload moves; packed channels must fill their vectors."""
    if len(work.calls) != 1:
        return None
    _, call = work.calls[0]
    name, out = operator_of(call), shape_of(call)
    if name == "relax.permute_dims":
        shape = shape_of(call.args[0])
        order = call.attrs.axes or reversed(range(len(shape)))
        return Move.of(shape, tuple(int(a) for a in order))
    if name == "neoc.move":
        extents, moved = (integers(o) for o in operands_of(call)[1:])
        return Move.of(tuple(extents), tuple(moved))
    if name == "neoc.pack":
        batch, channels, *image = shape_of(operands_of(call)[0])
        split = (batch, out[1], out[4], *image)
        return Move.of(split, (0, 1, 3, 4, 2)) if channels == out[1] * out[4] else None
    if name == "neoc.unpack":
        shape = shape_of(operands_of(call)[0])
        return Move.of(shape, (0, 1, 4, 2, 3)) if out[1] == shape[1] * shape[4] else None
    return None


def _emit(move: Move, lanes: int, source: tirx.Buffer, out: tirx.Buffer) -> None:
    rows, columns = move.extents[move.rows], move.extents[-1]
    squares = min(max(LINE // (4 * lanes), 1), rows // lanes)
    height = squares * lanes
    outer = [n for n in range(len(move.extents) - 1) if n != move.rows]
    tiles = (*(move.extents[n] for n in outer), -(-rows // height))
    parallel = math.prod(move.extents) >= PARALLEL_WORK
    with loop(math.prod(tiles), parallel) as task, loop(-(-columns // lanes)) as square:
        *index, tile = unravel(task, tiles)
        row = bound(tirx.min(tile * height, rows - height))
        column = bound(tirx.min(square * lanes, columns - lanes))
        read: Expr = row + column * move.read[-1]
        written: Expr = row * move.written[move.rows] + column
        for n, i in zip(outer, index, strict=True):
            read, written = read + i * move.read[n], written + i * move.written[n]
        read, written = bound(read + ZERO), bound(written + ZERO)
        for first in range(0, height, lanes):
            at = [read + (first + i * move.read[-1]) for i in range(lanes)]
            vectors = [T.bind(source[tirx.Ramp(a, 1, lanes)]) for a in at]
            for j, vector in enumerate(transposed(vectors)):
                place = written + (first + j) * move.written[move.rows]
                T.buffer_store(out, vector, [tirx.Ramp(place, 1, lanes)])


def transposed(rows: list[Expr]) -> list[Expr]:
    """The columns of a square of as many vectors as lanes: first in blocks of 4 by 4, then the
    blocks change places, one bit of their number at a time.
    """
    lanes, made = len(rows), list(rows)

    def shuffled(a: Expr, b: Expr, pattern: list[int]) -> Expr:
        """pattern: of every 4 lanes; 0 .. 3 are those of a, 4 .. 7 those of b."""
        starts = range(0, lanes, BLOCK)
        lane = [s + p if p < BLOCK else lanes + s + p - BLOCK for s in starts for p in pattern]
        return T.bind(tirx.Shuffle([a, b], lane))

    low, high = [0, 4, 1, 5], [2, 6, 3, 7]
    first, second = [0, 1, 4, 5], [2, 3, 6, 7]
    for n in range(0, lanes, BLOCK):
        a, b, c, d = made[n : n + BLOCK]
        left = [shuffled(a, b, low), shuffled(a, b, high)]
        right = [shuffled(c, d, low), shuffled(c, d, high)]
        pairs = [(x, y, half) for x, y in zip(left, right, strict=True) for half in (first, second)]
        made[n : n + BLOCK] = [shuffled(*pair) for pair in pairs]
    bit = BLOCK
    while bit < lanes:
        for i in (n for n in range(lanes) if not n & bit):
            a, b = made[i], made[i + bit]
            made[i] = T.bind(tirx.Shuffle([a, b], _swapped(lanes, bit, 0)))
            made[i + bit] = T.bind(tirx.Shuffle([a, b], _swapped(lanes, bit, bit)))
        bit *= 2
    return made


def _swapped(lanes: int, bit: int, offset: int) -> list[int]:
    """Lanes of a where the bit is 0, of b where it is 1; from those with the bit as in offset."""
    return [(n & ~bit) + offset + (lanes if n & bit else 0) for n in range(lanes)]
