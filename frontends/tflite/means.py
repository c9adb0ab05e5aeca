"""Means of quantised tensors as TFLite computes them: rounded twice.

TFLite multiplies the sum of n differences from the zero point by input scale / output scale / n as
a fixed-point number, and rounds the product to a few binary places before it rounds to a whole
number, both times half away from zero. Of few elements there are few places, 1 or 2, and so one
value in four or eight is a step above what rounding once gives. A mean over height and width that
keeps them, of 8 bits, sums the values as they are, rounds a half upwards, and takes off what the
zero point comes to, which is rounded by itself. For a script of confined.py.

Source: QuantizedMeanOrSum, optimized_integer_ops::Mean and MultiplyByQuantizedMultiplier in
TensorFlow Lite's kernels.
"""

from __future__ import annotations

import math
from collections.abc import Container
from typing import Any, NamedTuple

TIE = 1 + 2**-16  # moves a half away from zero, and no other number of so few places to one
# What becomes of a sum of differences: operators, and the number that each reads beside it.
STEPS = (
    ("Add", "more"), ("Mul", "ratio"), ("Round", ""), ("Mul", "coarser"), ("Add", "up"),
    ("Round", ""), ("Sub", "bias"), ("Mul", "made"),
)  # fmt: skip


class Mean(NamedTuple):
    """given, made: scales of what is read, and of what the mean becomes. zero: the former's zero
    point. elements: in a sum.
    """

    given: float
    made: float
    zero: int
    elements: int

    def places(self, flat: bool) -> int:
        """How many binary places the product has."""
        ratio = self.given / self.made
        if flat:
            return max(0, -math.frexp(ratio / self.elements)[1])
        return max(0, self.elements.bit_length() - 1 - math.frexp(ratio)[1])

    def numbers(self, flat: bool) -> dict[str, float]:
        """For STEPS, by their names."""
        ratio, finer = self.given / self.made, 2 ** self.places(flat)
        own: dict[str, float] = {"more": 0, "coarser": TIE / finer, "up": 0, "bias": 0}
        if flat:
            bias = math.copysign(math.floor(abs(self.zero * ratio) + 0.5), self.zero)
            own = {"more": self.zero * self.elements, "coarser": 1 / finer, "up": 0.25 / finer}
            own["bias"] = bias
        return own | {"ratio": ratio / self.elements * finer, "made": self.made}


def round_twice(graph: Any, flat: Container[str]) -> None:
    """Every ReduceMean between DequantizeLinear and QuantizeLinear, in exact sums of integers.
    flat: tensors of the file that are means over height and width and keep them.
    """
    import onnx
    from onnx import numpy_helper, shape_inference

    inferred = shape_inference.infer_shapes(onnx.helper.make_model(graph)).graph
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.input)
    }
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    readers = {node.input[0]: node for node in graph.node if node.op_type == "QuantizeLinear"}
    nodes: list[Any] = []
    for node in graph.node:
        source: Any = makers.get(node.input[0] if node.input else "")
        reader: Any = None
        if node.op_type == "ReduceMean" and source and source.op_type == "DequantizeLinear":
            reader = readers.get(node.output[0])
        if reader is None or len(node.input) < 2:
            nodes.append(node)
            continue
        given, made = (float(stored[n.input[1]]) for n in (source, reader))
        zero = int(stored[source.input[2]]) if len(source.input) > 2 else 0
        count = math.prod(shapes[node.input[0]][a] for a in stored[node.input[1]])
        mean = Mean(given, made, zero, count)
        nodes += _sum(graph, node, source, mean, tensor(reader) in flat)
    del graph.node[:]
    graph.node.extend(nodes)


def tensor(quantize: Any) -> str:
    """The file's name of what a QuantizeLinear makes. The optimiser of tf2onnx names tensors anew,
    but not the nodes that make them.
    """
    return str(quantize.name.removesuffix("_quantize"))


def _sum(graph: Any, node: Any, source: Any, mean: Mean, flat: bool) -> list[Any]:
    """In the node's place."""
    import numpy as np
    from onnx import helper, numpy_helper

    name = node.output[0]
    numbers = {"one": 1.0, **mean.numbers(flat)}
    graph.initializer.extend(
        numpy_helper.from_array(np.array(value, "float32"), f"{name}/{key}")
        for key, value in numbers.items()
    )
    whole, last = f"{name}/whole", f"{name}/sum"
    one = [source.input[0], f"{name}/one", *source.input[2:]]
    nodes = [
        helper.make_node("DequantizeLinear", one, [whole]),
        helper.make_node("ReduceSum", [whole, node.input[1]], [last]),
    ]
    nodes[1].attribute.extend(a for a in node.attribute if a.name == "keepdims")
    for n, (kind, number) in enumerate(STEPS):
        read = [last, f"{name}/{number}"] if number else [last]
        last = f"{name}/{n}"
        nodes.append(helper.make_node(kind, read, [last]))
    nodes[-1].name, nodes[-1].output[0] = node.name, name
    return nodes
