"""What every data-moving operator of Relax computes: operator name -> a function of lazy values.

All loads stay inside their tensors whatever the data (indices are clamped), so that a Select may
evaluate both sides.
"""

from __future__ import annotations

from collections.abc import Callable

from tvm import relax, tirx

from compiler.kernels.operators import Operator, const, dtype_of, integers, number, result, shape_of
from compiler.kernels.value import ZERO, Expr, Index, Value, element_type, ravel, unravel


def reindexed(function: Callable[[relax.Call, list[Value]], Callable[[Index], Index]]) -> Operator:
    """The first operand read at other indices."""

    def operator(call: relax.Call, args: list[Value]) -> Value:
        move = function(call, args)
        return result(call, lambda i: args[0].at(move(i)))

    return operator


def permute_dims(call: relax.Call, args: list[Value]) -> Callable[[Index], Index]:
    rank = len(args[0].shape)
    axes = (
        [int(a) % rank for a in call.attrs.axes]
        if call.attrs.axes is not None
        else list(reversed(range(rank)))
    )
    return lambda i: tuple(i[axes.index(d)] for d in range(rank))


def reshape(call: relax.Call, args: list[Value]) -> Callable[[Index], Index]:
    return lambda i: unravel(ravel(i, shape_of(call)), args[0].shape)


def broadcast_to(call: relax.Call, args: list[Value]) -> Callable[[Index], Index]:
    source = args[0].shape
    return lambda i: tuple(
        ZERO if e == 1 else d for d, e in zip(i[len(i) - len(source) :], source, strict=True)
    )


def tile(call: relax.Call, args: list[Value]) -> Callable[[Index], Index]:
    source = args[0].shape
    return lambda i: tuple(
        tirx.floormod(d, e) for d, e in zip(i[len(i) - len(source) :], source, strict=True)
    )


def repeat(call: relax.Call, args: list[Value]) -> Callable[[Index], Index]:
    axis, times = call.attrs.axis, int(call.attrs.repeats)
    if axis is None:
        return lambda i: unravel(tirx.floordiv(i[0], times), args[0].shape)
    at = int(axis) % len(args[0].shape)
    return lambda i: tuple(tirx.floordiv(d, times) if n == at else d for n, d in enumerate(i))


def flip(call: relax.Call, args: list[Value]) -> Callable[[Index], Index]:
    at = int(call.attrs.axis) % len(args[0].shape)
    return lambda i: tuple(args[0].shape[n] - 1 - d if n == at else d for n, d in enumerate(i))


def strided_slice(call: relax.Call, args: list[Value]) -> Callable[[Index], Index]:
    axes, begin = integers(call.args[1]), integers(call.args[2])
    steps = integers(call.args[4]) if len(call.args) > 4 else [1] * len(axes)
    start, step = {}, {}
    for axis, first, stride in zip(axes, begin, steps, strict=True):
        at = axis % len(args[0].shape)
        extent = args[0].shape[at]
        first = first + extent if first < 0 else first
        start[at], step[at] = (min(first, extent) if stride > 0 else min(first, extent - 1)), stride
    return lambda i: tuple(d * step.get(n, 1) + start.get(n, 0) for n, d in enumerate(i))


def clamp(index: Expr, extent: int) -> Expr:
    return tirx.max(tirx.min(index, extent - 1), 0)


def at_position(index: Expr, extent: int) -> Expr:
    """An index read from data, negative from the end, kept inside."""
    small = index.astype("int32") if element_type(index) != "int32" else index
    return clamp(tirx.Select(small < 0, small + extent, small), extent)


def take(call: relax.Call, args: list[Value]) -> Value:
    data, indices = args
    rank = len(indices.shape)
    axis = 0 if call.attrs.axis is None else int(call.attrs.axis) % len(data.shape)

    def compute(i: Index) -> Expr:
        chosen = at_position(indices.at(i[axis : axis + rank]), data.shape[axis])
        return data.at((*i[:axis], chosen, *i[axis + rank :]))

    return result(call, compute)


def gather_elements(call: relax.Call, args: list[Value]) -> Value:
    data, indices = args
    axis = int(call.attrs.axis) % len(data.shape)

    def compute(i: Index) -> Expr:
        return data.at((*i[:axis], at_position(indices.at(i), data.shape[axis]), *i[axis + 1 :]))

    return result(call, compute)


def gather_nd(call: relax.Call, args: list[Value]) -> Value:
    data, indices = args
    batch, depth, rank = int(call.attrs.batch_dims), indices.shape[-1], len(indices.shape)

    def compute(i: Index) -> Expr:
        chosen = [
            at_position(indices.at((*i[: rank - 1], tirx.const(n, "int32"))), data.shape[batch + n])
            for n in range(depth)
        ]
        return data.at((*i[:batch], *chosen, *i[rank - 1 :]))

    return result(call, compute)


def one_hot(call: relax.Call, args: list[Value]) -> Value:
    on, off = call.args[1:3]
    axis = int(call.attrs.axis) % len(shape_of(call))

    def compute(i: Index) -> Expr:
        index = args[0].at((*i[:axis], *i[axis + 1 :]))
        return tirx.Select(
            index.astype("int32") == i[axis],
            const(number(on), dtype_of(call)),
            const(number(off), dtype_of(call)),
        )

    return result(call, compute)


def resize(call: relax.Call, args: list[Value]) -> Value:
    """data [N, C, H, W] or packed; for each output row and column the elements (indices [T, H'])
    and, unless there is but one, how much of each (weights [T, H']).
    """
    data, rows, columns, *weights = args

    def compute(i: Index) -> Expr:
        n, c, y, x, *lane = i
        total: Expr | None = None
        for t in range(rows.shape[0]):
            row = _line(
                data, (n, c, rows.at((const(t, "int32"), y))), columns, weights[1:], x, lane
            )
            row = row * weights[0].at((const(t, "int32"), y)) if weights else row
            total = row if total is None else total + row
        assert total is not None
        return total.astype(dtype_of(call)) if element_type(total) != dtype_of(call) else total

    return result(call, compute)


def _line(
    data: Value, row: Index, columns: Value, weights: list[Value], x: Expr, lane: list[Expr]
) -> Expr:
    """A row's elements around x, weighted."""
    total: Expr | None = None
    for t in range(columns.shape[0]):
        at = (const(t, "int32"), x)
        element = data.at((*row, columns.at(at), *lane))
        if weights:
            element = element.astype(weights[0].dtype) * weights[0].at(at)
        total = element if total is None else total + element
    assert total is not None
    return total


def pack(call: relax.Call, args: list[Value]) -> Value:
    """[N, C, H, W] -> [N, C/L, H, W, L]; zeros in the lanes beyond the channels."""
    channels, lanes = args[0].shape[1], shape_of(call)[-1]

    def compute(i: Index) -> Expr:
        n, panel, y, x, lane = i
        channel = panel * lanes + lane
        if channels % lanes == 0:
            return args[0].at((n, channel, y, x))
        inside = args[0].at((n, tirx.min(channel, channels - 1), y, x))
        return tirx.Select(channel < channels, inside, const(0, dtype_of(call)))

    return result(call, compute)


def unpack(call: relax.Call, args: list[Value]) -> Value:
    lanes = args[0].shape[-1]
    return result(call, lambda i: args[0].at((i[0], i[1] // lanes, i[2], i[3], i[1] % lanes)))


def select(call: relax.Call, args: list[Value]) -> Value:
    """Channels of [N, P, H, W, L] by a table [P' * L] of their numbers there."""
    data, places = args
    lanes = data.shape[-1]

    def compute(i: Index) -> Expr:
        n, panel, y, x, lane = i
        place = places.at((panel * lanes + lane,))
        return data.at((n, tirx.floordiv(place, lanes), y, x, tirx.floormod(place, lanes)))

    return result(call, compute)


def move(call: relax.Call, args: list[Value]) -> Callable[[Index], Index]:
    """See passes/merge_moves.py."""
    extents, order = (integers(a) for a in call.args[2:])
    moved = tuple(extents[a] for a in order)

    def index(i: Index) -> Index:
        at = unravel(ravel(i, shape_of(call)), moved)
        return unravel(ravel(tuple(at[order.index(a)] for a in range(len(order))), tuple(extents)),
                       args[0].shape)  # fmt: skip

    return index


MOVES: dict[str, Operator] = {
    **{
        f"relax.{name}": reindexed(f)
        for name, f in {
            "permute_dims": permute_dims,
            "broadcast_to": broadcast_to,
            "tile": tile,
            "repeat": repeat,
            "flip": flip,
            "strided_slice": strided_slice,
            "reshape": reshape,
            "expand_dims": reshape,
            "squeeze": reshape,
        }.items()
    },
    "relax.take": take,
    "relax.gather_elements": gather_elements,
    "relax.gather_nd": gather_nd,
    "relax.one_hot": one_hot,
    "neoc.pack": pack,
    "neoc.unpack": unpack,
    "neoc.move": reindexed(move),
    "neoc.select": select,
    "neoc.packed_resize": resize,
}
