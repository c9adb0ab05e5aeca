"""What reads elements by numbers, and what orders them. MXNet's numbers are mostly floats."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from frontends.model import ModelError
from frontends.mxnet.graph import Graph, Table, Value
from frontends.mxnet.ops.elementwise import element_type


def _within(g: Graph, indices: Value, size: int, mode: str) -> Value:
    whole = g.cast(indices, "int64")
    if mode == "wrap":
        return g("Mod", whole, size)
    if mode not in ("clip", "raise"):
        raise ModelError(f"the mode {mode!r} is unknown")
    return g("Clip", whole, 0, size - 1)


def take(g: Graph, a: Value, indices: Value, *, axis: int = 0, mode: str = "clip") -> Value:
    place = a.axis(axis)
    return g("Gather", a, _within(g, indices, a.shape[place], mode), axis=place)


def embedding(
    g: Graph, data: Value, weight: Value, *, output_dim: int = 0, dtype: str = "float32"
) -> Value:
    return take(g, weight, data)


def batch_take(g: Graph, a: Value, indices: Value) -> Value:
    return pick(g, a, indices, axis=1)


def pick(
    g: Graph,
    data: Value,
    index: Value,
    *,
    axis: int | None = -1,
    keepdims: bool = False,
    mode: str = "clip",
) -> Value:
    x = g.reshape(data, (math.prod(data.shape),)) if axis is None else data
    place = x.axis(axis if axis is not None else 0)
    dims = [1 if a == place else d for a, d in enumerate(x.shape)]
    places = g.reshape(_within(g, index, x.shape[place], mode), dims)
    y = g("GatherElements", x, places, axis=place)
    kept = dims if keepdims else [d for a, d in enumerate(dims) if a != place]
    return g.reshape(y, kept or [1])


def gather_nd(g: Graph, data: Value, indices: Value) -> Value:
    """indices: [axes, ...]"""
    whole = g.cast(indices, "int64")
    return g("GatherND", data, g.transpose(whole, (*range(1, whole.rank), 0)))


def one_hot(
    g: Graph,
    indices: Value,
    *,
    depth: int,
    on_value: float = 1.0,
    off_value: float = 0.0,
    dtype: str = "float32",
) -> Value:
    values = np.array([off_value, on_value], element_type(dtype))
    whole = g("Unsqueeze", g.cast(indices, "int64"), [-1])
    met = g("Equal", whole, np.arange(depth))
    return g("Where", met, values[1:].reshape(()), values[:1].reshape(()))


def _flat(g: Graph, data: Value, axis: int | None) -> tuple[Value, int]:
    if axis is None:
        return g.reshape(data, (math.prod(data.shape),)), 0
    return data, data.axis(axis)


def _best(kind: str) -> Callable[..., Value]:
    def operator(
        g: Graph, data: Value, *, axis: int | None = None, keepdims: bool = False
    ) -> Value:
        x, place = _flat(g, data, axis)
        y = g.cast(g(kind, x, axis=place, keepdims=int(keepdims)), "float32")
        if axis is None:
            return g.reshape(y, (1,) * (data.rank if keepdims else 1))
        return g.reshape(y, y.shape or (1,))

    return operator


def argmax_channel(g: Graph, data: Value) -> Value:
    return g.cast(g("ArgMax", data, axis=1, keepdims=0), "float32")


def topk(
    g: Graph,
    data: Value,
    *,
    axis: int | None = -1,
    k: int = 1,
    ret_typ: str = "indices",
    is_ascend: bool = False,
    dtype: str = "float32",
) -> Sequence[Value]:
    x, place = _flat(g, data, axis)
    count = k if k > 0 else x.shape[place]
    if count > x.shape[place]:
        raise ModelError(f"the best {k} of {x.shape[place]}")
    values, places = g.several(2, "TopK", x, [count], axis=place, largest=int(not is_ascend))
    numbers = g.cast(places, element_type(dtype))
    if ret_typ == "mask":
        chosen = g("Unsqueeze", places, [-1])
        met = g.cast(g("Equal", chosen, np.arange(x.shape[place])), "float32")
        mask = g("ReduceMax", met, [place], keepdims=0)
        order = [*range(place), x.rank - 1, *range(place, x.rank - 1)]
        return [g.cast(g.reshape(g.transpose(mask, order), data.shape), data.dtype)]
    results = {"indices": [numbers], "value": [values], "both": [values, numbers]}
    if ret_typ not in results:
        raise ModelError(f"ret_typ {ret_typ!r} is unknown")
    return results[ret_typ]


def sort(g: Graph, data: Value, *, axis: int | None = -1, is_ascend: bool = True) -> Value:
    return topk(g, data, axis=axis, k=0, ret_typ="value", is_ascend=is_ascend)[0]


def argsort(
    g: Graph,
    data: Value,
    *,
    axis: int | None = -1,
    is_ascend: bool = True,
    dtype: str = "float32",
) -> Value:
    return topk(g, data, axis=axis, k=0, is_ascend=is_ascend, dtype=dtype)[0]


# --- sequences: [steps, batch, ...] with the length of each


def _steps(g: Graph, data: Value, axis: int) -> Value:
    """Which steps are inside, [steps, batch, 1...] or [batch, steps, 1...]."""
    dims = [data.shape[a] if a == axis else 1 for a in range(data.rank)]
    return g.constant(np.arange(data.shape[axis]).reshape(dims))


def _lengths(g: Graph, data: Value, lengths: Value, axis: int) -> Value:
    dims = [data.shape[a] if a == 1 - axis else 1 for a in range(data.rank)]
    return g.reshape(g.cast(lengths, "int64"), dims)


def sequence_mask(
    g: Graph,
    data: Value,
    sequence_length: Value | None = None,
    *,
    use_sequence_length: bool = False,
    value: float = 0.0,
    axis: int = 0,
) -> Value:
    if not use_sequence_length or sequence_length is None:
        return data
    inside = g("Less", _steps(g, data, axis), _lengths(g, data, sequence_length, axis))
    return g("Where", inside, data, np.array(value, data.dtype))


def sequence_last(
    g: Graph,
    data: Value,
    sequence_length: Value | None = None,
    *,
    use_sequence_length: bool = False,
    axis: int = 0,
) -> Value:
    kept = [d for a, d in enumerate(data.shape) if a != axis]
    if not use_sequence_length or sequence_length is None:
        last = g.slice(data, axis, data.shape[axis] - 1, data.shape[axis])
        return g.reshape(last, kept)
    places = g("Sub", _lengths(g, data, sequence_length, axis), 1)
    wide = [1 if a == axis else d for a, d in enumerate(data.shape)]
    return g.reshape(g("GatherElements", data, g("Expand", places, wide), axis=axis), kept)


def sequence_reverse(
    g: Graph,
    data: Value,
    sequence_length: Value | None = None,
    *,
    use_sequence_length: bool = False,
    axis: int = 0,
) -> Value:
    if axis != 0:
        raise ModelError(f"the axis {axis} is not supported")
    lengths: Value | np.ndarray = np.full(data.shape[1], data.shape[0], np.int64)
    if use_sequence_length and sequence_length is not None:
        lengths = g.cast(sequence_length, "int64")
    return g("ReverseSequence", data, lengths, time_axis=0, batch_axis=1)


OPS: Table = {
    "Embedding": embedding,
    "SequenceLast": sequence_last,
    "SequenceMask": sequence_mask,
    "SequenceReverse": sequence_reverse,
    "argmax": _best("ArgMax"),
    "argmax_channel": argmax_channel,
    "argmin": _best("ArgMin"),
    "argsort": argsort,
    "batch_take": batch_take,
    "gather_nd": gather_nd,
    "one_hot": one_hot,
    "pick": pick,
    "sort": sort,
    "take": take,
    "topk": topk,
}
