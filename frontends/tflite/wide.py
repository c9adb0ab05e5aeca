"""Graphs of 16-bit activations as the standard has them: it quantises to int16 since opset 21, and
dequantises no int64, which their biases are of. For a script of confined.py.

TFLite's convolutions sum in int64 there, and have but 15 bits for the factor that makes a sum a
number of the result's steps. Weights and biases are scaled here so that this is their factor.

Source: MultiplyByQuantizedMultiplier(int64_t, ...) in TensorFlow Lite's kernels; QuantizeLinear and
DequantizeLinear of ONNX, opset 21.
"""

from __future__ import annotations

from typing import Any

OPSET, IR = 21, 10
BITS = 15
# What dequantises an image and the weights of a convolution, and what quantises its result.
Convolution = tuple[Any, Any, Any]


def standard(proto: Any) -> Any:
    """The same model, with opset 21 and biases in floats if any tensor is quantised to int16."""
    from onnx import TensorProto, version_converter

    stored = {tensor.name: tensor for tensor in proto.graph.initializer}
    quantising = (n for n in proto.graph.node if n.op_type == "QuantizeLinear")
    zeros = [stored[n.input[2]] for n in quantising if len(n.input) > 2 and n.input[2] in stored]
    if all(zero.data_type != TensorProto.INT16 for zero in zeros):
        return proto
    _biases(proto.graph, stored)
    made = version_converter.convert_version(proto, OPSET)
    made.ir_version = IR
    return made


def _biases(graph: Any, stored: dict[str, Any]) -> None:
    """Floats in the place of every dequantised int64."""
    import numpy as np
    from onnx import TensorProto, numpy_helper

    def array(name: str) -> Any:
        return numpy_helper.to_array(stored[name]).astype("float64")

    def add(name: str, values: Any) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(values, "float32"), name))
        return name

    convolutions = _convolutions(graph)
    for node in list(graph.node):
        tensor = stored.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if tensor is None or tensor.data_type != TensorProto.INT64:
            continue
        [name], scale = node.output, array(node.input[1])
        if name in convolutions:
            given, weights, made = convolutions[name]
            own, step = array(given.input[1]), array(made.input[1])
            scale = factor(own * array(weights.input[1]) / step) * step
            weights.input[1] = add(f"{name}/scale", scale / own)
        add(name, array(node.input[0]) * scale)
        graph.node.remove(node)


def factor(ratio: Any) -> Any:
    """The number of so many bits that TFLite has for the ratio, which it rounds to 31 first."""
    import numpy as np

    mantissa, exponent = np.frexp(ratio)
    whole = np.floor(mantissa * 2.0**31 + 0.5)
    short = np.minimum(np.floor(whole / 2**16 + 0.5), 2**BITS - 1)
    return np.ldexp(short, exponent - BITS)


def _convolutions(graph: Any) -> dict[str, Convolution]:
    """By the name of their bias, where nothing else reads what belongs to one."""
    makers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found = {}
    for node in graph.node:
        if node.op_type != "Conv" or len(node.input) < 3:
            continue
        given, weights, made = *(makers.get(name) for name in node.input[:2]), node
        while given is not None and given.op_type in ("Transpose", "Pad"):
            given = makers.get(given.input[0])
        while made is not None and made.op_type in ("Conv", "Clip", "Relu", "Transpose"):
            after = readers.get(made.output[0], [])
            made = after[0] if len(after) == 1 else None
        alone = all(len(readers[name]) == 1 for name in node.input[1:])
        kinds = tuple(one.op_type for one in (given, weights, made) if one is not None)
        if alone and kinds == ("DequantizeLinear", "DequantizeLinear", "QuantizeLinear"):
            found[node.input[2]] = given, weights, made
    return found
