"""Reductions over axes. Empty axes mean all, or with noop_with_empty_axes the elements alone."""

from collections.abc import Callable, Sequence
from typing import Any

from frontends.model import ModelError
from frontends.onnx.builder import (
    Builder,
    R,
    Table,
    Value,
    axis_of,
    dtype,
    integers,
    is_float,
    rank,
    shape,
)

Reduce = Callable[[Builder, Value, dict[str, Any]], Value]


def by_input(reduce: Reduce, each: Callable[[Builder, Value], Value]) -> Callable[..., Value]:
    """The axes are an input."""

    def function(
        b: Builder,
        x: Value,
        axes: Value | None = None,
        *,
        keepdims: int = 1,
        noop_with_empty_axes: int = 0,
    ) -> Value:
        picked = integers(axes, "axes") if axes is not None else []
        if noop_with_empty_axes and not picked:
            return each(b, x)
        return reduce(b, x, _over(x, picked, keepdims))

    return function


def by_attribute(reduce: Reduce) -> Callable[..., Value]:
    """The axes are an attribute."""

    def function(b: Builder, x: Value, *, axes: Sequence[int] = (), keepdims: int = 1) -> Value:
        return reduce(b, x, _over(x, axes, keepdims))

    return function


def _over(x: Value, axes: Sequence[int], keepdims: int) -> dict[str, Any]:
    picked = [axis_of(a, rank(x)) for a in axes] or list(range(rank(x)))
    return {"axis": picked, "keepdims": bool(keepdims)}


def plain(op: Callable[..., Any]) -> Reduce:
    def reduce(b: Builder, x: Value, over: dict[str, Any]) -> Value:
        return b(op, x, **over)

    return reduce


def extreme(op: Callable[..., Any]) -> Reduce:
    """max and min of booleans run on bytes."""

    def reduce(b: Builder, x: Value, over: dict[str, Any]) -> Value:
        if dtype(x) == "bool":
            return b.cast(b(op, b.cast(x, "uint8"), **over), "bool")
        return b(op, x, **over)

    return reduce


def mean(b: Builder, x: Value, over: dict[str, Any]) -> Value:
    if is_float(x):
        return b(R.mean, x, **over)
    count = 1
    for axis in over["axis"]:
        count *= shape(x)[axis]
    return b(R.divide, b(R.sum, x, **over), count)


def l1(b: Builder, x: Value, over: dict[str, Any]) -> Value:
    return b(R.sum, b(R.abs, x), **over)


def l2(b: Builder, x: Value, over: dict[str, Any]) -> Value:
    total = sum_square(b, x, over)
    return b.cast(b(R.sqrt, b.cast(total, "float32" if not is_float(x) else dtype(x))), dtype(x))


def sum_square(b: Builder, x: Value, over: dict[str, Any]) -> Value:
    return b(R.sum, b(R.multiply, x, x), **over)


def log_sum(b: Builder, x: Value, over: dict[str, Any]) -> Value:
    _only_floats(x)
    return b(R.log, b(R.sum, x, **over))


def log_sum_exp(b: Builder, x: Value, over: dict[str, Any]) -> Value:
    """The maximum is taken out first, so that exp cannot overflow."""
    _only_floats(x)
    top = b(R.max, x, axis=over["axis"], keepdims=True)
    total = b(R.sum, b(R.exp, b(R.subtract, x, top)), **over)
    return b(R.add, b(R.log, total), b.reshape(top, shape(total)))


def _only_floats(x: Value) -> None:
    if not is_float(x):
        raise ModelError(f"a logarithm has no clear value in {dtype(x)}; cast to float32 and back")


def _identity(b: Builder, x: Value) -> Value:
    return x


def _abs(b: Builder, x: Value) -> Value:
    return b(R.abs, x)


def _square(b: Builder, x: Value) -> Value:
    return b(R.multiply, x, x)


def _log(b: Builder, x: Value) -> Value:
    return b(R.log, x)


# name: the reduction, what it is of one element, the opset whose axes are an input
REDUCTIONS: dict[str, tuple[Reduce, Callable[[Builder, Value], Value], int]] = {
    "ReduceL1": (l1, _abs, 18),
    "ReduceL2": (l2, _abs, 18),
    "ReduceLogSum": (log_sum, _log, 18),
    "ReduceLogSumExp": (log_sum_exp, _identity, 18),
    "ReduceMax": (extreme(R.max), _identity, 18),
    "ReduceMean": (mean, _identity, 18),
    "ReduceMin": (extreme(R.min), _identity, 18),
    "ReduceProd": (plain(R.prod), _identity, 18),
    "ReduceSum": (plain(R.sum), _identity, 13),
    "ReduceSumSquare": (sum_square, _square, 18),
}


def arg(op: Callable[..., Any]) -> Callable[..., Value]:
    def function(
        b: Builder, x: Value, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0
    ) -> Value:
        axis = axis_of(axis, rank(x))
        if not select_last_index:
            return b(op, x, axis=axis, keepdims=bool(keepdims))
        first = b(op, b(R.flip, x, axis=axis), axis=axis, keepdims=bool(keepdims))
        return b(R.subtract, shape(x)[axis] - 1, first)

    return function


def cumulative_sum(
    b: Builder, x: Value, axis: Value, *, exclusive: int = 0, reverse: int = 0
) -> Value:
    along = axis_of(integers(axis, "axis")[0], rank(x))
    x = b(R.flip, x, axis=along) if reverse else x
    y = b(R.cumsum, x, axis=along, dtype=dtype(x), exclusive=bool(exclusive))
    return b(R.flip, y, axis=along) if reverse else y


OPS: Table = {
    **{n: {1: by_attribute(f), v: by_input(f, each)} for n, (f, each, v) in REDUCTIONS.items()},
    "ArgMax": arg(R.argmax),
    "ArgMin": arg(R.argmin),
    "CumSum": cumulative_sum,
}
