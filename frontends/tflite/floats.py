"""A TFLite file whose weights alone are quantised, as one that says so: with a DEQUANTIZE before
every operator that reads them.

TFLite quantises the other inputs of such an operator as it runs, anew for every image, and so
answers otherwise than with the weights as the floats that they stand for. An artifact computes with
those; so does TFLite with this file. For a script of confined.py.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from frontends.tflite.contents import Contents

IDENTIFIER = b"TFL3"


def write(model: Path, contents: Contents, place: Path) -> None:
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    tree = schema.ModelT.InitFromPackedBuf(model.read_bytes(), 0)
    graph = tree.subgraphs[0]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 6
    tree.operatorCodes.append(code)
    made: dict[int, int] = {}
    first = []
    for operator, n in contents.half_quantised():
        reads = [int(i) for i in graph.operators[operator].inputs]
        place_of = contents.operators[operator].inputs[n]
        if place_of not in made:
            made[place_of] = len(graph.tensors)
            graph.tensors.append(_float(graph.tensors[place_of], schema))
            step = schema.OperatorT()
            step.opcodeIndex = len(tree.operatorCodes) - 1
            step.inputs, step.outputs = [place_of], [made[place_of]]
            first.append(step)
        reads[n] = made[place_of]
        graph.operators[operator].inputs = reads
        _plain(graph.operators[operator])
    graph.operators = [*first, *graph.operators]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(tree.Pack(builder), IDENTIFIER)
    place.write_bytes(bytes(builder.Output()))


def _float(tensor: Any, schema: Any) -> Any:
    made = copy.copy(tensor)
    made.name = tensor.name + b"/float"
    made.type = schema.TensorType.FLOAT32
    made.buffer = 0
    made.quantization = None
    return made


def _plain(operator: Any) -> None:
    """It quantises no inputs of its own."""
    options = operator.builtinOptions
    if hasattr(options, "asymmetricQuantizeInputs"):
        options.asymmetricQuantizeInputs = False
