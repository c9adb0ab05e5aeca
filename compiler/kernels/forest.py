"""Tree ensembles: what their templates share.

neoc.forest(x, words, facts, aggregate): x [rows, features], a packed Forest (frontends/forest.py)
and its facts. Sums begin with the base and run over the trees in their order, whatever the
template, in the type of the leaves, so that all of them give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import loop, vector_at
from compiler.kernels.operators import dtype_of, integers, shape_of
from compiler.kernels.value import ZERO, Expr, lanes_of, typed
from compiler.kernels.vector import spread
from compiler.kernels.workload import Workload, operands_of
from frontends.forest import Forest
from frontends.nodes import Array
from targets import Isa

OPERATOR = "neoc.forest"
COMBINE: dict[str, Callable[[Expr, Expr], Expr]] = {
    "SUM": lambda a, b: a + b,
    "MIN": tirx.min,
    "MAX": tirx.max,
}


@dataclass(frozen=True)
class Facts:
    """What is known of a forest without its numbers. bounds: of all columns; most: of one; width:
    of the leaves; complete: leaves of all trees, filled up to complete ones.
    """

    columns: int
    bounds: int
    most: int
    nodes: int
    trees: int
    leaves: int
    width: int
    complete: int
    depth: int

    @classmethod
    def of(cls, work: Workload) -> Facts:
        assert work.anchor is not None
        return cls(*integers(operands_of(work.anchor)[2]))


@dataclass(frozen=True)
class Job:
    """One call. kind: the type of the sums."""

    work: Workload
    facts: Facts
    rows: int
    features: int
    outputs: int
    kind: str
    given: str
    aggregate: str

    @classmethod
    def of(cls, work: Workload) -> Job:
        call = work.anchor
        assert call is not None
        x, aggregate = operands_of(call)[0], str(operands_of(call)[3].value)
        (rows, features), outputs = shape_of(x), shape_of(call)[1]
        kinds = dtype_of(call), dtype_of(x)
        return cls(work, Facts.of(work), rows, features, outputs, *kinds, aggregate)


def rounds(job: Job) -> int:
    """Halvings until one bound is left."""
    return max(job.facts.most - 1, 0).bit_length()


class Table:
    """Arrays one behind the other in one of int32, each on a boundary of 64 bytes."""

    def __init__(self, sizes: Sequence[tuple[str, str, int]]) -> None:
        """sizes: name, type and elements of each."""
        self.fields: dict[str, tuple[int, str, int]] = {}
        at = 0
        for name, kind, elements in sizes:
            self.fields[name] = at, kind, elements
            at += -(-elements * np.dtype(kind).itemsize // 64) * 16
        self.words = max(at, 16)

    def pack(self, arrays: dict[str, Array]) -> Array:
        made = np.zeros(self.words, np.int32)
        for name, (at, kind, elements) in self.fields.items():
            data = np.zeros(elements, kind)
            data[: arrays[name].size] = arrays[name].reshape(-1)
            view = made[at:].view(np.uint8)
            view[: data.nbytes] = data.view(np.uint8)
        return made

    def views(self, buffer: tirx.Buffer) -> dict[str, Field]:
        """The arrays inside the buffer that holds the table."""
        kinds = {kind for _, kind, _ in self.fields.values()} - {"int32"}
        whole = {"int32": buffer}
        for kind in sorted(kinds):
            elements = self.words * 4 // np.dtype(kind).itemsize
            whole[kind] = T.decl_buffer((elements,), kind, data=buffer.data, layout=None)
        return {
            name: Field(whole[kind], at * 4 // np.dtype(kind).itemsize)
            for name, (at, kind, _) in self.fields.items()
        }


@dataclass(frozen=True)
class Field:
    """An array inside a buffer."""

    buffer: tirx.Buffer
    start: int

    def __getitem__(self, index: Expr | int) -> Expr:
        return T.bind(self.buffer[index + self.start])

    def vector(self, index: Expr | int, lanes: int) -> Expr:
        return T.bind(self.buffer[vector_at(index + self.start, lanes)])


def gather(field: Field, index: Expr, isa: Isa) -> Expr:
    """field[index] of every lane."""
    kind, lanes = str(field.buffer.dtype), lanes_of(index)
    whole = lanes % 8 == 0 and "avx2" in isa.features and kind in HARDWARE
    if not whole:
        at = [tirx.Shuffle([index], [i]) + field.start for i in range(lanes)]
        return T.bind(tirx.Shuffle([T.bind(field.buffer[i]) for i in at], list(range(lanes))))
    name, passed = HARDWARE[kind]
    parts = []
    for first in range(0, lanes, 8):
        part = index if lanes == 8 else tirx.Shuffle([index], list(range(first, first + 8)))
        zero, every = (spread(tirx.const(n, kind), 8) for n in (0, passed))
        address = tirx.address_of(field.buffer[field.start])
        scale = tirx.const(4, "int8")
        kept = typed(kind, 8)
        parts.append(T.bind(tirx.call_llvm_intrin(kept, name, zero, address, part, every, scale)))
    return parts[0] if lanes == 8 else T.bind(tirx.Shuffle(parts, list(range(lanes))))


# The instruction, and a number whose sign says that the lane is read.
HARDWARE: dict[str, tuple[str, float | int]] = {
    "float32": ("llvm.x86.avx2.gather.d.ps.256", -1.0),
    "int32": ("llvm.x86.avx2.gather.d.d.256", -1),
}

COLUMN = ("feature", "start", "count", "mask", "missing")


def column_sizes(job: Job, lanes: int) -> list[tuple[str, str, int]]:
    """The columns' part of a table: whole vectors of columns, and their bounds."""
    count = -(-job.facts.columns // lanes) * lanes
    sizes = [(name, "int32", count) for name in COLUMN]
    return [*sizes, ("bounds", job.given, max(job.facts.bounds, 1))]


def column_arrays(forest: Forest, job: Job, lanes: int) -> dict[str, Array]:
    counts = np.diff(forest.starts)
    made = {
        "feature": forest.features,
        "start": forest.starts[:-1],
        "count": counts,
        "mask": np.where(forest.parity, 1, -1),
        "missing": forest.missing,
    }
    spare = -len(forest.features) % lanes
    rest = {"count": 1}
    arrays = {
        name: np.append(a, np.full(spare, rest.get(name, 0))).astype(np.int32)
        for name, a in made.items()
    }
    bounds = forest.bounds if len(forest.bounds) else np.zeros(1, job.given)
    return {**arrays, "bounds": bounds.astype(job.given)}


def ranks(
    x: Sequence[Expr], column: Sequence[Expr], bounds: Field, steps: Expr | int, isa: Isa
) -> list[Expr]:
    """The ranks of vectors of features, several at a time for the sake of the searches' latency.

    column: start, count, mask and missing. steps: halvings until one bound is left.
    """
    lanes = lanes_of(x[0])
    start, count, mask, missing = (spread(c, lanes) for c in column)
    state = T.alloc_buffer(
        ((len(x) + 1) * lanes,), "int32", scope="local", layout=None, annotations=ON_STACK
    )
    left = vector_at(len(x) * lanes, lanes)
    T.buffer_store(state, count, [left])
    for n in range(len(x)):
        T.buffer_store(state, start, [vector_at(n * lanes, lanes)])
    one = spread(tirx.const(1, "int32"), lanes)
    zero = spread(ZERO, lanes)
    with loop(steps):
        rest = T.bind(state[left])
        half = T.bind(tirx.RShift(rest, one))
        for n, value in enumerate(x):
            place = vector_at(n * lanes, lanes)
            at = T.bind(state[place])
            reached = tirx.GE(value, gather(bounds, T.bind(at + half - one), isa))
            T.buffer_store(state, at + tirx.Select(reached, half, zero), [place])
        T.buffer_store(state, rest - half, [left])
    found = []
    for n, value in enumerate(x):
        at = T.bind(state[vector_at(n * lanes, lanes)])
        reached = tirx.GE(value, gather(bounds, at, isa))
        rank = tirx.BitwiseAnd(at - start + tirx.Select(reached, one, zero), mask)
        found.append(T.bind(tirx.Select(tirx.EQ(value, value), rank, missing)))
    return found


ON_STACK = {"disable_lower_builtin": True}
