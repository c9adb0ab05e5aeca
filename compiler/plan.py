"""Lowered Relax to a Plan: the place of every buffer in one arena, and the list of steps.

    for c in steps: c.kernel(*(arena + buffers[a].offset for a in c.arguments))

Views, parts and joins become aliases (see joins.py). Branches and loops are jumps in the one list
of steps: what regions capture are the caller's buffers, and a branch writes its results to the
caller's (see regions.py). Where buffers lie, arena.py decides.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tvm import relax
from tvm.ir import GenericConst, GlobalVar

from compiler import arena, regions
from compiler.arena import ALIGNMENT, Buffer
from compiler.joins import Place, place_joins
from compiler.kernels.operators import PLACED, VIEWS, dtype_of, integers
from compiler.kernels.template import Packing
from compiler.kernels.workload import operands_of, operator_of
from compiler.lowered import Lowered
from compiler.regions import Branches, Loop
from frontends.model import entries

COUNT, FLAG = relax.TensorType((), "int64"), relax.TensorType((), "bool")


@dataclass(frozen=True)
class Call:
    """kernel: its name; "" for a function of the runtime's own (see runtime/model.h). symbol: the
    function's name in the object file. arguments: numbers of buffers, of which the last is written.
    """

    kernel: str
    symbol: str
    arguments: tuple[int, ...]


@dataclass(frozen=True)
class Jump:
    """To the step `target`, unless the bool in the buffer `unless` is true."""

    target: int
    unless: int | None = None


@dataclass(frozen=True)
class Plan:
    """rows: of a model for any number of them, those of a run; then more: the plans for more and
    more rows, of the same constants; cost: of a run, by the cost model.
    """

    buffers: tuple[Buffer, ...]
    steps: tuple[Call | Jump, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    arena_bytes: int
    constants: Path
    rows: int = 0
    cost: float = 0.0
    more: tuple[Plan, ...] = ()

    @property
    def calls(self) -> list[Call]:
        """Of kernels."""
        return [step for step in self.steps if isinstance(step, Call) and step.kernel]


def make(lowered: Lowered, into: Path) -> Plan:
    """Plans the entries; writes their constants to a file in the folder `into`."""
    constants, file = _Constants(), into / "constants.bin"
    first, *more = (_entry(lowered, name, constants, file) for name in entries(lowered.functions))
    constants.write(file)
    return replace(first, more=tuple(more))


def _entry(lowered: Lowered, name: str, constants: _Constants, file: Path) -> Plan:
    planner = _Planner(lowered, constants)
    planner.walk(name)
    placed, arena_bytes = arena.place(planner.buffers, planner.uses())
    plan = Plan(
        tuple(placed),
        tuple(planner.steps),
        tuple(planner.inputs),
        tuple(planner.outputs),
        arena_bytes,
        file,
    )
    if len(entries(lowered.functions)) == 1:
        return plan
    rows = int(lowered.functions[name].params[0].ty.shape[0])
    cost = sum(lowered.kernels[call.kernel].cost for call in plan.calls)
    return replace(plan, rows=rows, cost=cost)


class _Constants:
    """Constants one after the other, equal ones once."""

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, array: np.ndarray) -> int:
        data = np.ascontiguousarray(array).tobytes()
        key = hashlib.blake2b(data, digest_size=32).digest()
        if key not in self._known:
            padding = -self._size % ALIGNMENT
            self._known[key] = self._size + padding
            self._chunks += [b"\0" * padding, data]
            self._size += padding + len(data)
        return self._known[key]

    def write(self, path: Path) -> None:
        with path.open("wb") as file:
            file.writelines(self._chunks or [b"\0" * ALIGNMENT])


class _Planner:
    """roots: see arena.Uses. loops: the first and the last step of each."""

    def __init__(self, lowered: Lowered, constants: _Constants) -> None:
        self.lowered, self.constants = lowered, constants
        self.buffers: list[Buffer] = []
        self.steps: list[Call | Jump] = []
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        self.roots: list[tuple[int, int]] = []
        self.loops: list[tuple[int, int]] = []
        self._number: dict[relax.Var, int] = {}
        self._results: dict[relax.Var, list[int]] = {}  # of the calls of regions
        self._given: dict[relax.Var, int] = {}  # values that the caller has a place for
        self._constant: dict[tuple[int, str, int], int] = {}
        self._places: dict[relax.Var, Place] = {}

    def walk(self, entry: str) -> None:
        self.inputs = [self._fresh(p.ty) for p in self.lowered.functions[entry].params]
        self.outputs = self._function(entry, self.inputs)

    def uses(self) -> arena.Uses:
        steps = [
            arena.Step(() if step.unless is None else (step.unless,))
            if isinstance(step, Jump)
            else arena.Step(
                step.arguments[:-1], step.arguments[-1], self.lowered.kernels.get(step.kernel)
            )
            for step in self.steps
        ]
        return arena.Uses(steps, self.loops, self.inputs, self.outputs, self.roots)

    # ---- functions ----

    def _function(
        self, name: str, arguments: Sequence[int], results: Sequence[int] = ()
    ) -> list[int]:
        """The steps of a function; the buffers with what it gives: those of `results`, where a
        kernel can write there.
        """
        function = self.lowered.functions[name]
        bindings = function.body.blocks[0].bindings
        self._number.update(zip(function.params, arguments, strict=True))
        self._place_values(bindings, results)
        for binding in bindings:
            value = binding.value
            if isinstance(value, relax.Tuple):
                return [self._buffer(field) for field in value.fields]
            if isinstance(value, relax.TupleGetItem):
                made = self._results[value.tuple_value]
                self._number[binding.var] = made[int(value.index)]
            elif (region := regions.region_of(value)) is not None:
                self._results[binding.var] = (
                    self._branches(region, value.ty.fields)
                    if isinstance(region, Branches)
                    else self._loop(region, value.ty.fields)
                )
            elif isinstance(value.op, GlobalVar):
                self._kernel(binding.var, value)
            elif operator_of(value) in (*VIEWS, *PLACED):
                self._alias(binding.var, value)
            else:
                raise AssertionError(f"{value.op.name} was not fused into a kernel")
        raise AssertionError(f"{name} gives nothing")

    def _kernel(self, var: relax.Var, call: relax.Call) -> None:
        name = str(call.op.name_hint)
        kernel = self.lowered.kernels[name]
        arguments = [self._buffer(a, kernel.packing.get(n)) for n, a in enumerate(call.args)]
        self.steps.append(Call(name, kernel.symbol, (*arguments, self._new(var))))

    def _place_values(self, bindings: Sequence[relax.VarBinding], results: Sequence[int]) -> None:
        """Buffers for the joins that hold others, before their parts are written, and for what
        the caller has a place for.
        """
        calls = {b.var: b.value for b in bindings if isinstance(b.value, relax.Call)}
        named = {v: c for v, c in calls.items() if not isinstance(c.op, GlobalVar)}
        joins = {v: operands_of(c) for v, c in named.items() if operator_of(c) == "neoc.join"}
        places = place_joins(joins, set())
        assert not places.copied, "a part of two joins"
        self._places.update(places.of)
        for field, result in zip(bindings[-1].value.fields, results, strict=bool(results)):
            while field in named and operator_of(named[field]) in VIEWS:
                field = named[field].args[0]
            place = places.of.get(field)
            written = field in calls and (field not in named or field in joins)
            if written and (place is None or place.root.same_as(field)):
                self._given.setdefault(field, result)
        for var, place in places.of.items():
            if place.root.same_as(var):
                self._new(var)

    # ---- regions ----

    def _branches(self, region: Branches, types: Sequence[relax.TensorType]) -> list[int]:
        results = [self._fresh(kind) for kind in types]
        captured = [self._buffer(value) for value in region.captured]
        unless = self._jump(self._buffer(region.condition))
        self._branch(region.then, captured, results)
        end = self._jump()
        self._land(unless)
        self._branch(region.otherwise, captured, results)
        self._land(end)
        return results

    def _branch(self, name: str, captured: Sequence[int], results: Sequence[int]) -> None:
        for made, result in zip(self._function(name, captured, results), results, strict=True):
            if made != result:
                self._own("neoc_copy", made, result)

    def _loop(self, region: Loop, types: Sequence[relax.TensorType]) -> list[int]:
        """What is carried has a place of its own. The body's results are written there, or copied
        where the old values are needed longer; rows are copied to their places among the others.
        """
        results = [self._fresh(kind) for kind in types]
        carried, stacked = results[: len(region.first)], results[len(region.first) :]
        number, going = self._fresh(COUNT), self._fresh(FLAG)
        captured = [self._buffer(value) for value in region.captured]
        trips = self._buffer(region.trips)
        self._own("neoc_copy", self._stored(np.array(-1, np.int64)), number)
        for value, place in zip(region.first, carried, strict=True):
            self._own("neoc_copy", self._buffer(value), place)
        ends = [self._jump(self._buffer(region.condition))]
        start = len(self.steps)
        self._own("neoc_count", number, trips, going)
        ends.append(self._jump(going))
        made = self._function(region.body, [number, *carried, *captured])
        first = len(made) - len(results)  # before it: whether to go on
        for n, place in enumerate(carried, first):
            if self._overwrites(start + 2, made, made[n], place):
                made = [place if value == made[n] else value for value in made]
        conditions, made = made[:first], made[first:]
        for value, place in zip(made, carried, strict=False):
            if value != place:
                self._own("neoc_copy", value, place)
        for value, place in zip(made[len(carried) :], stacked, strict=True):
            self._own("neoc_store", value, number, place)
        ends += [self._jump(condition) for condition in conditions]
        self.loops.append((start, self._jump(target=start)))
        for end in ends:
            self._land(end)
        return results

    def _overwrites(self, start: int, made: Sequence[int], value: int, place: int) -> bool:
        """Lets the kernel that makes a value to be carried on write over the old one, if nothing
        reads that afterwards. start: of the loop's body; made: what it gives.
        """
        body = [step for step in self.steps[start:] if isinstance(step, Call)]
        named = Counter(root for root, _ in self.roots)
        writers = [n for n, step in enumerate(body) if step.arguments[-1] == value]
        if start + len(body) < len(self.steps) or named[value] != 1 or len(writers) != 1:
            return False  # jumps, parts of others, or no value of the body's own
        writer = body[writers[0]]
        if not writer.kernel:
            return False
        old = self.roots[place][0]
        later = [a for step in body[writers[0] + 1 :] for a in step.arguments]
        if old in {self.roots[a][0] for a in (*later, *made)}:
            return False
        reads = [n for n, a in enumerate(writer.arguments) if self.roots[a][0] == old]
        if len(reads) > 1 or not {*reads} <= {*arena.in_place(self.lowered.kernels[writer.kernel])}:
            return False
        self.steps[start:] = [
            replace(step, arguments=tuple(place if a == value else a for a in step.arguments))
            for step in body
        ]
        return True

    def _jump(self, unless: int | None = None, target: int = 0) -> int:
        """The step's number, for _land."""
        self.steps.append(Jump(target, unless))
        return len(self.steps) - 1

    def _land(self, jump: int) -> None:
        """Lets a jump lead to the next step."""
        step = self.steps[jump]
        assert isinstance(step, Jump)
        self.steps[jump] = replace(step, target=len(self.steps))

    def _own(self, symbol: str, *arguments: int) -> None:
        self.steps.append(Call("", symbol, arguments))

    # ---- buffers ----

    def _alias(self, var: relax.Var, call: relax.Call) -> None:
        """A value that no kernel writes."""
        if operator_of(call) == "neoc.join":
            if var not in self._number:
                self._new(var)
            return
        source = self._buffer(operands_of(call)[0])
        if operator_of(call) in VIEWS:
            self._number[var] = source
            return
        [start] = integers(operands_of(call)[1])
        root, offset = self.roots[source]
        itemsize = np.dtype(dtype_of(var)).itemsize
        self._number[var] = self._append(var.ty, root, offset + start * itemsize)

    def _new(self, var: relax.Var) -> int:
        place = self._places.get(var)
        if var in self._given:
            self._number[var] = self._given[var]
        elif place is None or place.root.same_as(var):
            self._number[var] = self._fresh(var.ty)
        else:
            root, offset = self.roots[self._number[place.root]]
            self._number[var] = self._append(var.ty, root, offset + place.offset)
        return self._number[var]

    def _fresh(self, kind: relax.TensorType) -> int:
        """A buffer with a place of its own."""
        return self._append(kind, len(self.buffers), 0)

    def _append(self, kind: relax.TensorType, root: int, offset: int) -> int:
        elements = math.prod(int(extent) for extent in kind.shape)
        self.buffers.append(Buffer("arena", str(kind.dtype), elements, 0))
        self.roots.append((root, offset))
        return len(self.buffers) - 1

    def _buffer(self, expr: relax.Expr, packing: Packing | None = None) -> int:
        if not isinstance(expr, GenericConst):
            return self._number[expr]
        array = np.asarray(expr.value.numpy())
        return self._stored(array if packing is None else packing.pack(array))

    def _stored(self, array: np.ndarray) -> int:
        offset = self.constants.add(array)
        key = (offset, str(array.dtype), array.size)  # where an empty one is, another may begin
        if key not in self._constant:
            self._constant[key] = len(self.buffers)
            self.buffers.append(Buffer("constant", str(array.dtype), array.size, offset))
            self.roots.append((self._constant[key], 0))
        return self._constant[key]
