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
from onnx import helper, numpy_helper

from benchmarks.fuzz.oracle import Array, Declined, Run, computed, info, opsets

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
# Results of these jump; so do all integers that come of floats.
JUMPING = frozenset("Round Floor Ceil Sign Mod ThresholdedRelu".split())
JOLTS = 6  # that a result which jumps has to stand
# Zeros of other operators may be a rounding away from zero.
EXACT = frozenset("Relu Pad Abs Where Mul Identity Transpose Reshape Slice Concat Clip Max".split())
FLOATS = ("float16", "float32", "float64")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "int64", "uint32", "uint64")


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
        fixed = {v.name: v.array for v in read if v.constant}
        run = computed(node, {v.name: v.array for v in read}, fixed, self.opset)
        arrays = run({v.name: v.array for v in read})
        shaken = run({v.name: v.shaken for v in read})
        if op in JUMPING or any(array.dtype.kind != "f" for array in arrays):
            self._stands(run, read, arrays)
        made = [
            Value(name, array, self._settled(op, array, other))
            for name, array, other in zip(names, arrays, shaken, strict=True)
        ]
        self.nodes.append(node)
        self.values += made
        return made

    def _stands(self, run: Run, read: Sequence[Value], arrays: Sequence[Array]) -> None:
        """Declines what would be another number if operands were a little off, in any direction."""
        if not any(v.array.dtype.kind == "f" for v in read):
            return
        for turn in range(JOLTS):
            jolted = {v.name: self._jolted(v, turn) for v in read}
            for array, other in zip(arrays, run(jolted), strict=True):
                settle(array, other)

    def _jolted(self, value: Value, turn: int) -> Array:
        """All elements up, all down, or each in some direction; zeros that are exact stay."""
        array = value.array
        if value.constant or array.dtype.kind != "f" or not array.size:
            return array
        wide = array.astype("float64")
        off = np.abs(value.shaken.astype("float64") - wide)
        step = ROUNDING[value.dtype] * np.abs(wide).max() + 2 * off.max()
        some = self.numbers.choice([-1, 1], array.shape)
        sign = (1, -1)[turn] if turn < 2 else some
        return np.asarray(np.where((wide == 0) & (off == 0), 0, wide + sign * step), array.dtype)

    def _settled(self, op: str, array: Array, other: Array) -> Array:
        if array.size > ELEMENTS:
            raise Declined
        settle(array, other)
        return self._shake(other, op in EXACT) if array.dtype.kind == "f" else other

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


def settle(array: Array, other: Array) -> None:
    """Declines numbers that are not finite or too large, or others with other roundings."""
    kind = array.dtype.name
    if array.shape != other.shape:
        raise Declined
    if kind not in FLOATS:
        large = array.dtype.kind in "iu" and np.abs(array.astype("float64")).max(initial=0)
        if large > INTEGER or not np.array_equal(array, other):
            raise Declined
        return
    if not (np.isfinite(array).all() and np.isfinite(other).all()):
        raise Declined
    scale = float(np.abs(array).max(initial=0))
    off = float(np.abs(array.astype("float64") - other).max(initial=0))
    if scale > LARGEST.get(kind, LARGE) or off > UNSTABLE[kind] * scale:
        raise Declined


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


def model_of(graphs: Sequence[Graph]) -> onnx.ModelProto:
    """All of them, side by side."""
    inputs = [info(n, a) for g in graphs for n, a in g.feed.items()]
    outputs = [info(n, g.known[n]) for g in graphs for n in g.outputs]
    constants = [numpy_helper.from_array(a, n) for g in graphs for n, a in g.constants.items()]
    nodes = [node for g in graphs for node in g.nodes]
    return helper.make_model(
        helper.make_graph(nodes, "fuzz", inputs, outputs, constants),
        opset_imports=opsets(graphs[0].opset),
        ir_version=10,
    )
