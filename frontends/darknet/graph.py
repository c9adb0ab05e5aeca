"""The ONNX graph while it grows, and what every layer gave."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from frontends.darknet.weights import MAX_BYTES, Weights
from frontends.model import Array, ModelError

MAX_ELEMENTS = 2**31 - 1  # kernels index with 32-bit integers


@dataclass(frozen=True)
class Value:
    """`dims` without the batch: channels, height and width, or just a count."""

    name: str
    dims: tuple[int, ...]

    @property
    def image(self) -> tuple[int, int, int]:
        if len(self.dims) != 3:
            raise ModelError("the layer before it gives no image.")
        channels, height, width = self.dims
        return channels, height, width

    @property
    def size(self) -> int:
        return math.prod(self.dims)


class Graph:
    """`layers` are the values so far: what a route or a shortcut may name."""

    def __init__(self, weights: Weights, batch: int) -> None:
        self.weights, self.batch = weights, batch
        self.layers: list[Value] = []
        self.loaded: dict[int, list[Array]] = {}
        """The weights of the convolutions, by layer, for those that share them."""
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.bytes = 0

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def split(self, x: str, sizes: list[int], axis: int) -> list[str]:
        names = [f"n{len(self.nodes)}_{k}" for k in range(len(sizes))]
        ends = self.constant(np.array(sizes, np.int64))
        self.nodes.append(helper.make_node("Split", [x, ends], names, axis=axis))
        return names

    def constant(self, array: Array) -> str:
        self.bytes += array.nbytes
        if self.bytes > MAX_BYTES:
            raise ModelError(f"the constants so far have more than {MAX_BYTES} bytes.")
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def scalar(self, number: float) -> str:
        return self.constant(np.array(number, np.float32))

    def scaled(self, x: str, by: float) -> str:
        return x if by == 1 else self.add("Mul", x, self.scalar(by))

    def reshaped(self, x: str, *dims: int) -> str:
        """The batch stays."""
        return self.add("Reshape", x, self.constant(np.array([0, *dims], np.int64)))

    def value(self, name: str, *dims: int) -> Value:
        if min(dims) < 1 or self.batch * math.prod(dims) > MAX_ELEMENTS:
            raise ModelError(f"it would give {' x '.join(map(str, dims))} numbers.")
        return Value(name, dims)

    def layer(self, number: int) -> Value:
        """An earlier layer, by its number or, below zero, from here."""
        place = number + len(self.layers) if number < 0 else number
        if not 0 <= place < len(self.layers):
            raise ModelError(f"it names the layer {number}, which does not come before it.")
        return self.layers[place]
