"""ai.onnx.preview.training: one step of an optimizer, which is plain arithmetic on its inputs."""

from collections.abc import Callable

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import Builder, R, Table, Value, dtype


def _each(
    step: Callable[..., tuple[Value, ...]], tensors: tuple[Value, ...], kinds: int
) -> tuple[Value, ...]:
    """tensors: all weights, then all of the next kind. The results in the same order."""
    if not tensors or len(tensors) % kinds:
        raise ModelError(f"{len(tensors)} tensors are not {kinds} for each weight")
    count = len(tensors) // kinds
    made = [step(*tensors[n::count]) for n in range(count)]
    return tuple(value for kind in zip(*made, strict=True) for value in kind)


def _regularized(b: Builder, x: Value, gradient: Value, share: float) -> Value:
    return b(R.add, b(R.multiply, x, share), gradient) if share else gradient


def _scalar(b: Builder, value: Value, like: Value) -> Value:
    return b.cast(b.reshape(value, ()), dtype(like))


def _started(b: Builder, count: Value) -> Value:
    """Whether this is not the first step."""
    return b(R.greater, b.reshape(count, ()), 0)


def momentum(
    b: Builder,
    rate: Value,
    count: Value,
    *tensors: Value,
    alpha: float,
    beta: float,
    mode: str,
    norm_coefficient: float,
) -> tuple[Value, ...]:
    if mode not in ("standard", "nesterov"):
        raise ModelError(f"attribute mode is '{mode}'; known are standard, nesterov")

    def step(x: Value, gradient: Value, past: Value) -> tuple[Value, Value]:
        gradient = _regularized(b, x, gradient, norm_coefficient)
        first, later = np.ones((), dtype(x)), np.full((), beta, dtype(x))
        weight = b(R.where, _started(b, count), later, first)
        new = b(R.add, b(R.multiply, past, alpha), b(R.multiply, gradient, weight))
        way = new if mode == "standard" else b(R.add, b(R.multiply, new, alpha), gradient)
        return b(R.subtract, x, b(R.multiply, way, _scalar(b, rate, x))), new

    return _each(step, tensors, 3)


def adagrad(
    b: Builder,
    rate: Value,
    count: Value,
    *tensors: Value,
    decay_factor: float = 0.0,
    epsilon: float = 1e-6,
    norm_coefficient: float = 0.0,
) -> tuple[Value, ...]:
    def step(x: Value, gradient: Value, squares: Value) -> tuple[Value, Value]:
        gradient = _regularized(b, x, gradient, norm_coefficient)
        decay = b(R.add, b(R.multiply, _scalar(b, count, x), decay_factor), 1.0)
        new = b(R.add, squares, b(R.multiply, gradient, gradient))
        speed = b(R.divide, _scalar(b, rate, x), decay)
        way = b(R.divide, b(R.multiply, gradient, speed), b(R.add, b(R.sqrt, new), epsilon))
        return b(R.subtract, x, way), new

    return _each(step, tensors, 3)


def adam(
    b: Builder,
    rate: Value,
    count: Value,
    *tensors: Value,
    alpha: float = 0.9,
    beta: float = 0.999,
    epsilon: float = 1e-6,
    norm_coefficient: float = 0.0,
    norm_coefficient_post: float = 0.0,
) -> tuple[Value, ...]:
    def rest(base: float, x: Value) -> Value:
        """1 - base ** count"""
        power = b(R.power, np.full((), base, dtype(x)), _scalar(b, count, x))
        return b(R.subtract, 1.0, power)

    def averaged(old: Value, new: Value, share: float) -> Value:
        return b(R.add, b(R.multiply, old, share), b(R.multiply, new, 1 - share))

    def step(x: Value, gradient: Value, mean: Value, squares: Value) -> tuple[Value, ...]:
        gradient = _regularized(b, x, gradient, norm_coefficient)
        mean = averaged(mean, gradient, alpha)
        squares = averaged(squares, b(R.multiply, gradient, gradient), beta)
        plain = _scalar(b, rate, x)
        freed = b(R.divide, b(R.multiply, plain, b(R.sqrt, rest(beta, x))), rest(alpha, x))
        speed = b(R.where, _started(b, count), freed, plain)
        way = b(R.divide, mean, b(R.add, b(R.sqrt, squares), epsilon))
        y = b(R.subtract, x, b(R.multiply, way, speed))
        return b(R.multiply, y, 1 - norm_coefficient_post), mean, squares

    return _each(step, tensors, 4)


OPS: Table = {"Adagrad": adagrad, "Adam": adam, "Momentum": momentum}
