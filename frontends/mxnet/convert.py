"""A symbol, its parameters and the inputs' shapes -> an ONNX model that does the same."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from frontends.model import ModelError
from frontends.mxnet import attributes
from frontends.mxnet.graph import Array, Graph, Value
from frontends.mxnet.ops import LABELLED, OPS, RESULTS
from frontends.mxnet.params import TYPES
from frontends.mxnet.symbol import VARIABLE, Entry, Node, Symbol

IMPLICIT_UNTIL = 900  # files of earlier versions do not list auxiliary states


class Converter:
    """One symbol on its way. `needed` are its inputs, in the file's order, `labels` the variables
    that only losses read.
    """

    def __init__(self, symbol: Symbol, params: Mapping[str, Array]) -> None:
        self.symbol, self.params = symbol, params
        self.reached = _reached(symbol)
        self.counts: dict[int, int] = {}  # results of each node
        unknown = [n for n in self._live() if n.op != VARIABLE and n.op not in OPS]
        if unknown:
            listed = "\n".join(f"operator {n.op} of node '{n.name}'" for n in unknown)
            raise ModelError(f"These operators are not supported:\n{listed}")
        free = [n for n in symbol.nodes if n.op == VARIABLE and n.name not in params]
        live = {n.name for n in self._live()}
        self.needed = tuple(n for n in free if n.name in live)
        self.labels = tuple(n for n in free if n.name not in live)

    def _live(self) -> list[Node]:
        return [n for n, live in zip(self.symbol.nodes, self.reached, strict=True) if live]

    def model(self, shapes: Mapping[str, tuple[int, ...]]) -> onnx.ModelProto:
        """shapes: of every needed input, and of labels that shall be inputs, too."""
        graph = Graph()
        inputs = {
            n.name: Value(n.name, shapes[n.name], _dtype(n))
            for n in (*self.needed, *self.labels)
            if n.name in shapes
        }
        made: dict[Entry, Value] = {}
        for number, node in enumerate(self.symbol.nodes):
            if not self.reached[number]:
                continue
            graph.label = node.name
            results = self._made(graph, node, inputs, made)
            self.counts[number] = len(results)
            made |= {(number, place): value for place, value in enumerate(results)}
        outputs = [(self._output_name(e), self._read(made, e)) for e in self.symbol.heads]
        names = [name for name, _ in outputs]
        if len(set(names)) < len(names):
            outputs = [(f"{name}_{n}", value) for n, (name, value) in enumerate(outputs)]
        return graph.model(list(inputs.values()), outputs)

    def _made(
        self,
        graph: Graph,
        node: Node,
        inputs: Mapping[str, Value],
        made: Mapping[Entry, Value],
    ) -> Sequence[Value]:
        if node.op == VARIABLE:
            if node.name in inputs:
                return [inputs[node.name]]
            return [graph.constant(self.params[node.name], node.name)]
        labels = LABELLED.get(node.op)
        operands = [self._read(made, e) for e in node.inputs[:labels]]
        operands += self._implicit(graph, node)
        function = OPS[node.op]
        try:
            values = attributes.read(function, node.attributes)
            try:
                inspect.signature(function).bind(graph, *operands, **values)
            except TypeError as problem:
                raise ModelError(f"{len(operands)} inputs, and {problem}") from None
            result = function(graph, *operands, **values)
        except ModelError as problem:
            raise ModelError(f"operator {node.op} of node '{node.name}': {problem}") from None
        return [result] if isinstance(result, Value) else result

    def _implicit(self, graph: Graph, node: Node) -> list[Value]:
        """Parameters that an old file does not name as inputs: they are called after the node."""
        if self.symbol.version >= IMPLICIT_UNTIL:
            return []
        function = inspect.signature(OPS[node.op]).parameters.values()
        names = [p.name for p in function if p.kind is p.POSITIONAL_OR_KEYWORD][1:]
        missing = [f"{node.name}_{name}" for name in names[len(node.inputs) :]]
        return [graph.constant(self.params[n], n) for n in missing if n in self.params]

    def _read(self, made: Mapping[Entry, Value], entry: Entry) -> Value:
        if entry not in made:
            node = self.symbol.nodes[entry[0]]
            raise ModelError(
                f"result {entry[1]} of node '{node.name}' ({node.op}) is read, which is not made."
            )
        return made[entry]

    def _output_name(self, entry: Entry) -> str:
        """As MXNet calls it."""
        node = self.symbol.nodes[entry[0]]
        if node.op == VARIABLE:
            return f"{node.name}_output"
        known = RESULTS.get(node.op, ("output",))
        if entry[1] < len(known) and (node.op in RESULTS or self.counts[entry[0]] == 1):
            return f"{node.name}_{known[entry[1]]}"
        return f"{node.name}_output{entry[1]}"


def _reached(symbol: Symbol) -> list[bool]:
    """Which nodes the heads need; a loss does not need its label."""
    reached = [False] * len(symbol.nodes)
    for number, _ in symbol.heads:
        reached[number] = True
    for number in range(len(symbol.nodes) - 1, -1, -1):
        if reached[number]:
            node = symbol.nodes[number]
            for source, _ in node.inputs[: LABELLED.get(node.op)]:
                reached[source] = True
    return reached


def _dtype(node: Node) -> str:
    text = node.attributes.get("__dtype__", "0")
    number = int(text) if text.isdecimal() else 0
    return str(np.dtype(TYPES[number if number < len(TYPES) else 0]))
