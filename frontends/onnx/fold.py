"""Constant folding: a node whose inputs are all numpy arrays is computed, not emitted.

This is what turns exporters' shape arithmetic into plain numbers before Relax sees it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np
from onnx import helper
from onnx.defs import get_schema, onnx_opset_version
from onnx.onnx_pb import TensorProto, ValueInfoProto
from onnx.reference import ReferenceEvaluator

from frontends.onnx.builder import affordable
from frontends.onnx.graph import Array, Node

# Their constants decide the result's size; the others' results are no larger than their inputs.
ELEMENTS: dict[str, Callable[..., float]] = {
    "ConstantOfShape": lambda shape: _product(shape),
    "Expand": lambda x, shape: max(1, x.size) * _product(shape),
    "Tile": lambda x, repeats, *_: x.size * _product(repeats),
    "Range": lambda start, limit, delta: float(abs((limit - start) / (delta or 1)).item()),
    "OneHot": lambda indices, depth, values: indices.size * float(np.max(depth)),
    "Pad": lambda x, pads=(), *_: math.prod(
        float(d + max(0, a) + max(0, b))
        for d, a, b in zip(x.shape, pads[: x.ndim], pads[x.ndim :], strict=False)
    ),
    "MatMul": lambda a, b: float(a.size) * b.size,
}

# What the reference evaluator is asked for: sizes are made of it, and weights, and ONNX Runtime was
# found to give the same for all types and attributes. Of many other operators the evaluator is
# wrong about some attribute, type or version, or takes minutes: the compiler's own kernels compute
# these, and the importer itself moves arrays.
FOLDED = frozenset(
    "Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot "
    "BitwiseOr BitwiseXor BlackmanWindow CastLike Ceil Clip Compress Concat ConstantOfShape Cos "
    "Cosh CumSum DepthToSpace DequantizeLinear Div Einsum Equal Exp Expand EyeLike Flatten Floor "
    "Gather GatherND Greater GreaterOrEqual HammingWindow HannWindow Identity IsInf IsNaN Less "
    "LessOrEqual Log MatMul Max MelWeightMatrix Min Mod Mul Neg NonZero Not Or Pad Pow Range "
    "Reciprocal ReduceMax ReduceMin Relu Reshape Round ScatterElements ScatterND Sigmoid Sign Sin "
    "Sinh SpaceToDepth Split Sqrt Sub Sum Tan Tanh Tile TopK Transpose Trilu Where Xor".split()
)

# Only where this holds, of a node and its inputs.
CONDITIONS: dict[str, Callable[..., bool]] = {
    "Cast": lambda node, x: node.attributes["to"] != TensorProto.FLOAT8E8M0,
    "OneHot": lambda node, *inputs: all(v.dtype.kind in "iu" for v in inputs),
    "QuantizeLinear": lambda node, x, scale, *_: _is_moderate(x, scale),
    **dict.fromkeys(("Gemm", "ReduceL2", "ReduceMean"), lambda node, x, *_: _is_wide_float(x)),
    **dict.fromkeys(
        ("ReduceL1", "ReduceProd", "ReduceSum", "ReduceSumSquare"),
        lambda node, x, *_: x.dtype.kind in "iu" or _is_wide_float(x),
    ),
    "Unique": lambda node, x: node.attributes.get("sorted", 1) == 1,
}

# The first version that the reference evaluator has, where earlier ones mean the same.
EVALUATED = {"DequantizeLinear": 19}


def _product(values: Array | None) -> float:
    return math.prod(float(v) for v in np.ravel(values)) if values is not None else 1.0


def foldable(node: Node, inputs: Sequence[Any]) -> bool:
    """Whether every input is known now, and computing the node has no surprises."""
    known = bool(inputs) and all(v is None or isinstance(v, np.ndarray) for v in inputs)
    if not known or node.domain:
        return False
    condition = CONDITIONS.get(node.op)
    return node.op in FOLDED if condition is None else bool(_told(condition, node, *inputs))


def _told(function: Callable[..., Any], *given: Any) -> Any:
    """None where inputs or attributes are missing, or too many: converters say that better."""
    try:
        return function(*given)
    except (KeyError, TypeError):
        return None


def _is_wide_float(x: Array) -> bool:
    """Narrow ones, in which numpy adds up, stand still at some size; integers lose digits."""
    return x.dtype in (np.float32, np.float64)


def _is_moderate(x: Array, scale: Array) -> bool:
    """Whether all quotients are numbers of 32 bits, which the evaluator rounds to at first."""
    largest = np.abs(x, dtype=np.float64).max(initial=0)
    return x.dtype == np.float32 and bool(largest < 2.0**30 * np.abs(scale).min(initial=np.inf))


def fold(
    node: Node, inputs: Sequence[Array | None], opsets: Mapping[str, int]
) -> tuple[Array, ...] | None:
    """The node's outputs; None where the reference evaluator cannot compute them."""
    present = [v for v in inputs if v is not None]
    if elements := _told(ELEMENTS.get(node.op, lambda *_: 0), *inputs):
        affordable(elements, max((v.itemsize for v in present), default=8))
    if node.op == "ConstantOfShape":  # the one that 'light' models fill all their weights with
        value = node.attributes.get("value", np.zeros(1, np.float32)).reshape(-1)[0]
        return (np.broadcast_to(value, [int(d) for d in present[0]]),)
    try:
        feeds = {n: v for n, v in zip(node.inputs, inputs, strict=True) if n}
        outputs = [ValueInfoProto(name=n) for n in node.outputs if n]
        alone = helper.make_graph(
            [node.proto], "fold", [ValueInfoProto(name=n) for n in feeds], outputs
        )
        versions = {"": onnx_opset_version(), **opsets}
        versions[""] = max(versions[""], EVALUATED.get(node.op, 1))
        results = ReferenceEvaluator(alone, opsets=versions).run(None, feeds)
        if any(isinstance(v, (list, dict)) for v in results):
            return None  # sequences and maps are no tensors
        following = iter(results)
        made = [np.asarray(next(following) if n else 0) for n in node.outputs]
        return _typed(node, inputs, made, versions[node.domain])
    except Exception:  # any failure means the same: emit the node instead
        return None


def _typed(
    node: Node, inputs: Sequence[Array | None], outputs: Sequence[Array], version: int
) -> tuple[Array, ...]:
    """In the types of the operator's schema: numpy sums int32 as int64."""
    schema = get_schema(node.op, version, node.domain)
    types = {
        formal.type_str: given.dtype
        for formal, given in zip(schema.inputs, inputs, strict=False)
        if given is not None
    }
    formals = chain(schema.outputs, repeat(schema.outputs[-1]))  # the last may stand for several
    return tuple(
        array.astype(types.get(formal.type_str, array.dtype), copy=False)
        for formal, array in zip(formals, outputs, strict=False)
    )
