"""Sections and weights as an ONNX model."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from frontends.darknet import known
from frontends.darknet.cfg import Section
from frontends.darknet.graph import Graph, Value
from frontends.darknet.weights import Weights
from frontends.model import ModelError

INPUT = "data"


def input_dims(net: Section) -> tuple[int, ...]:
    """Channels, height and width; or how many numbers."""
    dims = tuple(net.integer(key, 0, 0) for key in ("channels", "height", "width"))
    if all(dims):
        return dims
    if count := net.integer("inputs", 0, 0):
        return (count,)
    raise ModelError(f"line {net.line}: [net] has neither width, height and channels nor inputs.")


def check(sections: list[Section]) -> list[str]:
    """Warnings. Raises ModelError with all that does not compile, at once."""
    net, *layers = sections
    if found := known.problems(layers):
        raise ModelError("These do not compile:\n" + "\n".join(found))
    warnings = known.unknown(net, known.NET)
    for section in layers:
        row = known.LAYERS[known.kind(section)]
        warnings += known.unknown(section, f"{row.keys} {row.refused}")
    return warnings


def model(sections: list[Section], weights: Weights, shape: tuple[int, ...]) -> onnx.ModelProto:
    """For an input of this shape. The outputs are what every yolo, region, detection and softmax
    layer gives, and the last layer if it is none of these, each named by its layer.
    """
    graph = Graph(weights, shape[0])
    x = graph.value(INPUT, *shape[1:])
    outputs: dict[str, Value] = {}
    last = ""
    for number, section in enumerate(sections[1:]):
        kind = known.kind(section)
        try:
            x = known.LAYERS[kind].layer(graph, section, x)
        except ModelError as cause:
            raise ModelError(f"Layer {number} ([{kind}], line {section.line}): {cause}") from cause
        graph.layers.append(x)
        last = last if kind == "cost" else f"{kind}_{number}"
        if known.LAYERS[kind].output:
            outputs[last] = x
    weights.check_end()
    if not last:
        raise ModelError("There is no layer but [cost].")
    if not outputs or x is not list(outputs.values())[-1]:
        outputs[last] = x
    for name, value in outputs.items():
        graph.nodes.append(helper.make_node("Identity", [value.name], [name]))
    made = helper.make_graph(
        graph.nodes,
        "darknet",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, (shape[0], *v.dims))
            for n, v in outputs.items()
        ],
        graph.initializers,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
