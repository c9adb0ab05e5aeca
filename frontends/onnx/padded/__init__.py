"""Values of a size that only the data decide: as large as they may become, with their lengths.

What stands behind a length is anything: finite or not, but never read for an element that is to be
seen. A rule says, for each operator that may take such a value, where the padding is in its
results, and fills it with something harmless where the operator would mix it in. An operator
without a rule is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import Builder, Value
from frontends.onnx.graph import Node
from frontends.onnx.padded import compute, lookups, shapes
from frontends.onnx.padded.value import Given, Operator, Rule, is_padded

POINTWISE = (
    "Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr "
    "BitwiseXor Cast CastLike Ceil Celu Clip Cos Cosh Div Elu Equal Erf Exp Floor Gelu Greater "
    "GreaterOrEqual HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Less LessOrEqual Log Max "
    "Mean Min Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh "
    "Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor"
)
KEPT = (
    "Optional OptionalGetElement OptionalHasElement SequenceAt SequenceConstruct SequenceErase "
    "SequenceInsert SequenceLength"
)
BATCHED = (
    "AveragePool BatchNormalization Conv ConvTranspose GlobalAveragePool GlobalMaxPool MaxPool"
)
# Which input of an operator is a size that it gives its result.
SIZES = {"ConstantOfShape": 0, "Expand": 1, "Range": 1, "Reshape": 1, "Slice": 2, "TopK": 1}
RULES: Mapping[str, Rule] = {
    **dict.fromkeys(POINTWISE.split(), compute.pointwise),
    **dict.fromkeys(KEPT.split(), compute.kept),
    **dict.fromkeys(BATCHED.split(), compute.batched(0)),
    **dict.fromkeys((n for n in compute.NEUTRAL if n.startswith("Reduce")), compute.reduction),
    **dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Unsqueeze"), shapes.reshape),
    **dict.fromkeys(("LogSoftmax", "Softmax"), compute.softmax),
    "ArgMax": compute.argument,
    "ArgMin": compute.argument,
    "Compress": compute.compress,
    "Concat": shapes.concat,
    "ConstantOfShape": shapes.constant_of_shape,
    "CumSum": compute.cumulative,
    "Expand": shapes.expand,
    "Gather": lookups.gather,
    "GatherElements": lookups.gather_elements,
    "GatherND": lookups.gather_nd,
    "Gemm": compute.gemm,
    "LayerNormalization": compute.normalization,
    "MatMul": compute.matmul,
    "NonMaxSuppression": compute.non_max_suppression,
    "NonZero": compute.non_zero,
    "OneHot": lookups.one_hot,
    "Range": shapes.range_node,
    "RoiAlign": compute.batched(1, 2),
    "ScatterElements": lookups.scatter,
    "ScatterND": lookups.scatter,
    "Shape": shapes.shape_node,
    "Size": shapes.size_node,
    "Slice": shapes.slice_node,
    "Split": shapes.split,
    "TopK": compute.top_k,
    "Transpose": shapes.transpose,
}


def concerns(b: Builder, node: Node, inputs: Sequence[Any]) -> bool:
    """Whether an input is padded, or a size that the node makes may be such a length."""
    if any(is_padded(b, v) for v in inputs):
        return True
    place = SIZES.get(node.op, len(inputs))
    return not node.domain and place < len(inputs) and _tells(b, inputs[place])


def _tells(b: Builder, value: Given) -> bool:
    return not isinstance(value, np.ndarray) and b.elements(value) is not None


def convert(operator: Operator, inputs: Sequence[Given]) -> Sequence[Value]:
    """Raises ModelError where no rule knows what becomes of the padding."""
    rule = RULES.get(operator.node.op) if not operator.node.domain else None
    if rule is None:
        names = [
            n for n, v in zip(operator.node.inputs, inputs, strict=True) if is_padded(operator.b, v)
        ]
        raise ModelError(
            f"its input '{names[0]}' has a size that only the data decide, which {operator.node.op}"
            " cannot take; end the model before it, and compute the rest outside"
        )
    return rule(operator, *inputs)
