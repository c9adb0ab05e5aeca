"""Lowered Relax to a Plan: the place of every buffer in one arena, and the list of calls.

    for c in calls: c.kernel(*(arena + buffers[a].offset for a in c.arguments))

In four steps: views, parts and joins become aliases (see joins.py); every buffer gets its first and
last call; a kernel that reads an operand only where it writes its result takes over the operand's
place if nothing reads that later; then buffers are placed, largest first, at the lowest offset that
no buffer alive at the same time covers.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tvm import relax
from tvm.ir import GenericConst, GlobalVar

from compiler.joins import Place, place_joins
from compiler.kernels.operators import PLACED, VIEWS, dtype_of, integers, shape_of
from compiler.kernels.template import Packing
from compiler.kernels.workload import operands_of, operator_of
from compiler.lowered import Kernel, Lowered

IN_PLACE = ("elementwise", "conv2d", "winograd", "depthwise", "pool", "matmul")  # see in_place()
ALIGNMENT = 64  # bytes; of parts that of a vector


@dataclass(frozen=True)
class Buffer:
    """A range of the arena (alive from call `first` to call `last`), or of the constants. Sizes in
    bytes.
    """

    space: str  # "arena" or "constant"
    dtype: str
    elements: int
    offset: int
    first: int = 0
    last: int = 0

    @property
    def nbytes(self) -> int:
        return self.elements * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Call:
    """symbol: the function's name in the object file. arguments: numbers of buffers, of which the
    last is written.
    """

    kernel: str
    symbol: str
    arguments: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    buffers: tuple[Buffer, ...]
    calls: tuple[Call, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    arena_bytes: int
    constants: Path


def make(lowered: Lowered, into: Path) -> Plan:
    """Plans `main`; writes the constants to a file in the folder `into`."""
    planner = _Planner(lowered)
    planner.walk()
    placed, arena_bytes = place(planner.shared())
    constants = into / "constants.bin"
    planner.constants.write(constants)
    return Plan(
        tuple(placed),
        tuple(planner.calls),
        tuple(planner.inputs),
        tuple(planner.outputs),
        arena_bytes,
        constants,
    )


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
    """roots: for every buffer the one in whose memory it lies (itself, if it has its own), and at
    which byte.
    """

    def __init__(self, lowered: Lowered) -> None:
        self.lowered = lowered
        self.buffers: list[Buffer] = []
        self.calls: list[Call] = []
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        self.constants = _Constants()
        self.roots: list[tuple[int, int]] = []
        self._number: dict[relax.Var, int] = {}
        self._constant: dict[tuple[int, str], int] = {}
        self._places: Mapping[relax.Var, Place] = {}

    def walk(self) -> None:
        main = self.lowered.main
        bindings = main.body.blocks[0].bindings
        self._place_joins(bindings)
        for param in main.params:
            self.inputs.append(self._new(param))
        for binding in bindings:
            value = binding.value
            if isinstance(value, relax.Tuple):
                self.outputs = [self._buffer(field) for field in value.fields]
            elif isinstance(value.op, GlobalVar):
                name = str(value.op.name_hint)
                kernel = self.lowered.kernels[name]
                packing = kernel.packing
                arguments = [self._buffer(a, packing.get(n)) for n, a in enumerate(value.args)]
                target = self._new(binding.var)
                self.calls.append(Call(name, kernel.symbol, (*arguments, target)))
            elif operator_of(value) in (*VIEWS, *PLACED):
                self._alias(binding.var, value)
            else:
                raise AssertionError(f"{value.op.name} was not fused into a kernel")
        self._live()

    def _place_joins(self, bindings: Iterable[relax.VarBinding]) -> None:
        """Buffers for the joins that hold others, before their parts are written."""
        calls = [(b.var, b.value) for b in bindings if not isinstance(b.value, relax.Tuple)]
        named = [(var, call) for var, call in calls if not isinstance(call.op, GlobalVar)]
        joins = {v: operands_of(c) for v, c in named if operator_of(c) == "neoc.join"}
        places = place_joins(joins, set())
        assert not places.copied, "a part of two joins"
        for var, place in places.of.items():
            if place.root.same_as(var):
                self._new(var)
        self._places = places.of

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
        self._add(var, root, offset + start * itemsize)

    def _new(self, var: relax.Var) -> int:
        if place := self._places.get(var):
            return self._add(var, self._number[place.root], place.offset)
        return self._add(var, len(self.buffers), 0)

    def _add(self, var: relax.Var, root: int, offset: int) -> int:
        self._number[var] = self._append(
            Buffer("arena", dtype_of(var), math.prod(shape_of(var)), 0), root, offset
        )
        return self._number[var]

    def _append(self, buffer: Buffer, root: int, offset: int) -> int:
        self.buffers.append(buffer)
        self.roots.append((root, offset))
        return len(self.buffers) - 1

    def _buffer(self, expr: relax.Expr, packing: Packing | None = None) -> int:
        if not isinstance(expr, GenericConst):
            return self._number[expr]
        array = np.asarray(expr.value.numpy())
        if packing is not None:
            array = packing.pack(array)
        offset = self.constants.add(array)
        key = (offset, str(array.dtype))
        if key not in self._constant:
            buffer = Buffer("constant", str(array.dtype), array.size, offset)
            self._constant[key] = self._append(buffer, len(self.buffers), 0)
        return self._constant[key]

    def _live(self) -> None:
        """First and last call of the memory of every buffer; inputs and outputs live through the
        whole run.
        """
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for number, call in enumerate(self.calls):
            for root, _ in (self.roots[argument] for argument in call.arguments):
                first.setdefault(root, number)
                last[root] = number
        end = len(self.calls)
        for number in self.inputs:
            first[number] = 0
        for root, _ in (self.roots[n] for n in self.outputs):
            first.setdefault(root, 0)
        last |= {self.roots[n][0]: end for n in (*self.inputs, *self.outputs)}
        self.buffers = [
            replace(b, first=first.get(root, 0), last=last.get(root, 0))
            for b, (root, _) in zip(self.buffers, self.roots, strict=True)
        ]

    def shared(self) -> tuple[list[Buffer], list[tuple[int, int]]]:
        """The buffers, and where each lies, now that results have taken the places of operands that
        end there.
        """
        owner = list(range(len(self.buffers)))
        extended = list(self.buffers)
        pinned = {self.roots[n][0] for n in (*self.inputs, *self.outputs)}
        whole = [n for n, (root, _) in enumerate(self.roots) if root == n]
        parted = {root for n, (root, _) in enumerate(self.roots) if root != n}
        alone = set(whole) - parted - pinned  # buffers that nothing else names
        for number, call in enumerate(self.calls):
            *operands, target = call.arguments
            for position in in_place(self.lowered.kernels[call.kernel]):
                operand = operands[position]
                root = owner[operand]
                if (
                    {operand, target} <= alone
                    and self.buffers[operand].space == "arena"
                    and extended[root].last == number
                    and operands.count(operand) == 1
                    and self.buffers[operand].nbytes == self.buffers[target].nbytes
                ):
                    owner[target] = root
                    extended[root] = replace(extended[root], last=self.buffers[target].last)
                    break
        return extended, [(owner[root], offset) for root, offset in self.roots]


def in_place(kernel: Kernel) -> list[int]:
    """Operands that the kernel reads only at the elements that it writes then."""
    work = kernel.work
    if kernel.schedule.template.name not in IN_PLACE or not work.is_pointwise_after_anchor:
        return []
    before = work.anchor_parameters
    return [
        n
        for n, parameter in enumerate(work.parameters[:-1])
        if parameter == work.output and n not in before
    ]


def place(shared: tuple[list[Buffer], list[tuple[int, int]]]) -> tuple[list[Buffer], int]:
    """Offsets for all arena buffers, and the arena's size."""
    buffers, roots = shared
    own = [n for n, b in enumerate(buffers) if b.space == "arena" and roots[n] == (n, 0)]
    offsets: dict[int, int] = {}
    for n in sorted(own, key=lambda n: (-buffers[n].nbytes, n)):
        busy = sorted(
            (offsets[m], offsets[m] + _rounded(buffers[m].nbytes))
            for m in offsets
            if buffers[m].first <= buffers[n].last and buffers[n].first <= buffers[m].last
        )
        at = 0
        for start, stop in busy:
            if at + _rounded(buffers[n].nbytes) <= start:
                break
            at = max(at, stop)
        offsets[n] = at
    size = max((offsets[n] + _rounded(buffers[n].nbytes) for n in own), default=0)
    placed = [
        replace(b, offset=offsets[root] + inside) if b.space == "arena" else b
        for b, (root, inside) in zip(buffers, roots, strict=True)
    ]
    return placed, max(size, ALIGNMENT)


def _rounded(nbytes: int) -> int:
    return max(-(-nbytes // ALIGNMENT) * ALIGNMENT, ALIGNMENT)
