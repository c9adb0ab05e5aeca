"""Indexing by tensors. Negative indices count from the end, as in Python."""

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import (
    Builder,
    R,
    Table,
    Value,
    affordable,
    axis_of,
    dtype,
    integers,
    rank,
    shape,
)
from frontends.onnx.graph import Array


def from_front(b: Builder, indices: Value, length: int) -> Value:
    """Indices with the negative ones moved to the front; constant ones are checked, too.

    Others are only known at run time and are clamped, so that none leaves its tensor.
    """
    if isinstance(indices, np.ndarray):
        if indices.size and not (-length <= indices.min() and indices.max() < length):
            raise ModelError(f"an index is outside the {length} elements it chooses from")
        return np.where(indices < 0, indices + length, indices)
    if dtype(indices).startswith("uint"):
        return b.cast(indices, "int64")
    return _clamped(b, indices, length)


def _clamped(b: Builder, indices: Value, length: int | Array) -> Value:
    moved = b(R.where, b(R.less, indices, 0), b(R.add, indices, length), indices)
    last = length - 1 if isinstance(length, int) else np.asarray(length - 1, length.dtype)
    return b(R.maximum, b(R.minimum, moved, last), 0)


def gather(b: Builder, x: Value, indices: Value, *, axis: int = 0) -> Value:
    """A constant scalar index is a slice, which needs no gather."""
    axis = axis_of(axis, rank(x))
    places = from_front(b, indices, shape(x)[axis])
    if isinstance(places, np.ndarray) and places.ndim == 0:
        whole = [range(d) for d in shape(x)]
        whole[axis] = range(int(places), int(places) + 1)
        return b.reshape(b.pick(x, whole), shape(x)[:axis] + shape(x)[axis + 1 :])
    return b.take(x, places, axis)


def gather_elements(b: Builder, x: Value, indices: Value, *, axis: int = 0) -> Value:
    axis = axis_of(axis, rank(x))
    return b(R.gather_elements, x, from_front(b, indices, shape(x)[axis]), axis=axis)


def gather_nd(b: Builder, x: Value, indices: Value, *, batch_dims: int = 0) -> Value:
    places = _coordinates(b, indices, shape(x)[batch_dims:])
    return b(R.gather_nd, x, places, batch_dims=batch_dims)


def _coordinates(b: Builder, indices: Value, dims: tuple[int, ...]) -> Value:
    """[..., K] coordinates into the first K of `dims`, all from the front."""
    lengths = np.asarray(dims[: shape(indices)[-1]], dtype(indices))
    if isinstance(indices, np.ndarray):
        return np.where(indices < 0, indices + lengths, indices)
    return _clamped(b, indices, lengths)


REDUCTIONS = {"none": "update", "add": "add", "mul": "mul", "max": "max", "min": "min"}


def _reduction(name: str) -> str:
    if name not in REDUCTIONS:
        raise ModelError(f"attribute reduction is '{name}'; known are {sorted(REDUCTIONS)}")
    return REDUCTIONS[name]


def scatter_elements(
    b: Builder,
    x: Value,
    indices: Value,
    updates: Value,
    *,
    axis: int = 0,
    reduction: str = "none",
) -> Value:
    axis = axis_of(axis, rank(x))
    places = from_front(b, indices, shape(x)[axis])
    return b(R.scatter_elements, x, places, updates, axis=axis, reduction=_reduction(reduction))


def scatter_nd(
    b: Builder, x: Value, indices: Value, updates: Value, *, reduction: str = "none"
) -> Value:
    places = _coordinates(b, indices, shape(x))
    return b(R.scatter_nd, x, places, updates, reduction=_reduction(reduction))


def one_hot(b: Builder, indices: Value, depth: Value, values: Value, *, axis: int = -1) -> Value:
    """A comparison with the places; values outside the depth match none. values: [off, on]."""
    count = integers(depth, "depth")[0]
    affordable(count)
    axis = axis_of(axis, rank(indices) + 1)
    places = b.reshape(indices, (*shape(indices)[:axis], 1, *shape(indices)[axis:]))
    places = b.cast(places, "int64") if "int" not in dtype(places) else places
    wrapped = b(R.where, b(R.less, places, 0), b(R.add, places, count), places)
    row = np.arange(count, dtype=dtype(wrapped)).reshape([-1] + [1] * (rank(indices) - axis))
    off, on = (b.reshape(b.pick(values, [range(n, n + 1)]), ()) for n in (0, 1))
    return b(R.where, b(R.equal, wrapped, row), on, off)


def top_k(
    b: Builder, x: Value, k: Value, *, axis: int = -1, largest: int = 1, sorted: int = 1
) -> tuple[Value, ...]:
    count = integers(k, "k")[0]
    return _top_k(b, x, count, axis_of(axis, rank(x)), bool(largest))


def top_k_attribute(b: Builder, x: Value, *, k: int, axis: int = -1) -> tuple[Value, ...]:
    return _top_k(b, x, k, axis_of(axis, rank(x)), True)


def _top_k(b: Builder, x: Value, k: int, axis: int, largest: bool) -> tuple[Value, ...]:
    both = b(R.topk, x, k=k, axis=axis, ret_type="both", largest=largest, dtype="int64")
    return b.fields(both, 2)


OPS: Table = {
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "OneHot": one_hot,
    "Scatter": scatter_elements,
    "ScatterElements": scatter_elements,
    "ScatterND": scatter_nd,
    "TopK": {1: top_k_attribute, 10: top_k},
}
