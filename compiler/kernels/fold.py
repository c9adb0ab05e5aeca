"""The loop nests of everything that folds many elements into one: reductions, products, windows.

    for each kept index in parallel:
        acc = start; for each reduced index: acc = combine(acc, element); out = finish(acc)

Two forms: neighbouring results are the lanes of the accumulators, or each lane gathers its own part
of a row and the lanes are combined at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import PARALLEL_WORK, TASKS, bound, loop, nest, registers, vector_at
from compiler.kernels.operators import greater, lesser
from compiler.kernels.polynomials import settled
from compiler.kernels.value import Expr, Index, lanes_of, ravel
from compiler.kernels.vector import Evaluator

INDEPENDENT = 4  # accumulators side by side: as many as hide an addition's latency


@dataclass(frozen=True)
class Monoid:
    start: Callable[[str], Expr]
    combine: Callable[[Expr, Expr], Expr]


def least(dtype: str) -> Expr:
    return tirx.const(-math.inf, dtype) if dtype.startswith("float") else tirx.min_value(dtype)


def most(dtype: str) -> Expr:
    return tirx.const(math.inf, dtype) if dtype.startswith("float") else tirx.max_value(dtype)


SUM = Monoid(lambda t: tirx.const(0, t), lambda a, b: a + b)
PRODUCT = Monoid(lambda t: tirx.const(1, t), lambda a, b: a * b)
GREATEST = Monoid(least, greater)
LEAST = Monoid(most, lesser)


def accumulator_type(dtype: str) -> str:
    return "float32" if dtype == "float16" else dtype


@dataclass(frozen=True)
class Fold:
    """finish: the expression stored at a kept index, in terms of `accumulated` (of the type
    `dtype`).
    """

    kept: tuple[int, ...]
    reduced: tuple[int, ...]
    element: Callable[[Index, Index], Expr]
    monoid: Monoid
    dtype: str
    accumulated: tirx.Var
    finish: Callable[[Index], Expr]
    out: tirx.Buffer

    def emit(self, lanes: int, lanes_kept: bool) -> None:
        """lanes_kept: whether the lanes are neighbouring results."""
        work = math.prod(self.kept) * math.prod(self.reduced)
        if lanes_kept:
            self._columns(lanes, work >= PARALLEL_WORK)
        else:
            nest(self.kept, lambda kept: self._row(kept, lanes), work >= PARALLEL_WORK)

    # ---- lanes are results ----

    def _columns(self, lanes: int, parallel: bool) -> None:
        *outer, inner = self.kept
        rows = tuple(outer)
        if parallel and math.prod(outer) < TASKS and inner >= 2 * lanes:
            whole = inner // lanes
            nest(
                (*rows, whole),
                lambda i: self._column((*i[:-1], bound(i[-1] * lanes)), 1, lanes),
                True,
            )
            if inner % lanes:
                nest(rows, lambda i: self._rest(i, whole * lanes, inner, lanes // 2))
            return

        def row(index: Index) -> None:
            block = INDEPENDENT * lanes
            with loop(inner // block) as i:
                if inner // block:
                    self._column((*index, bound(i * block)), INDEPENDENT, lanes)
            self._rest(index, inner // block * block, inner, lanes)

        nest(rows, row, parallel)

    def _rest(self, index: Index, done: int, inner: int, lanes: int) -> None:
        """The columns from `done` on, in vectors of `lanes` and less."""
        while done < inner:
            with loop((inner - done) // lanes) as i:
                if inner - done >= lanes:
                    self._column((*index, bound(i * lanes + done)), 1, lanes)
            done += (inner - done) // lanes * lanes
            lanes //= 2

    def _column(self, kept: Index, vectors: int, lanes: int) -> None:
        """`vectors` times `lanes` neighbouring results, each lane its own."""
        acc = registers(vectors, lanes, self.dtype)
        slots = [vector_at(n * lanes, lanes) for n in range(vectors)]
        for slot in slots:
            T.buffer_store(acc, _filled(self.monoid.start(self.dtype), lanes), [slot])
        lane = tirx.Var("lane", "int32")
        firsts = [(*kept[:-1], kept[-1] + n * lanes) for n in range(vectors)]
        places = [(*f[:-1], f[-1] + lane) if lanes > 1 else f for f in firsts]
        if 0 not in self.reduced:
            self._accumulate(acc, slots, places, lane, lanes)
        for slot, place, first in zip(slots, places, firsts, strict=True):
            self._store(T.bind(acc[slot]), place, first, lane, lanes)

    def _accumulate(
        self, acc: tirx.Buffer, slots: list[Expr], places: list[Index], lane: tirx.Var, lanes: int
    ) -> None:
        with ExitStack() as stack:
            reduced = tuple(stack.enter_context(loop(e)) for e in self.reduced)
            for slot, place in zip(slots, places, strict=True):
                value = Evaluator(lane, lanes)(self.element(place, reduced))
                T.buffer_store(acc, self._combined(acc[slot], value), [slot])

    # ---- lanes are parts of a row ----

    def _row(self, kept: Index, lanes: int) -> None:
        *outer, inner = (0,) if 0 in self.reduced else self.reduced or (1,)
        whole = inner // lanes
        independent = max(min(INDEPENDENT, whole), 1)
        total = registers(1, 1, self.dtype)
        T.buffer_store(total, self.monoid.start(self.dtype), [0])
        acc = registers(independent, lanes, self.dtype) if whole else total
        if whole:
            for n in range(independent):
                T.buffer_store(
                    acc,
                    _filled(self.monoid.start(self.dtype), lanes),
                    [vector_at(n * lanes, lanes)],
                )
        with ExitStack() as stack:
            around = tuple(stack.enter_context(loop(e)) for e in outer)
            self._vectors(acc, independent, kept, around, whole, lanes)
            if inner % lanes:
                with loop(inner % lanes) as i:
                    value = self._single(kept, (*around, whole * lanes + i))
                    T.buffer_store(total, self._combined(total[0], value), [0])
        if whole:
            vector = T.bind(acc[vector_at(0, lanes)])
            for n in range(1, independent):
                vector = settled(self._combined(vector, acc[vector_at(n * lanes, lanes)]))
            T.buffer_store(
                total, self._combined(total[0], across(vector, lanes, self._combined)), [0]
            )
        self._store(T.bind(total[0]), kept, kept, tirx.Var("lane", "int32"), 1)

    def _vectors(
        self, acc: tirx.Buffer, independent: int, kept: Index, around: Index, whole: int, lanes: int
    ) -> None:
        lane = tirx.Var("lane", "int32")

        def add(number: int, first: Expr) -> None:
            slot = vector_at(number * lanes, lanes)
            value = Evaluator(lane, lanes)(self.element(kept, self._reduced(around, first + lane)))
            T.buffer_store(acc, self._combined(acc[slot], value), [slot])

        if whole >= independent:
            with loop(whole // independent) as i:
                for n in range(independent):
                    add(n, (i * independent + n) * lanes)
        for n in range(whole % independent):
            add(n, tirx.const((whole - whole % independent + n) * lanes, "int32"))

    def _reduced(self, around: Index, last: Expr) -> Index:
        return (*around, last) if self.reduced else ()

    def _single(self, kept: Index, reduced: Index) -> Expr:
        return Evaluator(tirx.Var("lane", "int32"), 1)(
            self.element(kept, reduced if self.reduced else ())
        )

    # ---- both ----

    def _combined(self, a: Expr, b: Expr) -> Expr:
        lanes = max(lanes_of(a), lanes_of(b))
        first, second = tirx.Var("first", self.dtype), tirx.Var("second", self.dtype)
        given = {first: a, second: b}
        return Evaluator(tirx.Var("lane", "int32"), lanes, given)(
            self.monoid.combine(first, second)
        )

    def _store(self, value: Expr, place: Index, first: Index, lane: tirx.Var, lanes: int) -> None:
        evaluated = Evaluator(lane, lanes, {self.accumulated: value})(self.finish(place))
        T.buffer_store(self.out, evaluated, [vector_at(ravel(first, self.kept), lanes)])


def across(vector: Expr, lanes: int, combine: Callable[[Expr, Expr], Expr]) -> Expr:
    """The lanes of a vector combined, by halves."""
    while lanes > 2:
        lanes //= 2
        low = T.bind(tirx.Shuffle([vector], list(range(lanes))))
        high = T.bind(tirx.Shuffle([vector], list(range(lanes, 2 * lanes))))
        vector = settled(combine(low, high))
    parts = [T.bind(tirx.Shuffle([vector], [i])) for i in range(2)]
    return settled(combine(parts[0], parts[1]))


def _filled(value: Expr, lanes: int) -> Expr:
    return tirx.Broadcast(value, lanes) if lanes > 1 else value
