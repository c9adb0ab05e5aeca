"""Graphs rewritten so that they must give the same: moves there and back, work done twice, parts
joined again, inputs that are constants.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import helper

from benchmarks.fuzz.drawing import Graph
from benchmarks.fuzz.oracle import Array

TIMES = 3  # rewritten
ELEMENTWISE = frozenset(
    "Abs Relu Sigmoid Tanh Neg Exp Erf Sin Cos Floor Ceil Softplus LeakyRelu Elu HardSigmoid "
    "HardSwish Add Mul Sub Div Max Min Greater Less Where Clip And Or Not Cast Identity".split()
)
IMAGES = frozenset("Conv MaxPool AveragePool BatchNormalization GlobalAveragePool".split())


class Twin:
    """A graph that is being rewritten."""

    def __init__(self, graph: Graph) -> None:
        self.chance = random.Random(graph.seed)
        self.graph = graph
        self.nodes = list(graph.nodes)
        self.inputs, self.constants = list(graph.inputs), dict(graph.constants)
        self.known, self.bounds = dict(graph.known), dict(graph.bounds)
        self.prefix = next(iter(graph.known)).partition("_")[0]

    def name(self, array: Array, bound: float) -> str:
        name = f"{self.prefix}_twin{len(self.known)}"
        self.known[name], self.bounds[name] = array, bound
        return name

    def constant(self, numbers: object) -> str:
        array = np.asarray(numbers, "int64")
        name = self.name(array, 0.0)
        self.constants[name] = array
        return name

    def made(self, op: str, array: Array, like: str, *operands: str, **attributes: Any) -> Made:
        """A node that makes the array, with the bound of the value `like`."""
        name = self.name(array, self.bounds[like])
        return helper.make_node(op, list(operands), [name], name, **attributes), name

    def readers(self) -> Iterator[tuple[int, int]]:
        """Which node reads something with which of its inputs."""
        for at, node in enumerate(self.nodes):
            for position, name in enumerate(node.input):
                if name and name not in self.constants:
                    yield at, position

    def insert(self, at: int, position: int, nodes: list[onnx.NodeProto], name: str) -> None:
        """Nodes before a reader, which reads their result instead."""
        reader = onnx.NodeProto()
        reader.CopyFrom(self.nodes[at])
        reader.input[position] = name
        self.nodes[at : at + 1] = [*nodes, reader]

    def pick(self) -> tuple[int, int, str]:
        at, position = self.chance.choice(list(self.readers()))
        return at, position, self.nodes[at].input[position]

    def order(self, rank: int) -> list[int]:
        order = list(range(rank))
        if rank == 4 and self.chance.random() < 0.5:
            return [0, 2, 3, 1]
        self.chance.shuffle(order)
        return order

    def graphed(self) -> Graph:
        return replace(
            self.graph,
            nodes=tuple(self.nodes),
            inputs=tuple(self.inputs),
            constants=self.constants,
            known=self.known,
            bounds=self.bounds,
        )


Made = tuple[onnx.NodeProto, str]


def turn_and_back(t: Twin) -> None:
    at, position, name = t.pick()
    array = t.known[name]
    if array.ndim < 2:
        return
    order = t.order(array.ndim)
    there, turned = t.made("Transpose", array.transpose(order), name, name, perm=order)
    inverse = [int(n) for n in np.argsort(order)]
    back, last = t.made("Transpose", array, name, turned, perm=inverse)
    t.insert(at, position, [there, back], last)


def flat_and_back(t: Twin) -> None:
    at, position, name = t.pick()
    array = t.known[name]
    if array.size:
        there, flat = t.made("Reshape", array.reshape(-1), name, name, t.constant([-1]))
        back, last = t.made("Reshape", array, name, flat, t.constant(list(array.shape)))
        t.insert(at, position, [there, back], last)


def cut_and_join(t: Twin) -> None:
    at, position, name = t.pick()
    array = t.known[name]
    if not array.ndim or max(array.shape) < 2:
        return
    axis = t.chance.choice([n for n, d in enumerate(array.shape) if d > 1])
    cut = t.chance.randrange(1, array.shape[axis])
    sizes = [cut, array.shape[axis] - cut]
    names = [t.name(part, t.bounds[name]) for part in np.split(array, [cut], axis)]
    node = helper.make_node("Split", [name, t.constant(sizes)], names, names[0], axis=axis)
    joined, last = t.made("Concat", array, name, *names, axis=axis)
    t.insert(at, position, [node, joined], last)


def pad_and_cut(t: Twin) -> None:
    at, position, name = t.pick()
    array = t.known[name]
    if not array.ndim or not array.size or array.dtype.name not in ("float32", "int64", "int32"):
        return
    axis = t.chance.randrange(array.ndim)
    widths = [(1, 2) if n == axis else (0, 0) for n in range(array.ndim)]
    pads = t.constant([a for a, _ in widths] + [b for _, b in widths])
    padding, wide = t.made("Pad", np.pad(array, widths), name, name, pads)
    bounds = [t.constant([n]) for n in (1, array.shape[axis] + 1, axis)]
    cutting, last = t.made("Slice", array, name, wide, *bounds)
    t.insert(at, position, [padding, cutting], last)


def twice(t: Twin) -> None:
    """A node of its own for one of the readers."""
    at, position, name = t.pick()
    makers = [node for node in t.nodes if name in node.output and len(node.output) == 1]
    if makers and not any(a.g.node for a in makers[0].attribute):
        copy = onnx.NodeProto()
        copy.CopyFrom(makers[0])
        copy.output[0] = copy.name = last = t.name(t.known[name], t.bounds[name])
        t.insert(at, position, [copy], last)


def other_layout(t: Twin) -> None:
    """A node between transposes. Element-wise ones are computed in the other layout."""
    found = [n for n, node in enumerate(t.nodes) if _turns(t, node)]
    if not found:
        return
    at = t.chance.choice(found)
    node = onnx.NodeProto()
    node.CopyFrom(t.nodes[at])
    rank = t.known[node.output[0]].ndim
    order = t.order(rank)
    before = []
    for position, name in enumerate(node.input):
        if name and t.known[name].ndim:
            array = t.known[name]
            wide = array.reshape((1,) * (rank - array.ndim) + array.shape)
            if wide.shape != array.shape:
                shape = t.constant(list(wide.shape))
                made, name = t.made("Reshape", wide, name, name, shape)
                before.append(made)
            made, name = t.made("Transpose", wide.transpose(order), name, name, perm=order)
            before.append(made)
            node.input[position] = name
    result = node.output[0]
    node.output[0] = t.name(t.known[result].transpose(order), t.bounds[result])
    inverse = [int(n) for n in np.argsort(order)]
    back = helper.make_node("Transpose", [node.output[0]], [result], node.output[0], perm=inverse)
    t.nodes[at : at + 1] = [*before, node, back]


def _turns(t: Twin, node: onnx.NodeProto) -> bool:
    return node.op_type in ELEMENTWISE and t.known[node.output[0]].ndim > 1


def channels_last(t: Twin) -> None:
    """An operator on images between the transposes that exporters of the other layout write."""
    found = [
        n
        for n, node in enumerate(t.nodes)
        if node.op_type in IMAGES and len(node.output) == 1 and t.known[node.output[0]].ndim == 4
    ]
    if not found:
        return
    at = t.chance.choice(found)
    node = onnx.NodeProto()
    node.CopyFrom(t.nodes[at])
    x, y = node.input[0], node.output[0]
    last, first = [0, 2, 3, 1], [0, 3, 1, 2]
    there, turned = t.made("Transpose", t.known[x].transpose(last), x, x, perm=last)
    back, again = t.made("Transpose", t.known[x], x, turned, perm=first)
    node.input[0] = again
    node.output[0] = t.name(t.known[y], t.bounds[y])
    out, plain = t.made("Transpose", t.known[y].transpose(last), y, node.output[0], perm=last)
    home = helper.make_node("Transpose", [plain], [y], f"{plain}_back", perm=first)
    t.nodes[at : at + 1] = [there, back, node, out, home]


def known_before(t: Twin) -> None:
    """One input or all are constants, so that what is computed of them alone is, too."""
    if t.inputs:
        for name in t.inputs if t.chance.random() < 0.5 else [t.chance.choice(t.inputs)]:
            t.constants[name] = t.known[name]
        t.inputs = [name for name in t.inputs if name not in t.constants]


REWRITES: tuple[Callable[[Twin], None], ...] = (
    known_before,
    turn_and_back,
    flat_and_back,
    cut_and_join,
    pad_and_cut,
    twice,
    other_layout,
    channels_last,
)


def twin(graph: Graph) -> tuple[Graph, str]:
    """A rewritten graph, and by which rewrites; none if nothing could be."""
    t = Twin(graph)
    done = []
    for rewrite in t.chance.choices(REWRITES, k=TIMES):
        before = len(t.nodes), len(t.constants)
        if next(t.readers(), None) is not None:
            rewrite(t)
        if before != (len(t.nodes), len(t.constants)):
            done.append(rewrite.__name__)
    return t.graphed(), " ".join(done)
