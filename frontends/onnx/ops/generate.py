"""Tensors made from numbers: their shapes and contents must be known when the model is compiled."""

from typing import Any

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import (
    Builder,
    Function,
    Table,
    Value,
    affordable,
    constant,
    dtype,
    integers,
)
from frontends.onnx.graph import Array


def constant_of_shape(b: Builder, dims: Value, *, value: Array | None = None) -> Array:
    to = integers(dims, "the shape")
    fill = np.zeros(1, np.float32) if value is None else value
    affordable(float(np.prod(to, dtype=float)), fill.itemsize)
    return np.full(to, fill.reshape(-1)[0])


def range_node(
    b: Builder, start: Value, limit: Value, delta: Value, *, stash_type: int = 1
) -> Array:
    """Counted in float64, so that the last element does not depend on rounding."""
    given = zip((start, limit, delta), ("start", "limit", "delta"), strict=True)
    first, last, step = (np.float64(constant(v, what).item()) for v, what in given)
    if step == 0:
        raise ModelError("delta must not be 0")
    count = max(int(np.ceil((last - first) / step)), 0)
    affordable(count)
    return np.asarray(first + step * np.arange(count)).astype(np.dtype(dtype(start)))


def decided(*names: str) -> Function:
    """An operator whose inputs decide the size of its result, all of them: it is computed when the
    model is compiled (see fold.py), or not at all.
    """

    def refuse(b: Builder, *inputs: Value | None, **attributes: Any) -> Value:
        for name, value in zip(names, inputs, strict=False):
            if value is not None:
                constant(value, name)
        raise ModelError("its constants cannot be computed")

    return refuse


OPS: Table = {
    "ConstantOfShape": constant_of_shape,
    "Range": range_node,
    "MelWeightMatrix": decided(
        "num_mel_bins", "dft_length", "sample_rate", "lower_edge_hertz", "upper_edge_hertz"
    ),
}
