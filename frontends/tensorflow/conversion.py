"""A program of TensorFlow as ONNX, by tf2onnx, for fixed shapes; for scripts of confined.py."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from frontends.tensorflow import handlers
from frontends.tensorflow.declared import Chosen, Input, Open, Refused, Wrong, chosen

OPSET = 18  # the newest that tf2onnx knows
Run = Callable[[Sequence[Chosen], Sequence[Any]], Sequence[Any]]
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


@dataclass
class Program:
    """What was loaded. run: the inputs that were chosen, and their tensors -> one tensor for each
    of the outputs. choose: declared.chosen, or like it. warnings: of what was left out.
    """

    inputs: Sequence[Input]
    outputs: Sequence[str]
    run: Run
    job: Mapping[str, Any]
    choose: Callable[[Sequence[Input], Mapping[str, Any]], list[Chosen]] = chosen
    warnings: list[str] = field(default_factory=list)

    def traced(self) -> tuple[list[Chosen], Any]:
        """The inputs, and a function of just their shapes."""
        import tensorflow as tf

        given = self.choose(self.inputs, self.job)
        specs = [
            tf.TensorSpec(c.shape, c.input.dtype, name=f"input_{n}") for n, c in enumerate(given)
        ]

        def whole(*tensors: Any) -> dict[str, Any]:
            made = self.run(given, tensors)
            return {_place(n): tf.identity(t) for n, t in enumerate(made)}

        return given, tf.function(whole, input_signature=specs, autograph=False)


def tensorflow() -> Any:
    """The module, without a word and without a GPU."""
    os.environ.update(QUIET)
    import tensorflow as tf

    return tf


def dtype(name: str, kind: Any) -> str:
    """As numpy calls it. Raises Refused for what is no number."""
    if kind.is_numpy_compatible and kind.name not in ("string", "resource", "variant"):
        return str(kind.name)
    raise Refused(f"input '{name}' has elements of type {kind.name}, which do not compile")


def export(program: Program, folder: Path) -> dict[str, Any]:
    """FOLDER/model.onnx, and what is said of it."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    try:
        given, function = program.traced()
    except Open as error:
        return {"open": str(error)}
    except Wrong as error:
        return {"wrong": str(error)}
    heard = Heard()
    logging.getLogger("tf2onnx").addHandler(heard)
    concrete = function.get_concrete_function()
    inline(concrete.graph)
    # Behind its own inputs are tensors that it captured, which are frozen as variables are.
    inputs = [tensor.name for tensor in concrete.inputs[: len(given)]]
    outputs = [tensor.name for tensor in concrete.outputs]
    proto, _ = tf2onnx.convert.from_graph_def(
        tf2onnx.tf_loader.from_function(concrete, inputs, outputs),
        input_names=inputs, output_names=outputs, opset=OPSET,
        custom_op_handlers=handlers.handlers(),
    )  # fmt: skip
    refuse_unknown(proto.graph, heard.lines)
    names = [*(c.name for c in given), *program.outputs]
    rename(proto.graph, dict(zip([*inputs, *outputs], names, strict=True)))
    declare(proto.graph, given)
    onnx.save(proto, folder / "model.onnx")
    return {
        "names": [c.name for c in given],
        "shapes": [list(c.shape) for c in given],
        "version": tf.__version__,
        "warnings": program.warnings,
    }


def inline(graph: Any) -> None:
    """Functions that XLA was to compile are written, when the graph is, like all others: freezing
    would not put what they do in the place of their calls.
    """
    written = graph.as_graph_def

    def plain(**options: Any) -> Any:
        proto = written(**options)
        functions = proto.library.function
        for one in (*proto.node, *functions, *(node for f in functions for node in f.node_def)):
            one.attr.pop("_XlaMustCompile", None)
        return proto

    graph.as_graph_def = plain


def answer(program: Program, inputs: list[Any]) -> list[Any]:
    import tensorflow as tf

    given = program.choose(program.inputs, program.job)
    return [made.numpy() for made in program.run(given, [tf.constant(a) for a in inputs])]


def _place(n: int) -> str:
    return f"output_{n:04d}"  # TensorFlow sorts names


class Heard(logging.Handler):
    """What tf2onnx complains of while it goes on."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage().strip().splitlines()[-1])


def refuse_unknown(graph: Any, heard: Sequence[str]) -> None:
    """Operators that were left as they are, all at once. heard: why, if anybody said."""
    import onnx

    left = {
        (node.op_type, node.name)
        for inner in graphs(graph)
        for node in inner.node
        if not onnx.defs.has(node.op_type, node.domain)
    }
    if left:
        kinds = ", ".join(f"'{kind}'" for kind in sorted({kind for kind, _ in left}))
        places = ", ".join(sorted(name for _, name in left)[:4])
        causes = [line for line in heard if not line.startswith(("Unsupported ops", "Tensorflow"))]
        why = f" {causes[0]}" if causes else ""
        raise Refused(
            f"The following operators are not implemented: {{{kinds}}} (nodes {places}).{why}"
        )


def graphs(graph: Any) -> list[Any]:
    """The graph and those in its nodes."""
    inner = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    return [graph, *(g for i in inner for g in graphs(i))]


def rename(graph: Any, names: Mapping[str, str]) -> None:
    """Tensors of the graph, everywhere. What goes by a new name already gets another."""
    taken = set(names.values())

    def renamed(name: str) -> str:
        return names.get(name, f"{name}/inner" if name in taken else name)

    for one in graphs(graph):
        for node in one.node:
            node.input[:] = [renamed(n) for n in node.input]
            node.output[:] = [renamed(n) for n in node.output]
        for value in (*one.input, *one.output, *one.value_info, *one.initializer):
            value.name = renamed(value.name)


def declare(graph: Any, given: Sequence[Chosen]) -> None:
    """All inputs in order: one that is not read is left out, and clients give it still."""
    import numpy as np
    import onnx

    del graph.input[:]
    for one in given:
        kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(one.input.dtype))
        graph.input.append(onnx.helper.make_tensor_value_info(one.name, kind, one.shape))
