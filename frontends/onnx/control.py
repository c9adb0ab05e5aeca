"""If, Loop and Scan: regions of the module, or nothing of the kind where the graph says enough.

A condition that is known leaves one branch. A loop of few nodes and a known number of iterations
becomes these iterations. Else each graph is a function of its own, which a call runs:

    neoc.if("then", "else", condition, captured...)
    neoc.loop("body", [carried], trips, condition, first..., captured...)

A body takes the number of the iteration, what is carried and what is captured. It gives whether to
go on (where that is not always so), what is carried on, and a row of each further result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tvm
from onnx import TensorProto, helper, numpy_helper
from onnx.onnx_pb import GraphProto
from tvm import relax

from frontends.model import ModelError
from frontends.onnx import graph as graphs
from frontends.onnx.builder import Builder, R, Undecided, Value, axis_of, dtype, shape, size
from frontends.onnx.graph import Node

if TYPE_CHECKING:
    from frontends.onnx.convert import Converter, Scope

UNROLLED = 128  # nodes of a loop's iterations together, that are better run one by one
GROWING = 4096  # likewise, where an iteration gives other shapes than it takes
ENDLESS = 2**63 - 1  # trips
Outputs = Sequence[Value | None]


@dataclass(frozen=True)
class Region:
    """A graph as a function of `params` and of what it captures, by variables of the caller."""

    function: relax.Function
    captured: Mapping[relax.Var, relax.Var]
    outputs: list[Value]

    def given(self, params: Sequence[relax.Var], kept: Sequence[int]) -> relax.Function:
        """The function of other parameters, which gives only some of its outputs."""
        *bindings, last = self.function.body.blocks[0].bindings
        result = relax.Tuple([last.value.fields[n] for n in kept])
        var = relax.Var("results", relax.TupleType([field.ty for field in result.fields]))
        block = relax.DataflowBlock([*bindings, relax.VarBinding(var, result)])
        return relax.Function(params, relax.SeqExpr([block], var), var.ty)


def convert(
    converter: Converter,
    node: Node,
    inputs: Sequence[Value | None],
    scope: Scope,
    opsets: Mapping[str, int],
) -> Outputs:
    return _Regions(converter, node, scope, opsets).convert(inputs)


class _Regions:
    """The graphs of one node. None stands for what could not be converted."""

    def __init__(
        self, converter: Converter, node: Node, scope: Scope, opsets: Mapping[str, int]
    ) -> None:
        self.converter, self.node = converter, node
        self.scope, self.opsets = dict(scope), opsets
        self.failed: Outputs = [None] * len(node.outputs)

    @property
    def b(self) -> Builder:
        self.converter.builder.node = self.node
        return self.converter.builder

    def convert(self, inputs: Sequence[Value | None]) -> Outputs:
        if any(map(self.b.lengths, inputs)):
            raise ModelError("one of its inputs has a size that only the data decide")
        if self.node.op == "If":
            return self._branches(inputs[0])
        if self.node.op == "Scan":
            return self._scan(inputs)
        trips, condition, *start = [*inputs, None, None][: max(2, len(inputs))]
        trips = np.array(ENDLESS) if trips is None else trips
        condition = np.array(True) if condition is None else condition
        return self._loop(self.node.attributes["body"], trips, condition, start)

    def _inline(self, graph: GraphProto, scope: Scope) -> Outputs:
        """The graph's nodes among those around them."""
        inner = {**scope, **{t.name: graphs.array(t) for t in graph.initializer}}
        self.converter.run(graph, inner, self.opsets)
        return [inner.get(output.name) for output in graph.output]

    def _region(
        self, graph: GraphProto, params: Sequence[relax.Var], given: Scope | None = None
    ) -> Region | None:
        """given: the graph's own inputs. The body of a loop, whose first parameter is the number of
        the iteration, gives the next one's number, too.
        """
        scope = {**self.scope, **(given or {})}
        read = [v for name in graphs.names_read(graph) for v in _members(scope.get(name))]
        outer = [v for v in read if isinstance(v, relax.Var) and v not in {*params}]
        if any(map(self.converter.builder.lengths, outer)):
            raise ModelError("its graphs read a value of a size that only the data decide")
        captured = {v: relax.Var(v.name, v.ty) for v in outer}
        scope = {name: _renamed(value, captured) for name, value in scope.items()}
        block, outside = relax.BlockBuilder(), self.converter.builder
        self.converter.builder = Builder(block)
        try:
            with block.function("region", [*params, *captured.values()]):
                with block.dataflow():
                    outputs = self._inline(graph, scope)
                    made = [
                        _tensor(value, output.name)
                        for value, output in zip(outputs, graph.output, strict=True)
                        if value is not None
                    ]
                    if any(map(self.b.lengths, made)):
                        raise ModelError(
                            "its graphs make a value of a size that only the data decide"
                        )
                    if params:
                        made.append(self.b(R.add, params[0], 1))
                    result = block.emit_output(relax.Tuple([self.b.const(v) for v in made]))
                block.emit_func_output(result)
        finally:
            self.converter.builder = outside
        function = block.get()["region"]
        complete = all(value is not None for value in outputs)
        return Region(function, captured, made) if complete else None

    def _call(
        self, name: str, operands: Sequence[relax.Expr], types: Sequence[relax.TensorType]
    ) -> list[Value]:
        if not types:
            return []
        made = R.call_pure_packed(name, *operands, ty_args=relax.TupleType(list(types)))
        return list(self.b.fields(self.b.emit(made), len(types)))

    # ---- If ----

    def _branches(self, condition: Value | None) -> Outputs:
        then, otherwise = (self.node.attributes[f"{n}_branch"] for n in ("then", "else"))
        if isinstance(condition, np.ndarray):
            return self._inline(then if condition.item() else otherwise, self.scope)
        first, second = (self._region(graph, []) for graph in (then, otherwise))
        if first is None or second is None or condition is None:
            return self.failed
        pairs = list(zip(first.outputs, second.outputs, strict=True))
        for output, pair in zip(then.output, pairs, strict=True):
            if len(set(map(_kind, pair))) > 1:
                kinds = " and as ".join(map(_kind, pair))
                raise ModelError(f"its branches give '{output.name}' as {kinds}: these must agree")
        kept = [n for n, pair in enumerate(pairs) if not _equal(*pair)]
        captured = list({**first.captured, **second.captured})
        names = []
        for arm in (first, second):
            spare = {v: relax.Var(v.name, v.ty) for v in captured}
            params = [arm.captured.get(v, spare[v]) for v in captured]
            names.append(self.converter.define(arm.given(params, kept)))
        operands = [*map(tvm.ir.StringImm, names), self.b.const(condition), *captured]
        made = self._call("neoc.if", operands, [_type(first.outputs[n]) for n in kept])
        results: dict[int, Value] = dict(zip(kept, made, strict=True))
        return [results.get(n, pair[0]) for n, pair in enumerate(pairs)]

    # ---- Loop ----

    def _loop(
        self, body: GraphProto, trips: Value, condition: Value, given: Sequence[Value | None]
    ) -> Outputs:
        start = [value for value in given if value is not None]
        if len(start) != len(given) or len(body.input) != len(start) + 2:
            raise ModelError(f"it gives {len(start) + 2} values to a body of {len(body.input)}")
        counted = None
        if isinstance(trips, np.ndarray) and isinstance(condition, np.ndarray):
            counted = max(int(trips.item()), 0) if condition.item() else 0
        listed = any(isinstance(value, list) for value in start)
        if counted and counted * len(body.node) <= (GROWING if listed else UNROLLED):
            if (whole := self._unrolled(body, counted, start)) is not None:
                return whole
        names = [value.name for value in body.input]
        fixed = _unchanged(body)
        number = relax.Var("number", relax.TensorType((), "int64"))
        carried = {
            n: relax.Var("carried", _type(_tensor(value, names[n + 2])))
            for n, value in enumerate(start)
            if n not in fixed
        }
        taken = [carried.get(n, value) for n, value in enumerate(start)]
        scope: Scope = dict(zip(names, [number, np.array(True), *taken], strict=True))
        region = self._region(body, [number, *carried.values()], scope)
        if region is None:
            return self.failed
        changed = [n for n, v in carried.items() if _kind(v) != _kind(region.outputs[n + 1])]
        if changed and counted and counted * len(body.node) <= GROWING:
            if (whole := self._unrolled(body, counted, start)) is not None:
                return whole
        for n in changed:
            raise ModelError(
                f"it carries '{names[n + 2]}' as {_kind(carried[n])} into an iteration and as "
                f"{_kind(region.outputs[n + 1])} out of it: these must agree"
            )
        return self._rolled(region, number, carried, counted, [trips, condition, *start])

    def _rolled(
        self,
        region: Region,
        number: relax.Var,
        carried: Mapping[int, relax.Var],
        counted: int | None,
        given: Sequence[Value],
    ) -> Outputs:
        """A call of the body's region. carried: what changes, by its number."""
        trips, condition, *start = given
        goes_on, *made, following = region.outputs
        always = isinstance(goes_on, np.ndarray) and bool(goes_on.item())
        results: dict[int, Value] = dict(enumerate(start))
        most = self._at_most(trips) if counted is None else counted
        for n in range(len(start), len(made)):
            if most == ENDLESS:
                raise self._unlimited(trips, self.node.proto.output[n])
            results[n] = np.zeros((most, *shape(made[n])), dtype(made[n]))
        rows = [n for n in results if n >= len(start) and size(results[n])]
        counting = bool(rows) and (counted is None or not always)
        if most != 0 and (carried or rows):
            kept = ([] if always else [0]) + [n + 1 for n in carried]
            params, first = [number, *carried.values()], [start[n] for n in carried]
            types = [_type(results[n]) for n in carried]
            if counting:
                kept.append(len(region.outputs) - 1)
                params.append(relax.Var("count", _type(following)))
                first.append(np.zeros((), np.int64))
                types.append(_type(following))
            kept += [n + 1 for n in rows]
            params += region.captured.values()
            operands = [
                tvm.ir.StringImm(self.converter.define(region.given(params, kept))),
                relax.ShapeExpr([len(first)]),
                *(self.b.const(v) for v in (trips, condition, *first)),
                *region.captured,
            ]
            values = self._call("neoc.loop", operands, [*types, *(_type(results[n]) for n in rows)])
            count = values.pop(len(carried)) if counting else None
            results |= zip([*carried, *rows], values, strict=True)
            if count is not None:
                results |= {n: self.b.padded(results[n], {0: count}) for n in rows}
        return [results[n] for n in range(len(made))]

    def _at_most(self, trips: Value) -> int:
        elements = self.b.elements(trips)
        return ENDLESS if elements is None else max(self.b.bound(elements.item()), 0)

    def _unlimited(self, trips: Value, output: str) -> ModelError:
        what = f"its output '{output}' is as long as there are iterations: their number"
        if isinstance(trips, np.ndarray):
            return ModelError(f"{what} needs a limit; give the loop a trip count")
        return Undecided(trips, what)

    def _unrolled(self, body: GraphProto, trips: int, start: Sequence[Value]) -> Outputs | None:
        """The iterations one by one; None: when they end is only known at run time."""
        values, rows = list(start), [list[Value]() for _ in body.output[len(start) + 1 :]]
        for number in range(trips):
            given = [np.array(number, np.int64), np.array(True), *values]
            scope = dict(zip((value.name for value in body.input), given, strict=True))
            outputs = self._inline(body, {**self.scope, **scope})
            made = [value for value in outputs if value is not None]
            if len(made) < len(outputs):
                return self.failed
            if not isinstance(made[0], np.ndarray):
                return None
            values = made[1 : len(start) + 1]
            for row, value in zip(rows, made[len(start) + 1 :], strict=True):
                row.append(value)
            if not made[0].item():
                break
        return [*values, *map(self._stacked, rows)]

    def _stacked(self, rows: Sequence[Value]) -> Value:
        arrays = [row for row in rows if isinstance(row, np.ndarray)]
        if len(arrays) == len(rows):
            return np.stack(arrays)
        return self.b.concat([self.b.reshape(row, (1, *shape(row))) for row in rows], 0)

    # ---- Scan ----

    def _scan(self, inputs: Sequence[Value | None]) -> Outputs:
        attributes = self.node.attributes
        if self.opsets.get("", 1) >= 9:
            turned = attributes.get("scan_input_directions", ())
            return self._iterated(inputs, attributes.get("scan_input_axes", ()), turned)
        lengths, *given = inputs  # before opset 9, every tensor had a batch in front
        batches = [v for v in given if v is not None]
        if lengths is not None or not batches or len(batches) < len(given):
            raise ModelError("lengths for each sequence are not implemented: export the model anew")
        rows = []
        for number in range(shape(batches[0])[0]):
            alone = [self.b.pick(v, [range(number, number + 1), *map(range, shape(v)[1:])])
                     for v in batches]  # fmt: skip
            alone = [self.b.reshape(v, shape(v)[1:]) for v in alone]
            rows.append(self._iterated(alone, (), attributes.get("directions", ())))
        columns = [[v for v in column if v is not None] for column in zip(*rows, strict=True)]
        return [self._stacked(c) if len(c) == len(rows) else None for c in columns]

    def _iterated(
        self, inputs: Sequence[Value | None], axes: Sequence[int], turned: Sequence[int]
    ) -> Outputs:
        """A loop over the elements that each iteration takes from what is scanned."""
        attributes = self.node.attributes
        count = attributes["num_scan_inputs"]
        start, scanned = inputs[:-count], [v for v in inputs[-count:] if v is not None]
        axes, turned = axes or (0,) * count, turned or (0,) * count
        axes = [axis_of(axis, len(shape(v))) for axis, v in zip(axes, scanned, strict=True)]
        lengths = {shape(v)[axis] for axis, v in zip(axes, scanned, strict=True)}
        if len(lengths) != 1:
            raise ModelError(f"it scans tensors of different lengths: {sorted(lengths)}")
        [trips] = lengths
        body = _scanning(attributes["body"], trips, axes, turned)
        self.scope |= {_scanned(n): value for n, value in enumerate(scanned)}
        results = self._loop(body, np.array(trips), np.array(True), start)
        many = len(results) - len(start)
        axes = attributes.get("scan_output_axes", (0,) * many)
        turned = attributes.get("scan_output_directions", (0,) * many)
        outputs = [
            None if value is None else self._laid(value, axis, bool(turn))
            for value, axis, turn in zip(results[len(start) :], axes, turned, strict=True)
        ]
        return [*results[: len(start)], *outputs]

    def _laid(self, rows: Value, axis: int, turned: bool) -> Value:
        """The iterations along an axis, the last one first if they are turned."""
        if turned and isinstance(rows, np.ndarray):
            rows = rows[::-1]
        elif turned:
            rows = self.b.take(rows, np.arange(shape(rows)[0])[::-1], 0)
        order = list(range(1, len(shape(rows))))
        order.insert(axis_of(axis, len(shape(rows))), 0)
        return self.b.transpose(rows, order)


def _scanned(number: int) -> str:
    return f"scanned {number}"


def _scanning(
    scan: GraphProto, trips: int, axes: Sequence[int], turned: Sequence[int]
) -> GraphProto:
    """The body of a loop that does what the body of a scan does."""
    states = len(scan.input) - len(axes)
    body = GraphProto()
    body.CopyFrom(scan)
    del body.input[:], body.node[:], body.output[:]
    for name, element in (("scan number", TensorProto.INT64), ("scan on", TensorProto.BOOL)):
        body.input.append(helper.make_tensor_value_info(name, element, ()))
    body.input.extend(scan.input[:states])
    body.output.append(helper.make_tensor_value_info("scan goes on", TensorProto.BOOL, ()))
    body.output.extend(scan.output)
    body.initializer.append(numpy_helper.from_array(np.array(trips - 1), "scan last"))
    body.node.append(helper.make_node("Identity", ["scan on"], ["scan goes on"]))
    body.node.append(helper.make_node("Sub", ["scan last", "scan number"], ["scan turned"]))
    for n, (axis, turn) in enumerate(zip(axes, turned, strict=True)):
        operands = [_scanned(n), "scan turned" if turn else "scan number"]
        element = scan.input[states + n].name
        body.node.append(helper.make_node("Gather", operands, [element], axis=axis))
    body.node.extend(scan.node)
    return body


def _unchanged(body: GraphProto) -> set[int]:
    """The numbers of what a loop carries through its body as it is."""
    same = {n.output[0]: n.input[0] for n in body.node if n.op_type == "Identity"}
    found = set()
    for number, (taken, given) in enumerate(zip(body.input[2:], body.output[1:], strict=False)):
        name = given.name
        while name in same:
            name = same[name]
        if name == taken.name:
            found.add(number)
    return found


def _members(value: Value | None) -> Sequence[Value | None]:
    return value if isinstance(value, list) else [value]


def _renamed(value: Value | None, names: Mapping[relax.Var, relax.Var]) -> Value | None:
    """The value as a region has it. What is empty stays what it is: see ops/sequence.py."""
    if isinstance(value, list) and value:
        return [_renamed(member, names) for member in value]
    return names.get(value, value) if isinstance(value, relax.Var) else value


def _tensor(value: Value, name: str) -> Value:
    if isinstance(value, list):
        raise ModelError(
            f"'{name}' is a sequence or an optional value: what decides which nodes make it "
            "must be a constant"
        )
    return value


def _type(value: Value) -> relax.TensorType:
    return relax.TensorType(shape(value), dtype(value))


def _kind(value: Value) -> str:
    return f"{dtype(value)}{list(shape(value))}"


def _equal(first: Value, second: Value) -> bool:
    """Whether two values of one type are the same constant."""
    arrays = isinstance(first, np.ndarray) and isinstance(second, np.ndarray)
    return arrays and first.tobytes() == second.tobytes()
