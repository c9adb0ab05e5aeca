"""Recurrent layers: all time steps in one kernel, the input's share of the gates computed before.

    for t: for each (part of the cell, direction, tile of rows, group of units):
        acc[rows][units][gates] = sum over k of state[r, k] * weight[k, units, gates]
        state', out[t] = update(projected[t] + acc, state)

The gates of a unit stand together, so that a cell is updated in registers. The state is kept
twice, the old and the new: a step may compute units and rows twice, and the last group and tile
are moved back to end at the edge. Parallel are either whole sequences (directions and tiles of
rows, which must not overlap then) or, in `parts`, the groups of every step, after which all threads
meet. Where a sequence has ended its state stays, and what goes out is 0; of one without any step,
as ONNX Runtime has it, the last state is 0, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.cells import CELLS, Cell, Inputs, Part, Rules, Settings
from compiler.kernels.emit import (
    REGION,
    bound,
    either,
    kernel,
    loop,
    prefetch,
    registers,
    shared,
    store_value,
    team,
    vector_at,
)
from compiler.kernels.geometry import FMA_LATENCY, LOADS_PER_CYCLE
from compiler.kernels.operators import dtype_of, shape_of
from compiler.kernels.template import Packing, Point, Space, Template
from compiler.kernels.value import Expr, Index, Value, ravel, unravel
from compiler.kernels.vector import Evaluator, spread
from compiler.kernels.workload import Bound, Workload, operands_of, tensors_of
from targets import Profile

UPDATE_CYCLES = 80  # of a vector of cells
L2_BYTES, L3_BYTES = 30, 10  # a cycle: measured; the L2 cache limits a sequence of one row


@dataclass(frozen=True)
class Recurrence:
    """Sizes of a layer. extra_rows: of units, in the layer's own parameter. lengths: whether
    sequences end at steps that an operand tells.
    """

    cell: Cell
    settings: Settings
    steps: int
    batch: int
    directions: int
    units: int
    extra_rows: int
    lengths: bool
    out: tuple[int, ...]
    lanes: int

    @classmethod
    def of(cls, work: Workload, profile: Profile) -> Recurrence:
        assert work.anchor is not None
        cell = CELLS[work.operator]
        projected, _, *rest = tensors_of(work.anchor)
        directions, batch, units = shape_of(rest[0])
        behind = [shape_of(t) for t in rest[cell.states :] if dtype_of(t) == "float32"]
        return cls(
            cell=cell,
            settings=Settings.of(operands_of(work.anchor), cell.activations),
            steps=shape_of(projected)[0],
            batch=batch,
            directions=directions,
            units=units,
            extra_rows=sum(shape[1] // units for shape in behind),
            lengths=dtype_of(rest[-1]) == "int32",
            out=shape_of(work.anchor),
            lanes=min(profile.isa.lanes, 1 << (units.bit_length() - 1)),
        )

    @property
    def state_elements(self) -> int:
        return self.directions * self.batch * self.units

    @property
    def half(self) -> int:
        """Elements of the old or the new state."""
        return self.cell.kept * self.state_elements

    def groups(self, vectors: int) -> int:
        return -(-self.units // (vectors * self.lanes))

    def first_unit(self, group: int, vectors: int) -> int:
        return min(group * vectors * self.lanes, self.units - vectors * self.lanes)

    def pack(self, weight: np.ndarray, vectors: int) -> np.ndarray:
        """[D, H, gates * H] -> of each part, one behind the other, [D, groups, H, vectors, gates,
        lanes].
        """
        d, h, lanes = self.directions, self.units, self.lanes
        by_unit = weight.reshape(d, h, self.cell.gates, h)
        starts = [self.first_unit(g, vectors) for g in range(self.groups(vectors))]
        width, first, packed = vectors * lanes, 0, []
        for part in self.cell.parts:
            gates = by_unit[:, :, first : first + part.gates]
            groups = np.stack([gates[..., s : s + width] for s in starts], 1)
            split = groups.reshape(d, -1, h, part.gates, vectors, lanes)
            packed.append(split.swapaxes(3, 4).reshape(-1))
            first += part.gates
        return np.concatenate(packed)


class Recurrent(Template):
    name = "recurrent"
    version = 2

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.operator in CELLS and dtype_of(work.anchor) == "float32"

    def space(self, work: Workload, profile: Profile) -> Space:
        shape = Recurrence.of(work, profile)
        alone = shape.steps == 1 or profile.cores == 1
        return Space({
            "rows": tuple(r for r in range(1, 9) if r <= shape.batch),
            "vectors": tuple(v for v in (1, 2, 3, 4) if v * shape.lanes <= shape.units),
            "parts": (1,) if alone else (1, profile.cores),
        }, lambda p: p["parts"] > 1 or shape.batch % p["rows"] == 0)  # fmt: skip

    def cost(self, work: Workload, profile: Profile, point: Point) -> float:
        return _cycles(Recurrence.of(work, profile), point, profile)

    def packing(self, work: Workload, profile: Profile, point: Point) -> Mapping[int, Packing]:
        weight = tensors_of(work.anchor)[1]
        (number,) = (n for n, p in enumerate(work.function.params) if p.same_as(weight))
        if number not in work.constants:
            return {}
        shape, vectors = Recurrence.of(work, profile), point["vectors"]
        gates, width = shape.cell.gates, vectors * shape.lanes
        packed = shape.directions * shape.groups(vectors) * shape.units * width * gates
        name = f"{work.operator}-{gates}x{vectors}x{shape.lanes}"
        return {number: Packing(name, (packed,), lambda a: shape.pack(a, vectors))}

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        shape, packing = Recurrence.of(work, profile), self.packing(work, profile, point)
        parameters = list(work.parameters)
        for number, packed in packing.items():
            parameters[number] = packed.shape, "float32"
        with kernel(name, parameters) as (buffers, done):
            _Emitter(shape, point, bool(packing), work.bind(buffers), buffers[-1]).emit()
        return done[0]


def _cycles(shape: Recurrence, point: Point, profile: Profile) -> float:
    rows, vectors, parts = point["rows"], point["vectors"], point["parts"]
    widths = [vectors * part.gates for part in shape.cell.parts]
    if max(widths) * rows + rows + (rows > 1) > profile.isa.registers:
        return math.inf
    tiles = shape.directions * -(-shape.batch // rows)
    groups = shape.groups(vectors)
    unit_bytes = 4 * shape.units * shape.lanes
    if parts > 1:
        count = -(-tiles * groups // parts)
        own = unit_bytes * sum(widths) * shape.directions * groups // parts
    else:
        count = -(-tiles // profile.cores) * groups
        own = unit_bytes * sum(widths) * groups
    speeds = ((profile.l1_bytes // 2, math.inf), (profile.l2_bytes, L2_BYTES), (own, L3_BYTES))
    speed = next(speed for size, speed in speeds if own <= size)
    cycles = 0.0
    for width in widths:
        arithmetic = width * rows / profile.fma_per_cycle
        step = max(arithmetic, (width + rows) / LOADS_PER_CYCLE, FMA_LATENCY)
        group = max(step * shape.units, unit_bytes * width / speed)
        cycles += (group + UPDATE_CYCLES * vectors * rows) * count + REGION * (parts > 1)
    return shape.steps * cycles


def _swing(t: Expr, n: Expr, count: int | Expr) -> Expr:
    """n, counted from the other end at every second step: what was read last is still near."""
    return n + t % 2 * (count - 1 - 2 * n)


class _Emitter:
    def __init__(
        self, shape: Recurrence, point: Point, packed: bool, work: Bound, out: tirx.Buffer
    ) -> None:
        self.shape, self.out, self.packed = shape, out, packed
        self.rows, self.vectors, self.parts = point["rows"], point["vectors"], point["parts"]
        states = shape.cell.states
        self.projected, self.weight, *rest = work.anchor_buffers()
        self.lengths = rest.pop() if shape.lengths else None
        self.extra = rest[states:]
        self.starts = work.operands()[2 : 2 + states]
        self.stored = tirx.Var("stored", "float32")
        self.result = work.result(Value(shape.out, "float32", lambda _: self.stored))

    def emit(self) -> None:
        s = self.shape
        self.state = T.alloc_buffer((2 * s.half,), "float32", layout=None)
        for n, start in enumerate(self.starts):
            within = (2 * s.cell.kept * s.directions, s.batch, s.units)
            store_value(self.state, start, s.lanes, within, (n * s.directions, 0, 0))
        groups, tiles = s.groups(self.vectors), -(-s.batch // self.rows)
        sequences = s.directions * tiles
        if self.parts > 1:
            count = sequences * groups
            with team(), loop(s.steps) as t:
                for part in range(len(s.cell.parts)):
                    with shared(self.parts) as share:
                        first, end = (bound(n * count // self.parts) for n in (share, share + 1))
                        with loop(bound(end - first)) as n:
                            task = bound(first + _swing(t, n, end - first))
                            *sequence, group = unravel(task, (s.directions, tiles, groups))
                            self._tile(t, part, tuple(sequence), group)
        else:
            with loop(sequences, parallel=True) as sequence, loop(s.steps) as t:
                for part in range(len(s.cell.parts)):
                    with loop(groups) as n:
                        at = unravel(sequence, (s.directions, tiles))
                        self._tile(t, part, at, _swing(t, n, groups))

    def _tile(self, t: Expr, number: int, sequence: tuple[Expr, ...], group: Expr) -> None:
        """A part of a step of a tile of rows and a group of units."""
        s, lanes, parts = self.shape, self.shape.lanes, self.shape.cell.parts
        gates = parts[number].gates
        direction, group = bound(sequence[0]), bound(group)
        row = bound(tirx.min(sequence[1] * self.rows, s.batch - self.rows))
        width = self.vectors * lanes
        unit = bound(tirx.min(group * width, s.units - width))
        first = (direction * s.batch + row) * s.units
        halves = T.bind(t % 2 * s.half + first), T.bind((t + 1) % 2 * s.half + first)
        made = {n for part in parts[:number] for n in part.writes}
        places = [halves[n in made] + n * s.state_elements for n in range(s.cell.kept)]
        tile = [(r, v) for r in range(self.rows) for v in range(self.vectors)]
        given = [self._given(t, direction, row + r, unit + v * lanes) for r, v in tile]
        for start in given:  # much of it lies in another core's cache
            for g in range(s.cell.gates):
                prefetch(self.projected, start + g * s.units)
        acc = self._sums(number, places[parts[number].source], direction, group, unit)
        for r in range(self.rows):
            for v in range(self.vectors):
                slots = [((r * self.vectors + v) * gates + g) * lanes for g in range(gates)]
                at = r * s.units + unit + v * lanes
                self._update(
                    parts[number],
                    [T.bind(acc[vector_at(slot, lanes)]) for slot in slots],
                    (t, direction, row + r, unit + v * lanes),
                    [place + at for place in places],
                    halves[1] + at,
                )

    def _sums(
        self, number: int, source: Expr, direction: Expr, group: Expr, unit: Expr
    ) -> tirx.Buffer:
        """[rows, vectors, gates] vectors: a state times the group's weights for a part's gates."""
        s, lanes, gates = self.shape, self.shape.lanes, self.shape.cell.parts[number].gates
        before = sum(part.gates for part in s.cell.parts[:number])
        count = self.vectors * gates
        acc = registers(self.rows * count, lanes)
        zero = spread(tirx.const(0.0, "float32"), lanes)
        for i in range(self.rows * count):
            T.buffer_store(acc, zero, [vector_at(i * lanes, lanes)])
        if self.packed:
            groups = s.groups(self.vectors)
            pieces = s.directions * groups * before * self.vectors
            base = bound((pieces + (direction * groups + group) * count) * (s.units * lanes))
            step, offsets = count * lanes, [n * lanes for n in range(count)]
        else:
            step = s.cell.gates * s.units
            base = bound(direction * (s.units * step) + before * s.units + unit)
            vectors = range(self.vectors)
            offsets = [g * s.units + v * lanes for v in vectors for g in range(gates)]
        with loop(s.units) as k:
            at = [source + r * s.units + k for r in range(self.rows)]
            given = [T.bind(spread(self.state[a], lanes)) for a in at]
            for n, offset in enumerate(offsets):
                weight = T.bind(self.weight[vector_at(base + k * step + offset, lanes)])
                for r in range(self.rows):
                    slot = vector_at((r * count + n) * lanes, lanes)
                    T.buffer_store(acc, acc[slot] + given[r] * weight, [slot])
        return acc

    def _update(
        self, part: Part, sums: list[Expr], at: Index, states: list[Expr], new: Expr
    ) -> None:
        """The states that a part writes, to `new`; what is visible of them goes out. at: the time,
        direction, row and unit. states: where those that it reads stand.
        """
        s, (t, direction, row, unit) = self.shape, at
        place, rows = bound(self._place(t, direction)), s.extra_rows
        given = self._given(t, direction, row, unit)
        inputs = Inputs(
            [self._load(self.projected, given + g * s.units) for g in range(s.cell.gates)],
            sums,
            [self._load(self.state, state) for state in states],
            [self._load(self.extra[0], (direction * rows + n) * s.units + unit)
             for n in range(rows)],
        )  # fmt: skip

        def write(values: Sequence[Expr], shown: Sequence[Expr]) -> None:
            for number, value in zip(part.writes, values, strict=True):
                where = new + number * s.state_elements
                T.buffer_store(self.state, value, [vector_at(where, s.lanes)])
            if part is s.cell.parts[-1]:
                self._show(shown, (t, place, direction, row, unit))

        def update(rules: Rules) -> None:
            values = part.update(inputs, rules)
            if self.lengths is None or part is not s.cell.parts[-1]:
                write(values, (values[0], *values))
                return
            ended = [inputs.state[number] for number in part.writes]
            zero, empty = spread(tirx.const(0.0, "float32"), s.lanes), self.lengths[row] <= 0
            last = [tirx.Select(spread(empty, s.lanes), zero, value) for value in ended]
            alive = place < self.lengths[row]
            either(
                alive,
                lambda: write(values, (values[0], *values)),
                lambda: write(ended, (zero, *last)),
            )

        first, *other = s.settings.rules
        if other:
            either(direction == 0, lambda: update(first), lambda: update(other[0]))
        else:
            update(first)

    def _given(self, t: Expr, direction: Expr, row: Expr, unit: Expr) -> Expr:
        """Where the input's share of a vector of units begins."""
        s = self.shape
        before = (self._place(t, direction) * s.batch + row) * s.directions + direction
        return bound(before * (s.cell.gates * s.units) + unit)

    def _load(self, buffer: tirx.Buffer, at: Expr) -> Expr:
        return T.bind(buffer[vector_at(at, self.shape.lanes)])

    def _place(self, t: Expr, direction: Expr) -> Expr:
        """The step of the sequence at time t."""
        s = self.shape
        if s.settings.reverse:
            return s.steps - 1 - t
        return t + direction * (s.steps - 1 - 2 * t) if s.directions > 1 else t

    def _show(self, values: Sequence[Expr], at: Index) -> None:
        """A step's result, and after the last one the states behind it."""
        s, (t, *index) = self.shape, at
        self._store(values[0], tuple(index))
        if s.settings.last:
            with T.If(t == s.steps - 1), T.Then():
                for n, value in enumerate(values[1 : 1 + s.settings.last]):
                    self._store(value, (tirx.const(s.steps + n, "int32"), *index[1:]))

    def _store(self, value: Expr, index: Index) -> None:
        lanes, lane = self.shape.lanes, tirx.Var("lane", "int32")
        last = index[-1] + lane if lanes > 1 else index[-1]
        at = self.result.at((*index[:-1], last))
        evaluated = Evaluator(lane, lanes, {self.stored: value})(at)
        T.buffer_store(self.out, evaluated, [vector_at(ravel(index, self.shape.out), lanes)])
