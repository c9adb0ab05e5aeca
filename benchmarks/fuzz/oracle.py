"""What a node gives, by ONNX Runtime, or by the reference evaluator where that has no kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

Array = np.ndarray
Run = Callable[[Mapping[str, Array]], list[Array]]

# What the reference evaluator gets wrong, at times: rounded up shapes, channels, groups, old
# versions.
UNTRUSTED = frozenset(
    "AveragePool BatchNormalization ConvTranspose GlobalMaxPool LRN LpPool MaxPool".split()
)


class Declined(Exception):
    """This node does not fit the graph so far."""


def computed(
    node: onnx.NodeProto, known: Mapping[str, Array], constants: Mapping[str, Array], opset: int
) -> Run:
    """Answers for a node alone. known: values of the names that it reads, for their types; those
    among `constants` are initialisers. Raises Declined, and so do the answers."""
    fed = [name for name in known if name not in constants]
    model = helper.make_model(
        helper.make_graph(
            [node],
            "node",
            [info(name, known[name]) for name in fed],
            [onnx.ValueInfoProto(name=name) for name in node.output],
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        ),
        opset_imports=opsets(opset),
        ir_version=10,
    )
    try:
        session = session_of(model)
    except Exception as error:  # it has no common class
        if "NOT_IMPLEMENTED" not in str(error) or node.op_type in UNTRUSTED:
            raise Declined from error
        return lambda arrays: _ran(ReferenceEvaluator(model), {n: arrays[n] for n in fed})
    return lambda arrays: _ran(session, {n: arrays[n] for n in fed})


def _ran(session: Any, feed: dict[str, Array]) -> list[Array]:
    try:
        with np.errstate(all="ignore"):
            return [np.asarray(v) for v in session.run(None, feed)]
    except Exception as error:
        raise Declined from error


def session_of(model: onnx.ModelProto) -> Any:
    """ONNX Runtime without its optimisations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    data = model.SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def opsets(opset: int) -> list[onnx.OperatorSetIdProto]:
    return [helper.make_opsetid("", opset)]


def info(name: str, array: Array) -> onnx.ValueInfoProto:
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_value_info(name, kind, array.shape)
