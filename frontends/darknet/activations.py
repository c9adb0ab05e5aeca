"""Darknet's activations as ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable

from frontends.darknet.graph import Graph


def _loggy(g: Graph, x: str) -> str:
    """2 / (1 + exp(-x)) - 1"""
    return g.add("Tanh", g.scaled(x, 0.5))


def _ramp(g: Graph, x: str) -> str:
    return g.add("Add", g.add("Relu", x), g.scaled(x, 0.1))


def _swish(g: Graph, x: str) -> str:
    return g.add("Mul", x, g.add("Sigmoid", x))


def _gelu(g: Graph, x: str) -> str:
    cube = g.add("Mul", g.add("Mul", x, x), x)
    inner = g.add("Add", g.scaled(x, 0.797885), g.scaled(cube, 0.035677))
    half = g.scaled(x, 0.5)
    return g.add("Add", half, g.add("Mul", half, g.add("Tanh", inner)))


def _hard_mish(g: Graph, x: str) -> str:
    """x above 0; x * x / 2 + x down to -2; nothing below."""
    low = _clip(g, x, -2.0, 0.0)
    curve = g.add("Add", g.scaled(g.add("Mul", low, low), 0.5), low)
    return g.add("Add", curve, g.add("Relu", x))


def _lhtan(g: Graph, x: str) -> str:
    """Itself from 0 to 1, a slope of 0.001 outside."""
    inside = _clip(g, x, 0.0, 1.0)
    return g.add("Add", inside, g.scaled(g.add("Sub", x, inside), 0.001))


def _plse(g: Graph, x: str) -> str:
    """x / 8 + 1/2 from -4 to 4, a slope of 0.01 outside."""
    inside = _clip(g, x, -4.0, 4.0)
    line = g.add("Add", g.scaled(inside, 0.125), g.scalar(0.5))
    return g.add("Add", line, g.scaled(g.add("Sub", x, inside), 0.01))


def _stair(g: Graph, x: str) -> str:
    """floor(x / 2), and where floor(x) is odd what x has above it."""
    whole = g.add("Floor", x)
    odd = g.add("Sub", whole, g.scaled(g.add("Floor", g.scaled(whole, 0.5)), 2.0))
    above = g.add("Mul", g.add("Sub", x, whole), odd)
    return g.add("Add", g.add("Floor", g.scaled(x, 0.5)), above)


def _clip(g: Graph, x: str, low: float, high: float) -> str:
    return g.add("Clip", x, g.scalar(low), g.scalar(high))


ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "linear": lambda g, x: x,
    "logistic": lambda g, x: g.add("Sigmoid", x),
    "relu": lambda g, x: g.add("Relu", x),
    "relu6": lambda g, x: _clip(g, x, 0.0, 6.0),
    "leaky": lambda g, x: g.add("LeakyRelu", x, alpha=0.1),
    "relie": lambda g, x: g.add("LeakyRelu", x, alpha=0.01),
    "ramp": _ramp,
    "tanh": lambda g, x: g.add("Tanh", x),
    "loggy": _loggy,
    "elu": lambda g, x: g.add("Elu", x, alpha=1.0),
    "selu": lambda g, x: g.add("Selu", x, alpha=1.6732, gamma=1.0507),
    "gelu": _gelu,
    "swish": _swish,
    "mish": lambda g, x: g.add("Mish", x),
    "hard_mish": _hard_mish,
    "hardtan": lambda g, x: _clip(g, x, -1.0, 1.0),
    "lhtan": _lhtan,
    "plse": _plse,
    "stair": _stair,
}
