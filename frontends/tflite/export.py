"""TFLite files as ONNX, and TFLite's own answers: a script of confined.py."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontends.tensorflow import conversion, declared, handlers
from frontends.tensorflow.declared import Chosen, Open, Refused
from frontends.tflite import contents as tflite
from frontends.tflite import floats, means, wide

__all__ = ["Refused", "answer", "export", "load", "values"]

WEIGHTS = (
    "The file's weights alone are quantised. TFLite quantises what they are multiplied with as it "
    "runs, and answers a little otherwise; the artifact computes in floats, as TFLite does where "
    "the weights are dequantised first."
)


@dataclass(frozen=True)
class Program:
    path: Path
    contents: tflite.Contents
    job: Mapping[str, Any]
    warnings: tuple[str, ...]


def load(model: Path, job: Mapping[str, Any]) -> Program:
    contents = tflite.read(model)
    tflite.check(contents)
    conversion.tensorflow()
    if not contents.half_quantised():
        return Program(model, contents, job, ())
    place = Path.cwd() / "floats.tflite"
    floats.write(model, contents, place)
    return Program(place, contents, job, (WEIGHTS,))


def export(program: Program, folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    """FOLDER/model.onnx, its tensors named as the file's."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    try:
        given = _chosen(program)
    except Open as error:
        return {"open": str(error)}
    _interpreter(program, given)  # raises what TFLite itself has against the shapes
    heard = conversion.Heard()
    logging.getLogger("tf2onnx").addHandler(heard)
    proto, _ = tf2onnx.convert.from_tflite(
        str(program.path), opset=conversion.OPSET, custom_op_handlers=handlers.handlers()
    )
    conversion.refuse_unknown(proto.graph, heard.lines)
    means.round_twice(proto.graph, program.contents.flat())
    proto = wide.standard(proto)
    conversion.rename(proto.graph, {c.input.names[0]: c.name for c in given})
    conversion.declare(proto.graph, given)
    onnx.save(proto, folder / "model.onnx")
    return {
        "names": [c.name for c in given],
        "shapes": [list(c.shape) for c in given],
        "version": tf.__version__,
        "warnings": program.warnings,
        "steps": steps(proto.graph, [t.name for t in program.contents.tensors]),
    }


def steps(graph: Any, tensors: Sequence[str]) -> dict[str, str]:
    """Of every quantised tensor of the graph the file's."""
    own = set(tensors)
    nodes = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    names = {node.output[0]: means.tensor(node) for node in nodes}
    return {made: name for made, name in names.items() if name in own}


def answer(program: Program, inputs: list[Any]) -> list[Any]:
    interpreter = _ran(program, inputs)
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


def values(program: Program, inputs: list[Any], names: list[str]) -> list[Any]:
    interpreter = _ran(program, inputs)
    places = {d["name"]: d["index"] for d in interpreter.get_tensor_details()}
    return [interpreter.get_tensor(places[name]) for name in names]


def _chosen(program: Program) -> list[Chosen]:
    return declared.chosen(program.contents.declared(), program.job)


def _interpreter(program: Program, given: Sequence[Chosen]) -> Any:
    import tensorflow as tf

    kinds = tf.lite.experimental.OpResolverType
    interpreter = tf.lite.Interpreter(
        str(program.path),
        experimental_op_resolver_type=kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    for one, detail in zip(given, interpreter.get_input_details(), strict=True):
        interpreter.resize_tensor_input(detail["index"], one.shape, strict=True)
    interpreter.allocate_tensors()
    return interpreter


def _ran(program: Program, inputs: Sequence[Any]) -> Any:
    interpreter = _interpreter(program, _chosen(program))
    for array, detail in zip(inputs, interpreter.get_input_details(), strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return interpreter
