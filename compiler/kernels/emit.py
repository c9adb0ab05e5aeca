"""Statements that every template uses: a kernel's frame, parallel loops, vector stores of lazy values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as T

from compiler.kernels.value import ZERO, Expr, Index, Value, ravel, unravel
from compiler.kernels.vector import Evaluator

PARALLEL_WORK = 4096  # scalar operations below which waking a thread costs more than it saves


@contextmanager
def kernel(name: str, parameters: Sequence[tuple[tuple[int, ...], str]]) -> Iterator[tuple[list[tirx.Buffer], list[tirx.PrimFunc]]]:
    """A function of flat buffers. Yields them and a list that holds the function afterwards."""
    done: list[tirx.PrimFunc] = []
    with IRBuilder() as builder:
        with T.prim_func(s_tir=True):
            T.func_name(name)
            T.func_attr({"global_symbol": name, "tirx.noalias": True})
            yield [
                T.arg(f"p{n}", T.buffer((max(math.prod(shape), 1),), dtype, layout=None))
                for n, (shape, dtype) in enumerate(parameters)
            ], done
        done.append(builder.get())


@contextmanager
def loop(extent: int, parallel: bool = False) -> Iterator[Expr]:
    """A loop, or just 0 where it would run once."""
    if extent == 1:
        yield ZERO
        return
    with (T.parallel if parallel else T.serial)(0, extent) as index:
        yield index


def registers(count: int, lanes: int, dtype: str = "float32") -> tirx.Buffer:
    """`count` vectors that LLVM can keep in registers.

    The annotation keeps the buffer on the stack instead of in a heap workspace; it survives only with the pass
    option tirx.disable_storage_rewrite.
    """
    return T.alloc_buffer(
        (count * lanes,), dtype, scope="local", layout=None, annotations={"disable_lower_builtin": True}
    )


def vector_at(position: int | Expr, lanes: int) -> Expr:
    return tirx.Ramp(position, 1, lanes) if lanes > 1 else position


def store_row(
    target: tirx.Buffer, value: Value, outer: Index, start: Expr, width: int, lanes: int, position: Callable[[Index], Expr]
) -> None:
    """value[outer, start : start + width] into target: whole vectors, then single elements."""
    lane = tirx.Var("lane", "int32")

    def store(first: Expr, count: int) -> None:
        index = (*outer, first + lane) if count > 1 else (*outer, first)
        evaluated = Evaluator(lane, count)(value.at(index))
        T.buffer_store(target, evaluated, [vector_at(position((*outer, first)), count)])

    whole = width // lanes
    if whole:
        with loop(whole) as i:
            store(start + i * lanes, lanes)
    if width % lanes:
        with loop(width % lanes) as i:
            store(start + whole * lanes + i, 1)


def store_value(target: tirx.Buffer, value: Value, lanes: int, offset: int = 0, within: tuple[int, ...] | None = None,
                origin: tuple[int, ...] | None = None, cost: int = 1) -> None:  # fmt: skip
    """All of a value, parallel and vectorised: as a box at `origin` inside a row-major tensor of shape `within`."""
    shape = value.shape or (1,)
    if not value.shape:
        value = Value(shape, value.dtype, lambda _, single=value: single.at(()))  # type: ignore[misc]
    whole, corner = within or shape, origin or (0,) * len(shape)

    def position(index: Index) -> Expr:
        return ravel(tuple(i + c if c else i for i, c in zip(index, corner, strict=True)), whole)

    *outer, inner = shape
    rows = math.prod(outer)
    parallel = value.size * cost >= PARALLEL_WORK
    if inner >= 4 * lanes and rows < 8:  # few long rows: cut them, too
        chunk = _chunk(inner, lanes)
        with loop(rows * (inner // chunk), parallel) as i:
            *at, piece = unravel(i, (*outer, inner // chunk))
            store_row(target, value, tuple(at), T.bind(piece * chunk), chunk, lanes, position)
        if inner % chunk:
            with loop(rows) as i:
                rest = tirx.const(inner - inner % chunk, "int32")
                store_row(target, value, unravel(i, tuple(outer)), rest, inner % chunk, lanes, position)
        return
    with loop(rows, parallel) as i:
        index = tuple(T.bind(e) if not isinstance(e, tirx.IntImm) else e for e in unravel(i, tuple(outer)))
        store_row(target, value, index, ZERO, inner, lanes, position)


def _chunk(extent: int, lanes: int) -> int:
    """A multiple of the lanes that cuts the extent in at least eight pieces."""
    return max(extent // 8 // lanes, 1) * lanes


