"""Activations, decomposed into arithmetic where Relax has no op of the same meaning."""

import math

import numpy as np

from frontends.onnx.builder import Builder, R, Table, Value, axis_of, dtype, rank, shape, size


def relu(b: Builder, x: Value, *, consumed_inputs: tuple[int, ...] = ()) -> Value:
    return b(R.nn.relu, x)


def leaky_relu(
    b: Builder, x: Value, *, alpha: float = 0.01, consumed_inputs: tuple[int, ...] = ()
) -> Value:
    return b(R.nn.leakyrelu, x, alpha=alpha)


def sigmoid(b: Builder, x: Value, *, consumed_inputs: tuple[int, ...] = ()) -> Value:
    return b(R.sigmoid, x)


def hard_sigmoid(
    b: Builder,
    x: Value,
    *,
    alpha: float = 0.2,
    beta: float = 0.5,
    consumed_inputs: tuple[int, ...] = (),
) -> Value:
    return b.clip(b(R.add, b(R.multiply, x, alpha), beta), 0.0, 1.0)


def hard_swish(b: Builder, x: Value) -> Value:
    return b(R.multiply, x, hard_sigmoid(b, x, alpha=1 / 6))


def elu(
    b: Builder, x: Value, *, alpha: float = 1.0, consumed_inputs: tuple[int, ...] = ()
) -> Value:
    """exp only sees what it is for, so that a large x cannot overflow beside the branch."""
    below = b(R.multiply, b(R.subtract, b(R.exp, b(R.minimum, x, 0.0)), 1.0), alpha)
    return b(R.where, b(R.greater, x, 0.0), x, below)


def selu(
    b: Builder,
    x: Value,
    *,
    alpha: float = 1.67326319217681884765625,
    gamma: float = 1.05070102214813232421875,
    consumed_inputs: tuple[int, ...] = (),
) -> Value:
    return b(R.multiply, elu(b, x, alpha=alpha), gamma)


def celu(b: Builder, x: Value, *, alpha: float = 1.0) -> Value:
    below = b(R.exp, b(R.multiply, b(R.minimum, x, 0.0), 1 / alpha))
    bent = b(R.multiply, b(R.subtract, below, 1.0), alpha)
    return b(R.add, b(R.maximum, x, 0.0), bent)


def softplus(b: Builder, x: Value) -> Value:
    """max(x, 0) + log(1 + exp(-|x|)), which no x overflows. What the sum loses of a small power is
    added again: log(s + lost) = log s + lost / s but for lost^2.
    """
    power = b(R.exp, b(R.negative, b(R.abs, x)))
    total = b(R.add, power, 1.0)
    lost = b(R.subtract, power, b(R.subtract, total, 1.0))
    tail = b(R.add, b(R.log, total), b(R.divide, lost, total))
    return b(R.add, b(R.maximum, x, 0.0), tail)


def softsign(b: Builder, x: Value) -> Value:
    return b(R.divide, x, b(R.add, b(R.abs, x), 1.0))


def mish(b: Builder, x: Value) -> Value:
    return b(R.multiply, x, b(R.tanh, softplus(b, x)))


def swish(b: Builder, x: Value, *, alpha: float = 1.0) -> Value:
    if alpha == 1.0:
        return b(R.nn.silu, x)
    return b(R.multiply, x, b(R.sigmoid, b(R.multiply, x, alpha)))


def gelu(b: Builder, x: Value, *, approximate: str = "none") -> Value:
    if approximate == "none":
        return b(R.nn.gelu, x)
    cubic = b(R.multiply, b(R.multiply, b(R.multiply, x, x), x), 0.044715)
    inner = b(R.multiply, b(R.add, x, cubic), math.sqrt(2 / math.pi))
    return b(R.multiply, b(R.multiply, x, 0.5), b(R.add, b(R.tanh, inner), 1.0))


def thresholded_relu(b: Builder, x: Value, *, alpha: float = 1.0) -> Value:
    return b(R.where, b(R.greater, x, alpha), x, 0.0)


def prelu(b: Builder, x: Value, slope: Value) -> Value:
    """The slope broadcasts to x from the right."""
    return b(R.where, b(R.less, x, 0), b(R.multiply, x, slope), x)


def prelu_channels(
    b: Builder, x: Value, slope: Value, *, consumed_inputs: tuple[int, ...] = ()
) -> Value:
    """One slope a channel, or one for all."""
    return prelu(b, x, b.reshape(slope, (size(slope),) + (1,) * (rank(x) - 2)))


def _flat(b: Builder, x: Value, axis: int) -> Value:
    """[prod(dims before axis), prod(the rest)]: what softmax meant before opset 13."""
    dims = shape(x)
    start = axis_of(axis, rank(x))
    return b.reshape(x, (math.prod(dims[:start]), math.prod(dims[start:])))


def softmax(b: Builder, x: Value, *, axis: int = -1) -> Value:
    return b(R.nn.softmax, x, axis=axis_of(axis, rank(x)))


def softmax_flat(b: Builder, x: Value, *, axis: int = 1) -> Value:
    return b.reshape(b(R.nn.softmax, _flat(b, x, axis), axis=1), shape(x))


def log_softmax(b: Builder, x: Value, *, axis: int = -1) -> Value:
    return b(R.nn.log_softmax, x, axis=axis_of(axis, rank(x)))


def log_softmax_flat(b: Builder, x: Value, *, axis: int = 1) -> Value:
    return b.reshape(b(R.nn.log_softmax, _flat(b, x, axis), axis=1), shape(x))


def hardmax(b: Builder, x: Value, *, axis: int = -1) -> Value:
    """One at the first maximum."""
    axis = axis_of(axis, rank(x))
    best = b(R.argmax, x, axis=axis, keepdims=True)
    places = np.arange(shape(x)[axis]).reshape([-1] + [1] * (rank(x) - axis - 1))
    return b.cast(b(R.equal, best, places), dtype(x))


def hardmax_flat(b: Builder, x: Value, *, axis: int = 1) -> Value:
    return b.reshape(hardmax(b, _flat(b, x, axis), axis=1), shape(x))


OPS: Table = {
    "Celu": celu,
    "Elu": elu,
    "Gelu": gelu,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "Hardmax": {1: hardmax_flat, 13: hardmax},
    "LeakyRelu": leaky_relu,
    "LogSoftmax": {1: log_softmax_flat, 13: log_softmax},
    "Mish": mish,
    "PRelu": {1: prelu_channels, 7: prelu},
    "Relu": relu,
    "Selu": selu,
    "Sigmoid": sigmoid,
    "Softmax": {1: softmax_flat, 13: softmax},
    "Softplus": softplus,
    "Softsign": softsign,
    "Swish": swish,
    "ThresholdedRelu": thresholded_relu,
}
