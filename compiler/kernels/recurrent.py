"""Recurrent layers: all time steps in one kernel, the input's share of the gates computed before it
or, in the same kernel, ahead of the steps that need it (ahead.py).

    for t: for each (part of the cell, direction, tile of rows, group of units):
        acc[rows][units][gates] = sum over k of state[r, k] * weight[k, units, gates]
        state', out[t] = update(projected[t] + acc, state)

The gates of a unit stand together, so that a cell is updated in registers. The state is kept
twice, the old and the new: a step may compute units and rows twice, and the last group and tile
are moved back to end at the edge. Parallel are either whole sequences (directions and tiles of
rows, which must not overlap then) or, in `parts`, the groups of every step. Before a thread waits
for the others' units it sums up what it made itself, where that can be: so long the others' take to
arrive. Where a sequence has ended its state stays, and what goes out is 0; of one without any step,
as ONNX Runtime has it, the last state is 0, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.ahead import Share, Step, Turn
from compiler.kernels.cells import CELLS, Inputs, Part, Rules
from compiler.kernels.emit import (
    bound,
    either,
    kernel,
    loop,
    meet,
    prefetch,
    registers,
    store_value,
    team,
    vector_at,
)
from compiler.kernels.operators import dtype_of
from compiler.kernels.product import parameter_of
from compiler.kernels.recurrence import Recurrence, cycles
from compiler.kernels.template import Packing, Point, Space, Template
from compiler.kernels.value import ZERO, Expr, Index, Value, ravel, unravel
from compiler.kernels.vector import Evaluator, spread
from compiler.kernels.workload import Bound, Workload
from targets import Profile

Visit = Callable[[Index, Expr], None]


class Recurrent(Template):
    name = "recurrent"
    version = 3

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.operator in CELLS and dtype_of(work.anchor) == "float32"

    def space(self, work: Workload, profile: Profile) -> Space:
        shape = Recurrence.of(work, profile)
        alone = shape.steps == 1 or profile.cores == 1
        if shape.depth:
            return Space({
                "rows": (1,),
                "vectors": (1, 2),
                "parts": (1,) if alone else (1, profile.cores),
                "ahead": (4, 6, 8, 12, 16),
                "across": (1, 2, 3, 4),
            }, lambda p: shape.ahead(p).sound)  # fmt: skip
        return Space({
            "rows": tuple(r for r in range(1, 9) if r <= shape.batch),
            "vectors": tuple(v for v in (1, 2, 3, 4) if v * shape.lanes <= shape.units),
            "parts": (1,) if alone else (1, profile.cores),
        }, lambda p: p["parts"] > 1 or shape.batch % p["rows"] == 0)  # fmt: skip

    def cost(self, work: Workload, profile: Profile, point: Point) -> float:
        return cycles(Recurrence.of(work, profile), point, profile)

    def packing(self, work: Workload, profile: Profile, point: Point) -> Mapping[int, Packing]:
        shape, packed = Recurrence.of(work, profile), {}
        gates, lanes, vectors = shape.cell.gates, shape.lanes, point["vectors"]
        number = parameter_of(work, 3 if shape.depth else 1)
        if number in work.constants:
            size = shape.directions * shape.groups(vectors) * shape.units * vectors * lanes * gates
            name = f"{work.operator}-{gates}x{vectors}x{lanes}"
            packed[number] = Packing(name, (size,), lambda a: shape.pack(a, vectors))
        if shape.depth:
            ahead = shape.ahead(point)
            name = f"{work.operator}-input-{ahead.passes}x{ahead.across}x{lanes}"
            size = shape.depth * ahead.columns
            packed[parameter_of(work, 1)] = Packing(name, (size,), ahead.pack)
        return packed

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        shape, packing = Recurrence.of(work, profile), self.packing(work, profile, point)
        parameters = list(work.parameters)
        for number, packed in packing.items():
            parameters[number] = packed.shape, "float32"
        packs_weight = parameter_of(work, 3 if shape.depth else 1) in packing
        with kernel(name, parameters) as (buffers, done):
            _Emitter(shape, point, packs_weight, work.bind(buffers), buffers[-1]).emit()
        return done[0]


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
        self.ahead, first = None, 2
        if shape.depth:
            x, right, bias, self.weight = work.anchor_buffers()[:4]
            self.ahead, first = Share(shape.ahead(point), x, right, bias, self._place), 4
            self.projected = self.ahead.given
            self.apart = self.ahead.sizes.rows * shape.lanes
        else:
            self.projected, self.weight = work.anchor_buffers()[:2]
            self.apart = shape.units
        rest = work.anchor_buffers()[first:]
        self.lengths = rest.pop() if shape.lengths else None
        self.extra = rest[states:]
        self.starts = work.operands()[first : first + states]
        self.stored = tirx.Var("stored", "float32")
        self.result = work.result(Value(shape.out, "float32", lambda _: self.stored))

    def emit(self) -> None:
        s = self.shape
        self.state = T.alloc_buffer((2 * s.half,), "float32", layout=None)
        most = max(part.gates for part in s.cell.parts)
        self.apiece = most * self.rows * self.vectors * s.lanes  # no other thread may write there
        if self.parts > 1:
            self.begun = T.alloc_buffer((self.parts * self.apiece,), "float32", layout=None)
        for n, start in enumerate(self.starts):
            within = (2 * s.cell.kept * s.directions, s.batch, s.units)
            store_value(self.state, start, s.lanes, within, (n * s.directions, 0, 0))
        if self.parts > 1:
            with team():
                self._steps()
        else:
            with loop(s.directions * self.tiles, parallel=True) as sequence:
                self._steps(sequence)

    @property
    def tiles(self) -> int:
        return -(-self.shape.batch // self.rows)

    def _steps(self, sequence: Expr | None = None) -> None:
        """All of a team's, or of a sequence."""
        stretches = [(0, self.shape.steps, 0)]
        if self.ahead is not None:
            self._groups(sequence, ZERO, self.ahead.start)
            stretches = self.ahead.sizes.stretches
        for first, count, ahead in stretches:
            with loop(count) as n:
                t = bound(first + n)
                for part in range(len(self.shape.cell.parts)):
                    visit = partial(self._tile, t, part, ahead)
                    if self.parts == 1:
                        self._groups(sequence, t, partial(visit, Turn()))
                    elif self._splits(ahead):
                        self._split(t, visit)
                    else:
                        meet()
                        self._groups(None, t, partial(visit, Turn()))
                        meet()

    def _splits(self, ahead: int) -> bool:
        """Whether a thread can begin with the units that it made itself: whole groups of one
        sequence, as many on each thread.
        """
        even = self.shape.units % (self.parts * self.vectors * self.shape.lanes) == 0
        if ahead and self.ahead is not None:
            even = self.ahead.sizes.splits(self.parts)
        return even and self.shape.directions * self.tiles == 1

    def _split(self, t: Expr, visit: Callable[[Turn, Index, Expr], None]) -> None:
        """A part of a step, whose first visit begins before the threads meet."""
        count = self.shape.groups(self.vectors) // self.parts

        def take(n: Expr, turn: Turn) -> None:
            visit(turn, (ZERO, ZERO), turn.own * count + _swing(t, n, count))

        with loop(self.parts, parallel=True) as own:
            take(ZERO, Turn(self.parts, own, ends=False))
        meet()
        with loop(self.parts, parallel=True) as own:
            take(ZERO, Turn(self.parts, own, begins=False))
            if count > 1:
                with loop(count - 1) as n:
                    take(n + 1, Turn(self.parts, own))
        meet()

    def _groups(self, sequence: Expr | None, t: Expr, visit: Visit) -> None:
        """visit(direction and tile, group) for all groups of a step, on all threads of a team or
        for one sequence.
        """
        s, groups = self.shape, self.shape.groups(self.vectors)
        if sequence is not None:
            with loop(groups) as n:
                visit(unravel(sequence, (s.directions, self.tiles)), _swing(t, n, groups))
            return
        count = s.directions * self.tiles * groups
        with loop(self.parts, parallel=True) as own:
            first, end = (bound(n * count // self.parts) for n in (own, own + 1))
            with loop(bound(end - first)) as n:
                task = bound(first + _swing(t, n, end - first))
                *at, group = unravel(task, (s.directions, self.tiles, groups))
                visit(tuple(at), group)

    def _tile(
        self, t: Expr, number: int, ahead: int, turn: Turn, sequence: Index, group: Expr
    ) -> None:
        """A part of a step of a tile of rows and a group of units, and beside it a piece of the
        input's share of so many steps ahead.
        """
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
        far = self.ahead is None and turn.begins  # much of it lies in another core's cache
        for start in given if far else ():
            for g in range(s.cell.gates):
                prefetch(self.projected, start + g * s.units)
        source = places[parts[number].source]

        def walk(step: Step) -> None:
            if not turn.ends:
                self._own(t, turn.own, step)
            elif ahead and self.ahead is not None:
                self.ahead.beside(t, ahead, group, turn, step)
            else:
                with turn.loop(s.units, turn.count(s.units)) as (_, k):
                    step(k)

        acc = self._sums(number, source, direction, group, unit, turn, walk)
        if not turn.ends:
            return
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

    def _own(self, t: Expr, own: Expr, step: Step) -> None:
        """step(k) for the units that a thread made in the step before, in the order in which it
        made them: the last may still be under way.
        """
        s, width = self.shape, self.vectors * self.shape.lanes
        count = s.groups(self.vectors) // self.parts
        with loop(count) as n:
            first = bound((own * count + _swing(t, count - 1 - n, count)) * width)
            with loop(width) as k:
                step(first + k)

    def _sums(
        self,
        number: int,
        source: Expr,
        direction: Expr,
        group: Expr,
        unit: Expr,
        turn: Turn,
        walk: Callable[[Step], None],
    ) -> tirx.Buffer:
        """[rows, vectors, gates] vectors: a state times the group's weights for a part's gates.
        walk(step): step(k) for every unit of the turn.
        """
        s, lanes, gates = self.shape, self.shape.lanes, self.shape.cell.parts[number].gates
        before = sum(part.gates for part in s.cell.parts[:number])
        count = self.vectors * gates
        acc = registers(self.rows * count, lanes)
        slots = [vector_at(i * lanes, lanes) for i in range(self.rows * count)]
        left = [vector_at(turn.own * self.apiece + i * lanes, lanes) for i in range(len(slots))]
        zero = spread(tirx.const(0.0, "float32"), lanes)
        for slot, place in zip(slots, left, strict=True):
            T.buffer_store(acc, zero if turn.begins else self.begun[place], [slot])
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

        def add(k: Expr) -> None:
            at = [source + r * s.units + k for r in range(self.rows)]
            given = [T.bind(spread(self.state[a], lanes)) for a in at]
            for n, offset in enumerate(offsets):
                weight = T.bind(self.weight[vector_at(base + k * step + offset, lanes)])
                for r in range(self.rows):
                    slot = vector_at((r * count + n) * lanes, lanes)
                    T.buffer_store(acc, acc[slot] + given[r] * weight, [slot])

        walk(add)
        for slot, place in zip(slots, left, strict=True) if not turn.ends else ():
            T.buffer_store(self.begun, acc[slot], [place])
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
            [self._load(self.projected, given + g * self.apart) for g in range(s.cell.gates)],
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
        if self.ahead is not None:
            return bound(self.ahead.sizes.place(t, unit))
        before = (self._place(t, direction) * s.batch + row) * s.directions + direction
        return bound(before * (s.cell.gates * s.units) + unit)

    def _load(self, buffer: tirx.Buffer, at: Expr) -> Expr:
        return T.bind(buffer[vector_at(at, self.shape.lanes)])

    def _place(self, t: Expr, direction: Expr = ZERO) -> Expr:
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
