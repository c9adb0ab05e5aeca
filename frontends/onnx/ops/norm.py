"""Normalisations. Statistics that are constants fold into one multiply and one add."""

import math

import numpy as np
from onnx import helper

from frontends.onnx.builder import Builder, R, Table, Value, axis_of, dtype, rank, shape


def batch_norm(
    b: Builder,
    x: Value,
    scale: Value,
    bias: Value,
    mean: Value,
    var: Value,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
    spatial: int = 1,
    is_test: int = 1,
    consumed_inputs: tuple[int, ...] = (),
) -> Value | tuple[Value, ...]:
    """(x - mean) / sqrt(var + epsilon) * scale + bias, per channel. In training mode the mean and
    the variance are the batch's, which move the given ones towards them.
    """
    if training_mode:
        axes = [a for a in range(rank(x)) if a != 1]
        here = b(R.mean, x, axis=axes, keepdims=True)
        centred = b(R.subtract, x, here)
        spread = b(R.mean, b(R.multiply, centred, centred), axis=axes, keepdims=True)
        wide = shape(here)
        y = b(R.multiply, centred, b(R.rsqrt, b(R.add, spread, epsilon)))
        y = b(R.add, b(R.multiply, y, b.reshape(scale, wide)), b.reshape(bias, wide))
        moved = [
            b(R.add, b(R.multiply, old, momentum),
              b(R.multiply, b.reshape(new, shape(old)), 1 - momentum))
            for old, new in ((mean, here), (var, spread))
        ]  # fmt: skip
        return (y, *moved)
    wide = (1, shape(x)[1]) + (1,) * (rank(x) - 2) if rank(x) > 1 else (1,)
    if not spatial:
        wide = (1, *shape(x)[1:])
    if all(isinstance(v, np.ndarray) for v in (scale, bias, mean, var)):
        factor = np.float64(scale) / np.sqrt(np.float64(var) + epsilon)
        offset = np.float64(bias) - np.float64(mean) * factor
        scaled = b(R.multiply, x, factor.astype(dtype(x)).reshape(wide))
        return b(R.add, scaled, offset.astype(dtype(x)).reshape(wide))
    scale, bias, mean, var = (b.reshape(v, wide) for v in (scale, bias, mean, var))
    factor = b(R.multiply, scale, b(R.rsqrt, b(R.add, var, epsilon)))
    return b(R.add, b(R.multiply, b(R.subtract, x, mean), factor), bias)


def _standardised(b: Builder, x: Value, axes: list[int], epsilon: float) -> Value:
    mean = b(R.mean, x, axis=axes, keepdims=True)
    centred = b(R.subtract, x, mean)
    var = b(R.mean, b(R.multiply, centred, centred), axis=axes, keepdims=True)
    return b(R.multiply, centred, b(R.rsqrt, b(R.add, var, epsilon)))


def instance_norm(
    b: Builder,
    x: Value,
    scale: Value,
    bias: Value,
    *,
    epsilon: float = 1e-5,
    consumed_inputs: tuple[int, ...] = (),
) -> Value:
    wide = (1, shape(x)[1]) + (1,) * (rank(x) - 2)
    y = _standardised(b, x, list(range(2, rank(x))), epsilon)
    return b(R.add, b(R.multiply, y, b.reshape(scale, wide)), b.reshape(bias, wide))


def _stashed(b: Builder, x: Value, stash_type: int) -> Value:
    """x for statistics, which are computed in no less than the type that is asked for."""
    kind = helper.tensor_dtype_to_np_dtype(stash_type)
    wider = kind.kind == "f" and kind.itemsize > np.dtype(dtype(x)).itemsize
    return b.cast(x, str(kind)) if wider else x


def group_norm(
    b: Builder,
    x: Value,
    scale: Value,
    bias: Value,
    *,
    num_groups: int,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Value:
    """scale and bias hold one number a channel, or (opset 18) one a group."""
    dims = shape(x)
    grouped = b.reshape(x, (dims[0], num_groups, math.prod(dims[1:]) // num_groups))
    y = _standardised(b, _stashed(b, grouped, stash_type), [2], epsilon)
    y = b.reshape(b.cast(y, dtype(x)), dims)
    scale, bias = (_per_channel(b, v, dims[1]) for v in (scale, bias))
    wide = (1, dims[1]) + (1,) * (len(dims) - 2)
    return b(R.add, b(R.multiply, y, b.reshape(scale, wide)), b.reshape(bias, wide))


def _per_channel(b: Builder, x: Value, channels: int) -> Value:
    times = channels // shape(x)[0]
    if times == 1:
        return x
    return np.repeat(x, times) if isinstance(x, np.ndarray) else b(R.repeat, x, repeats=times)


def layer_norm(
    b: Builder,
    x: Value,
    scale: Value,
    bias: Value | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Value | tuple[Value, ...]:
    """The mean and 1/deviation are only computed where the model asks for them."""
    axes = list(range(axis_of(axis, rank(x)), rank(x)))
    dims = tuple(shape(x)[a] for a in axes)
    if shape(scale) != dims or (bias is not None and shape(bias) != dims):
        y = b.cast(_standardised(b, _stashed(b, x, stash_type), axes, epsilon), dtype(x))
        y = b(R.multiply, y, scale)
        y = y if bias is None else b(R.add, y, bias)
    else:
        beta = np.zeros(dims, dtype(x)) if bias is None else bias
        y = b(R.nn.layer_norm, x, scale, beta, axes=[a - rank(x) for a in axes], epsilon=epsilon)
    if not b.wants(1) and not b.wants(2):
        return y
    x = _stashed(b, x, stash_type)
    mean = b(R.mean, x, axis=axes, keepdims=True)
    centred = b(R.subtract, x, mean)
    var = b(R.mean, b(R.multiply, centred, centred), axis=axes, keepdims=True)
    return y, mean, b(R.rsqrt, b(R.add, var, epsilon))


def rms_norm(
    b: Builder,
    x: Value,
    scale: Value,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Value:
    axes = list(range(axis_of(axis, rank(x)), rank(x)))
    wide = _stashed(b, x, stash_type)
    squares = b(R.mean, b(R.multiply, wide, wide), axis=axes, keepdims=True)
    y = b(R.multiply, wide, b(R.rsqrt, b(R.add, squares, epsilon)))
    return b(R.multiply, b.cast(y, dtype(x)), scale)


def lp_norm(b: Builder, x: Value, *, axis: int = -1, p: int = 2) -> Value:
    axis = axis_of(axis, rank(x))
    if p == 1:
        total = b(R.sum, b(R.abs, x), axis=axis, keepdims=True)
    else:
        total = b(R.sqrt, b(R.sum, b(R.multiply, x, x), axis=axis, keepdims=True))
    smallest = float(np.finfo(dtype(x)).tiny)  # a vector of zeros stays one
    return b(R.divide, x, b(R.maximum, total, smallest))


OPS: Table = {
    "BatchNormalization": batch_norm,
    "GroupNormalization": group_norm,
    "InstanceNormalization": instance_norm,
    "LayerNormalization": layer_norm,
    "LpNormalization": lp_norm,
    "RMSNormalization": rms_norm,
}
