"""Graphs of 16-bit activations as the standard has them: it quantises to int16 since opset 21, and
dequantises no int64, which their biases are of. For a script of confined.py.

TFLite's convolutions sum in int64 there, and have but 15 bits for the factor that makes a sum a
number of the result's steps. Weights and biases are scaled here so that this is their factor.

Source: MultiplyByQuantizedMultiplier(int64_t, ...) in TensorFlow Lite's kernels; QuantizeLinear and
DequantizeLinear of ONNX, opset 21.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OPSET, IR = 21, 10
BITS = 15
CONVOLUTIONS = ("Conv", "ConvTranspose")
MOVES = ("Pad", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


@dataclass(frozen=True)
class Convolution:
    """given, weights: what dequantises its operands; made: what quantises its result, and bias,
    which it may lack, what dequantises that.
    """

    given: Any
    weights: Any
    bias: Any
    made: Any


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

    def of(node: Any, place: int, kind: int) -> bool:
        tensor = stored.get(node.input[place]) if len(node.input) > place else None
        return tensor is not None and tensor.data_type == kind

    dequantising = [node for node in graph.node if node.op_type == "DequantizeLinear"]
    biases = {n.output[0]: n for n in dequantising if of(n, 0, TensorProto.INT64)}
    scales = {name: array(node.input[1]) for name, node in biases.items()}
    for one in _convolutions(graph, biases):
        steps = (node.input[1] in stored for node in (one.given, one.weights, one.made))
        if of(one.given, 2, TensorProto.INT16) and all(steps):
            own, step = array(one.given.input[1]), array(one.made.input[1])
            scale = factor(own * array(one.weights.input[1]) / step) * step
            one.weights.input[1] = add(f"{one.weights.output[0]}/scale", scale / own)
            if one.bias:
                scales[one.bias.output[0]] = scale
    for name, node in biases.items():
        add(name, array(node.input[0]) * scales[name])
        graph.node.remove(node)


def factor(ratio: Any) -> Any:
    """The number of so many bits that TFLite has for the ratio, which it rounds to 31 first."""
    import numpy as np

    mantissa, exponent = np.frexp(ratio)
    whole = np.floor(mantissa * 2.0**31 + 0.5)
    short = np.minimum(np.floor(whole / 2**16 + 0.5), 2**BITS - 1)
    short = np.where(whole == 2.0**31, 2**BITS, short)  # of a power of two it is the next exponent
    return np.ldexp(short, exponent - BITS)


def _convolutions(graph: Any, biases: Mapping[str, Any]) -> list[Convolution]:
    """Where nothing else reads what belongs to one."""
    makers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)

    def only(name: str) -> Any:
        found = readers.get(name, [])
        return found[0] if len(found) == 1 else None

    found = []
    for node in graph.node:
        if node.op_type not in CONVOLUTIONS:
            continue
        given, weights = (makers.get(name) for name in node.input[:2])
        while given is not None and given.op_type in MOVES:
            given = makers.get(given.input[0])
        made, added = only(node.output[0]), node.input[2:]
        while made is not None and made.op_type in ("Clip", "Relu", *MOVES):
            made = only(made.output[0])
        kinds = [one.op_type for one in (given, weights, made) if one is not None]
        whole = kinds == ["DequantizeLinear", "DequantizeLinear", "QuantizeLinear"]
        alone = all(only(name) for name in node.input[1:])
        if whole and alone and all(name in biases for name in added):
            found.append(Convolution(given, weights, biases[added[0]] if added else None, made))
    return found
