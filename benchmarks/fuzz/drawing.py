"""A random graph that grows node by node. Each node is computed as soon as it is added, so that its
shapes are known, and what has no clear answer is declined: numbers that are not finite or too
large, and results that would be others if the operands were off by a rounding.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

Array = np.ndarray
Shape = tuple[int, ...]

ELEMENTS = 4096  # of a tensor
LARGEST = {"float16": 64.0}  # of an absolute value, by type
LARGE = 1000.0
INTEGER = 2**20
# What operands are shaken by, as a share of them, and what a result may be off by for it.
ROUNDING = {"float16": 5e-4, "float32": 1e-6, "float64": 1e-12}
UNSTABLE = {"float16": 5e-2, "float32": 1e-4, "float64": 1e-9}
# The bound of a result: a share of its scale, and a multiple of what shaking does to it.
# Attributes are float32, whatever the type of the tensors.
SHARE = {"float16": 4e-3, "float32": 1e-5, "float64": 1e-6}
SHAKEN = 20.0
# Zeros of other operators may be a rounding away from zero.
EXACT = frozenset("Relu Pad Abs Where Mul Identity Transpose Reshape Slice Concat Clip Max".split())
FLOATS = ("float16", "float32", "float64")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "int64", "uint32", "uint64")


class Declined(Exception):
    """This node does not fit the graph so far."""


@dataclass(frozen=True)
class Value:
    """shaken: the array with other roundings before it. constant: an initialiser."""

    name: str
    array: Array = field(compare=False)
    shaken: Array = field(compare=False)
    constant: bool = False

    @property
    def shape(self) -> Shape:
        return self.array.shape

    @property
    def rank(self) -> int:
        return self.array.ndim

    @property
    def dtype(self) -> str:
        return self.array.dtype.name


@dataclass(frozen=True)
class Graph:
    """A model and what it gives. known: every value of it, inputs and results; bounds: how far from
    them an answer may be, 0 for none at all.
    """

    seed: int
    opset: int
    nodes: tuple[onnx.NodeProto, ...]
    constants: Mapping[str, Array]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    known: Mapping[str, Array]
    bounds: Mapping[str, float]

    @property
    def feed(self) -> Mapping[str, Array]:
        return {n: self.known[n] for n in self.inputs}


class Drawing:
    """prefix: of every name, so that graphs can share a model."""

    def __init__(self, seed: int, opset: int, prefix: str) -> None:
        self.chance = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.seed, self.opset, self.prefix = seed, opset, prefix
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[Value] = []  # inputs and what nodes made
        self.inputs: list[Value] = []
        self.constants: list[Value] = []
        self._count = 0

    def name(self, kind: str) -> str:
        self._count += 1
        return f"{self.prefix}{kind}{self._count}"

    def input(self, array: Array) -> Value:
        value = Value(self.name("in"), array, self._shake(array, exact=True))
        self.inputs.append(value)
        self.values.append(value)
        return value

    def constant(self, array: Array | Sequence[int] | float, dtype: str | None = None) -> Value:
        array = np.asarray(array, dtype)
        value = Value(self.name("const"), array, array, constant=True)
        self.constants.append(value)
        return value

    def random(self, shape: Sequence[int], dtype: str = "float32", scale: float = 1.0) -> Array:
        if dtype == "bool":
            return self.numbers.random(shape) < 0.5
        if dtype in FLOATS:
            return np.asarray(self.numbers.standard_normal(shape) * scale).astype(dtype)
        low = 0 if dtype.startswith("u") else -9
        return np.asarray(self.numbers.integers(low, 10, shape)).astype(dtype)

    def weight(self, shape: Sequence[int], dtype: str, fan_in: int) -> Value:
        return self.constant(self.random(shape, dtype, max(1, fan_in) ** -0.5))

    def pick(self, fits: Callable[[Value], bool] = lambda value: True) -> Value:
        """Some value, the later the likelier."""
        found = [v for v in self.values if fits(v)]
        if not found:
            raise Declined
        last = len(found) - 1
        return found[max(self.chance.randint(0, last), self.chance.randint(0, last))]

    def node(self, op: str, *operands: Value | None, **attributes: Any) -> Value:
        return self.several(op, 1, *operands, **attributes)[0]

    def several(
        self,
        op: str,
        outputs: int,
        *operands: Value | None,
        captured: Sequence[Value] = (),
        domain: str = "",
        **attributes: Any,
    ) -> list[Value]:
        """Adds a node. captured: what its graphs read from outside. Raises Declined."""
        names = [self.name("v") for _ in range(outputs)]
        given = [v.name if v else "" for v in operands]
        node = helper.make_node(op, given, names, self.name(op), domain=domain, **attributes)
        read = list(dict.fromkeys(v for v in (*operands, *captured) if v))
        run = computed(node, read, self.opset)
        arrays = run({v.name: v.array for v in read})
        shaken = run({v.name: v.shaken for v in read})
        made = [
            Value(name, array, self._settled(op, array, other))
            for name, array, other in zip(names, arrays, shaken, strict=True)
        ]
        self.nodes.append(node)
        self.values += made
        return made

    def _settled(self, op: str, array: Array, other: Array) -> Array:
        kind = array.dtype.name
        if array.size > ELEMENTS or array.shape != other.shape:
            raise Declined
        if kind not in FLOATS:
            large = array.dtype.kind in "iu" and np.abs(array.astype("float64")).max(initial=0)
            if large > INTEGER or not np.array_equal(array, other):
                raise Declined
            return other
        if not (np.isfinite(array).all() and np.isfinite(other).all()):
            raise Declined
        scale = float(np.abs(array).max(initial=0))
        off = float(np.abs(array.astype("float64") - other).max(initial=0))
        if scale > LARGEST.get(kind, LARGE) or off > UNSTABLE[kind] * scale:
            raise Declined
        return self._shake(other, op in EXACT)

    def _shake(self, array: Array, exact: bool) -> Array:
        if array.dtype.kind != "f" or not array.size:
            return array
        wide = array.astype("float64")
        step = ROUNDING[array.dtype.name] * (np.abs(wide) + np.abs(wide).max()) / 2
        moved = wide + step * self.numbers.uniform(-1, 1, array.shape)
        return np.asarray(np.where((wide == 0) & exact, 0, moved)).astype(array.dtype)

    def graph(self, outputs: Sequence[Value]) -> Graph:
        read = {name for node in self.nodes for name in reads(node)} | {v.name for v in outputs}
        constants = {v.name: v.array for v in self.constants if v.name in read}
        return Graph(
            self.seed,
            self.opset,
            tuple(self.nodes),
            constants,
            tuple(v.name for v in self.inputs),
            tuple(v.name for v in outputs),
            {v.name: v.array for v in self.values} | constants,
            {v.name: bound(v) for v in (*self.values, *self.constants)},
        )


def bound(value: Value) -> float:
    """0: exact."""
    if value.dtype not in FLOATS or not value.array.size:
        return 0.0
    wide = value.array.astype("float64")
    off = np.abs(wide - value.shaken).max()
    return float(SHARE[value.dtype] * (np.abs(wide).max() or 1.0) + SHAKEN * off)


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """The values that a node and its graphs take from outside, some of the latter's own too."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from reads(inner)
        yield from (o.name for o in attribute.g.output)


Run = Callable[[Mapping[str, Array]], list[Array]]


def computed(node: onnx.NodeProto, read: Sequence[Value], opset: int) -> Run:
    """ONNX Runtime's answers for a node alone, or the reference evaluator's where that has no
    kernel."""
    model = helper.make_model(
        helper.make_graph(
            [node],
            "node",
            [_info(v.name, v.array) for v in read if not v.constant],
            [onnx.ValueInfoProto(name=name) for name in node.output],
            [numpy_helper.from_array(v.array, v.name) for v in read if v.constant],
        ),
        opset_imports=opsets(opset),
        ir_version=10,
    )
    fed = [v.name for v in read if not v.constant]
    try:
        session = session_of(model)
    except Exception as error:  # it has no common class
        if "NOT_IMPLEMENTED" not in str(error):
            raise Declined from error
        return lambda arrays: _referred(model, {n: arrays[n] for n in fed})
    return lambda arrays: _ran(session, {n: arrays[n] for n in fed})


def _ran(session: Any, feed: Mapping[str, Array]) -> list[Array]:
    try:
        return [np.asarray(v) for v in session.run(None, dict(feed))]
    except Exception as error:
        raise Declined from error


def _referred(model: onnx.ModelProto, feed: Mapping[str, Array]) -> list[Array]:
    try:
        with np.errstate(all="ignore"):
            return [np.asarray(v) for v in ReferenceEvaluator(model).run(None, dict(feed))]
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


def _info(name: str, array: Array) -> onnx.ValueInfoProto:
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_value_info(name, kind, array.shape)


def model_of(graphs: Sequence[Graph]) -> onnx.ModelProto:
    """All of them, side by side."""
    inputs = [_info(n, a) for g in graphs for n, a in g.feed.items()]
    outputs = [_info(n, g.known[n]) for g in graphs for n in g.outputs]
    constants = [numpy_helper.from_array(a, n) for g in graphs for n, a in g.constants.items()]
    nodes = [node for g in graphs for node in g.nodes]
    return helper.make_model(
        helper.make_graph(nodes, "fuzz", inputs, outputs, constants),
        opset_imports=opsets(graphs[0].opset),
        ir_version=10,
    )
