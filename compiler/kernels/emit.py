"""Statements that every template uses: a kernel's frame, parallel loops, vector stores of lazy
values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as T

from compiler.kernels.value import ZERO, Expr, Index, Value, ravel, unravel
from compiler.kernels.vector import Evaluator
from compiler.kernels.walk import merged

LINE = 64  # bytes of a cache line
TASKS = 16  # pieces that keep a few cores busy to the end
# Cycles that the busiest core's share of a kernel must exceed to pay for a parallel region: one
# takes 100 behind another and 550 after serial work, and data come from another core's cache.
REGION = 500
PARALLEL_WORK = 8 * REGION  # the same in elements: two cores, four a cycle each


@contextmanager
def kernel(
    name: str, parameters: Sequence[tuple[tuple[int, ...], str]]
) -> Iterator[tuple[list[tirx.Buffer], list[tirx.PrimFunc]]]:
    """A function of flat buffers. Yields them and a list that holds the function afterwards."""
    done: list[tirx.PrimFunc] = []
    with IRBuilder() as builder:
        with T.prim_func(s_tir=True):
            T.func_name(name)
            T.func_attr({"global_symbol": name, "tirx.noalias": True})
            yield (
                [
                    T.arg(f"p{n}", T.buffer((max(math.prod(shape), 1),), dtype, layout=None))
                    for n, (shape, dtype) in enumerate(parameters)
                ],
                done,
            )
        done.append(builder.get())


@contextmanager
def loop(extent: int | Expr, parallel: bool = False) -> Iterator[Expr]:
    """A loop, or just 0 where it would run at most once."""
    if isinstance(extent, int) and extent <= 1:
        yield ZERO
        return
    with (T.parallel if parallel else T.serial)(0, extent) as index:
        yield index


@contextmanager
def team() -> Iterator[None]:
    """All threads run what is inside; parallel loops there divide their iterations among them."""
    with T.attr(0, "pragma_parallel_launch_point", 1):
        yield


def meet() -> None:
    """Half a barrier of a team, by turns: the first, the third, ... waits until all other threads
    have come to the one before, which only says so. In the end there must be as many of either.
    """
    with T.attr(0, "pragma_parallel_barrier_when_finish", 1):
        T.evaluate(0)


def registers(count: int, lanes: int, dtype: str = "float32") -> tirx.Buffer:
    """`count` vectors that LLVM can keep in registers.

    The annotation keeps the buffer on the stack instead of in a heap workspace; it survives only
    with the pass option tirx.disable_storage_rewrite.
    """
    return T.alloc_buffer(
        (count * lanes,),
        dtype,
        scope="local",
        layout=None,
        annotations={"disable_lower_builtin": True},
    )


def vector_at(position: int | Expr, lanes: int) -> Expr:
    return tirx.Ramp(position, 1, lanes) if lanes > 1 else position


def runs(extent: int, lanes: int) -> list[tuple[int, int]]:
    """The starts and widths of whole vectors, then of halves, quarters, ... of one."""
    found, start = [], 0
    while start < extent:
        while extent - start < lanes:
            lanes //= 2
        found.append((start, lanes))
        start += lanes
    return found


def store_row(
    target: tirx.Buffer,
    value: Value,
    outer: Index,
    start: Expr,
    width: int,
    lanes: int,
    position: Callable[[Index], Expr],
) -> None:
    """value[outer, start : start + width] into target: whole vectors, then halves, quarters, ... of
    one.
    """
    lane = tirx.Var("lane", "int32")

    def store(first: Expr, count: int) -> None:
        index = (*outer, first + lane) if count > 1 else (*outer, first)
        evaluated = Evaluator(lane, count)(value.at(index))
        T.buffer_store(target, evaluated, [vector_at(position((*outer, first)), count)])

    whole = width // lanes
    with loop(whole) as i:
        if whole:
            store(start + i * lanes, lanes)
    for first, count in runs(width % lanes, lanes):
        store(start + (whole * lanes + first), count)


def store_value(
    target: tirx.Buffer,
    value: Value,
    lanes: int,
    within: tuple[int, ...] | None = None,
    origin: tuple[int, ...] | None = None,
) -> None:
    """All of a value, parallel and vectorised: as a box at `origin` inside a row-major tensor
    `within`.
    """
    if not value.shape:
        value = Value((1,), value.dtype, lambda _, single=value: single.at(()))  # type: ignore[misc]
    if not value.size:
        return
    within, origin = within or value.shape, origin or (0,) * len(value.shape)
    value, within, origin = merged(value, within, origin)
    *outer, inner = value.shape
    parallel = value.size >= PARALLEL_WORK

    def position(index: Index) -> Expr:
        return ravel(tuple(i + c if c else i for i, c in zip(index, origin, strict=True)), within)

    def row(index: Index) -> None:
        store_row(target, value, index, ZERO, inner, lanes, position)

    if parallel and inner >= 4 * lanes and math.prod(outer) < TASKS:
        _long_rows(target, value, lanes, position)
    else:
        nest(tuple(outer), row, parallel)


def _long_rows(
    target: tirx.Buffer, value: Value, lanes: int, position: Callable[[Index], Expr]
) -> None:
    """Few long rows: cut them into chunks of whole vectors, and a rest."""
    *outer, inner = value.shape
    rows = math.prod(outer)
    chunk = max(inner * rows // (2 * TASKS) // lanes, 1) * lanes
    with loop(rows * (inner // chunk), parallel=True) as task:
        *at, piece = unravel(task, (*outer, inner // chunk))
        index = tuple(bound(i) for i in at)
        store_row(target, value, index, T.bind(piece * chunk), chunk, lanes, position)
    if rest := inner % chunk:
        with loop(rows) as task:
            index = tuple(bound(i) for i in unravel(task, tuple(outer)))
            start = tirx.const(inner - rest, "int32")
            store_row(target, value, index, start, rest, lanes, position)


def nest(extents: tuple[int, ...], body: Callable[[Index], None], parallel: bool = False) -> None:
    """Loops over all indices; the leading axes, and a chunk of the one behind them, are the
    parallel tasks.
    """
    if 0 in extents:
        return
    if not parallel:
        with ExitStack() as stack:
            body(tuple(stack.enter_context(loop(e)) for e in extents))
        return
    split = 0
    while split < len(extents) and math.prod(extents[:split]) < TASKS:
        split += 1
    lead, rest = extents[: max(split - 1, 0)], extents[max(split - 1, 0) :]
    chunk = max(rest[0] * math.prod(lead) // (4 * TASKS), 1) if rest else 1
    pieces = -(-rest[0] // chunk) if rest else 1
    with ExitStack() as stack:
        task = stack.enter_context(loop(math.prod(lead) * pieces, parallel=True))
        *index, piece = (bound(i) for i in unravel(task, (*lead, pieces)))
        if rest:
            first = bound(piece * chunk)
            count = chunk if rest[0] % chunk == 0 else tirx.min(rest[0] - first, chunk)
            index.append(bound(first + stack.enter_context(loop(count))))
        body((*index, *(stack.enter_context(loop(e)) for e in rest[1:])))


def bound(expr: Expr) -> Expr:
    """The expression as a variable, computed once."""
    return expr if isinstance(expr, (tirx.IntImm, tirx.Var)) else T.bind(expr)


def workspace(elements: int, dtype: str = "float32") -> tirx.Buffer:
    """Memory of a task's own."""
    return T.alloc_buffer((elements,), dtype, layout=None)


def within(count: int, first: Expr, total: int) -> int | Expr:
    """How many of `count` from `first` on there are."""
    return count if total % count == 0 else T.bind(tirx.min(total - first, count))


def below(value: Expr, limit: int, some_above: bool, some_below: bool) -> Expr | bool:
    """value < limit, where that is not known before."""
    return value < limit if some_above and some_below else not some_above


def either(condition: Expr | bool, then: Callable[[], None], otherwise: Callable[[], None]) -> None:
    if isinstance(condition, bool):
        (then if condition else otherwise)()
        return
    with T.If(condition):
        with T.Then():
            then()
        with T.Else():
            otherwise()


def prefetch(buffer: tirx.Buffer, position: Expr) -> None:
    """Into the second-level cache; a position behind the buffer's end does no harm."""
    hint = (tirx.const(n, "int32") for n in (0, 2, 1))  # to read, level 2, data
    address = tirx.address_of(buffer[position])
    T.evaluate(tirx.call_llvm_intrin("void", "llvm.prefetch", address, *hint))
