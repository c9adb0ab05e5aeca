"""Lowered Relax to a Plan: the place of every buffer in one arena, and the list of calls.

    for c in calls: c.kernel(*(arena + buffers[a].offset for a in c.arguments))

In four steps: views become aliases of what they view; every buffer gets its first and last call; a
kernel that reads an operand only where it writes its result takes over the operand's place if
nothing reads that later; then buffers are placed, largest first, at the lowest offset that no
buffer alive at the same time covers.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tvm import relax
from tvm.ir import GenericConst, GlobalVar

from compiler.kernels.operators import VIEWS, dtype_of, shape_of
from compiler.kernels.template import Packing
from compiler.lowered import Kernel, Lowered

ALIGNMENT = 64


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
    kernel: str
    arguments: tuple[int, ...]  # numbers of buffers; the last is written


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
    def __init__(self, lowered: Lowered) -> None:
        self.lowered = lowered
        self.buffers: list[Buffer] = []
        self.calls: list[Call] = []
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        self.constants = _Constants()
        self._number: dict[relax.Var, int] = {}
        self._constant: dict[tuple[int, str], int] = {}

    def walk(self) -> None:
        main = self.lowered.main
        for param in main.params:
            self.inputs.append(self._new(param))
        for binding in main.body.blocks[0].bindings:
            value = binding.value
            if isinstance(value, relax.Tuple):
                self.outputs = [self._buffer(field) for field in value.fields]
            elif isinstance(value.op, GlobalVar):
                name = str(value.op.name_hint)
                packing = self.lowered.kernels[name].packing
                arguments = [self._buffer(a, packing.get(n)) for n, a in enumerate(value.args)]
                target = self._new(binding.var)
                self.calls.append(Call(name, (*arguments, target)))
            elif value.op.name in VIEWS:
                self._number[binding.var] = self._buffer(value.args[0])
            else:
                raise AssertionError(f"{value.op.name} was not fused into a kernel")
        self._live()

    def _new(self, var: relax.Var) -> int:
        self.buffers.append(Buffer("arena", dtype_of(var), math.prod(shape_of(var)), 0))
        self._number[var] = len(self.buffers) - 1
        return self._number[var]

    def _buffer(self, expr: relax.Expr, packing: Packing | None = None) -> int:
        if not isinstance(expr, GenericConst):
            return self._number[expr]
        array = np.asarray(expr.value.numpy())
        if packing is not None:
            array = packing.pack(array)
        offset = self.constants.add(array)
        key = (offset, str(array.dtype))
        if key not in self._constant:
            self.buffers.append(Buffer("constant", str(array.dtype), array.size, offset))
            self._constant[key] = len(self.buffers) - 1
        return self._constant[key]

    def _live(self) -> None:
        """First and last call of every arena buffer; inputs and outputs live through the whole
        run.
        """
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for number, call in enumerate(self.calls):
            for argument in call.arguments:
                first.setdefault(argument, number)
                last[argument] = number
        end = len(self.calls)
        for number in self.inputs:
            first[number], last[number] = 0, end
        for number in self.outputs:
            first.setdefault(number, 0)
            last[number] = end
        self.buffers = [
            replace(b, first=first.get(n, 0), last=last.get(n, 0))
            for n, b in enumerate(self.buffers)
        ]

    def shared(self) -> tuple[list[Buffer], list[int]]:
        """The buffers, and for each the one whose place it takes (itself, or an operand that ends
        there).
        """
        owner = list(range(len(self.buffers)))
        extended = list(self.buffers)
        pinned = {*self.inputs, *self.outputs}
        for number, call in enumerate(self.calls):
            target = call.arguments[-1]
            for position in in_place(self.lowered.kernels[call.kernel]):
                operand = call.arguments[position]
                root = owner[operand]
                usable = (
                    self.buffers[operand].space == "arena"
                    and operand not in pinned
                    and root not in pinned
                )
                ends_here = extended[root].last == number and call.arguments.count(operand) == 1
                if (
                    usable
                    and ends_here
                    and target not in pinned
                    and self.buffers[operand].nbytes == self.buffers[target].nbytes
                ):
                    owner[target] = root
                    extended[root] = replace(extended[root], last=self.buffers[target].last)
                    break
        return extended, owner


def in_place(kernel: Kernel) -> list[int]:
    """Operands that the kernel reads only at the elements that it writes then."""
    work = kernel.work
    if (
        kernel.schedule.template.name not in ("elementwise", "conv2d", "depthwise", "pool")
        or not work.is_pointwise_after_anchor
    ):
        return []
    before = work.anchor_parameters
    return [
        n
        for n, parameter in enumerate(work.parameters[:-1])
        if parameter == work.output and n not in before
    ]


def place(shared: tuple[list[Buffer], list[int]]) -> tuple[list[Buffer], int]:
    """Offsets for all arena buffers, and the arena's size."""
    buffers, owner = shared
    roots = [n for n, b in enumerate(buffers) if b.space == "arena" and owner[n] == n]
    offsets: dict[int, int] = {}
    for n in sorted(roots, key=lambda n: (-buffers[n].nbytes, n)):
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
    size = max((offsets[n] + _rounded(buffers[n].nbytes) for n in roots), default=0)
    placed = [
        replace(b, offset=offsets[owner[n]]) if b.space == "arena" else b
        for n, b in enumerate(buffers)
    ]
    return placed, max(size, ALIGNMENT)


def _rounded(nbytes: int) -> int:
    return max(-(-nbytes // ALIGNMENT) * ALIGNMENT, ALIGNMENT)
