"""Walk a graph in order: fold what is constant, emit the rest, collect everything unsupported.

Each node is tried as: control flow, a constant, an op of the table, and last the function body
that ONNX's own schema gives for a composite op.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx.onnx_pb import AttributeProto, FunctionProto, GraphProto, TypeProto
from tvm import relax

from frontends.model import ModelError
from frontends.onnx import control, ops, padded, sizes
from frontends.onnx import graph as graphs
from frontends.onnx.builder import Builder, Function, Undecided, Value, dtype, shape, size
from frontends.onnx.fold import fold, foldable
from frontends.onnx.graph import NARROW, WIDE, Array, Node
from frontends.onnx.ops.quantized import dequantize
from frontends.onnx.ops.refused import REASONS
from frontends.onnx.padded.value import Operator

MAX_ELEMENTS = 2**31 - 1  # kernels index with 32-bit integers

# Operators that compute nothing, or know the narrow types themselves.
AS_IS = frozenset(
    "BitCast Cast CastLike Concat DequantizeLinear Expand Flatten Gather Identity Optional "
    "OptionalGetElement OptionalHasElement QuantizeLinear SequenceConstruct SequenceInsert "
    "Reshape Shape Size Slice Split Squeeze Transpose Unsqueeze".split()
)

INTEGERS = ("int8", "uint8", "int32")  # that the back end multiplies as they are

Scope = dict[str, Value | None]  # None: made by a node that could not be converted


class Converter:
    """Converts nodes into `builder`; `check` raises once for everything that went wrong."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.regions: dict[str, relax.Function] = {}
        self.missing: list[tuple[Node, int]] = []
        self.problems: list[str] = []

    def run(
        self, graph: GraphProto | FunctionProto, scope: Scope, opsets: Mapping[str, int]
    ) -> None:
        """Add the outputs of every node to `scope`."""
        for node in graphs.nodes(graph):
            scope.update(zip(node.outputs, self._outputs(node, scope, opsets), strict=False))

    def define(self, region: relax.Function) -> str:
        """The name of a function beside main."""
        name = f"region_{len(self.regions)}"
        self.regions[name] = region
        return name

    def check(self) -> None:
        """Raise ModelError if any node was unsupported or wrong, naming them all."""
        if not self.missing and not self.problems:
            return
        lines = list(self.problems)
        if self.missing:
            names = ", ".join(sorted({repr(node.qualified) for node, _ in self.missing}))
            lines.append(f"The following operators are not implemented: {{{names}}}")
            lines += [
                f"node '{n.title}' ({n.qualified}, opset {version})" for n, version in self.missing
            ]
        raise ModelError("\n".join(lines))

    def _outputs(
        self, node: Node, scope: Scope, opsets: Mapping[str, int]
    ) -> Sequence[Value | None]:
        """What the node makes; None for each output when it cannot be converted."""
        failed = [None] * len(node.outputs)
        version = opsets.get(node.domain, 1)
        place = f"node '{node.title}' ({node.qualified}, opset {version})"
        if undefined := [name for name in node.inputs if name and name not in scope]:
            self.problems.append(f"{place} reads '{undefined[0]}', which nothing makes")
            return failed
        inputs = [scope[name] if name else None for name in node.inputs]
        if any(name and v is None for name, v in zip(node.inputs, inputs, strict=True)):
            # An earlier node failed; this one is only looked up, to report all at once.
            if reason := REASONS.get(node.domain, {}).get(node.op):
                self.problems.append(f"{place}: {reason}")
            elif not self._supported(node, version):
                self.missing.append((node, version))
            return failed
        try:
            return self._convert(node, inputs, scope, opsets)
        except Unsupported:
            self.missing.append((node, version))
        except Undecided as cause:
            self.problems.append(f"{place}: {cause}{self.builder.remedy(cause.value)}")
        except ModelError as cause:
            self.problems.append(f"{place}: {cause}")
        except Exception as cause:  # TVM and numpy refuse with many types
            text = (str(cause).strip() or type(cause).__name__).splitlines()[-1]
            self.problems.append(f"{place}: {text}")
        return failed

    def _supported(self, node: Node, version: int) -> bool:
        known = ops.find(node.domain, node.op, version) is not None
        return (
            known
            or _is_control(node)
            or node.op == "SequenceMap"
            or _schema_with_body(node, version) is not None
        )

    def _convert(
        self,
        node: Node,
        inputs: Sequence[Value | None],
        scope: Scope,
        opsets: Mapping[str, int],
    ) -> Sequence[Value | None]:
        if _is_control(node):
            return control.convert(self, node, inputs, scope, opsets)
        if node.op == "SequenceMap" and not node.domain:
            return self._mapped(node, inputs, scope, opsets)
        self.builder.node = node
        if foldable(node, inputs):
            folded = fold(node, inputs, opsets)
            if folded is not None:
                self._keep_integers(node, inputs, folded)
                return folded
        version = opsets.get(node.domain, 1)
        function = ops.find(node.domain, node.op, version)
        if function is None:
            return self._body(node, inputs, scope, opsets)

        def plain(given: Sequence[Value | None]) -> Sequence[Value]:
            return self._call(function, node, given, version)

        if (made := sizes.computed(self.builder, node, inputs, opsets, plain)) is not None:
            return made
        if padded.concerns(self.builder, node, inputs):
            return padded.convert(Operator(self.builder, node, plain), inputs)
        return plain(inputs)

    def _call(
        self, function: Function, node: Node, inputs: Sequence[Value | None], version: int
    ) -> Sequence[Value]:
        wide, narrow = self._widened(node, inputs, version)
        made = _all_wanted(node, _call(function, self.builder, wide, node.attributes))
        return [v if isinstance(v, list) else self._cast(v, narrow(i)) for i, v in enumerate(made)]

    def _cast(self, value: Value, narrow: str) -> Value:
        made = _bounded(self.builder.cast(value, narrow or dtype(value)))
        return self.builder.padded(made, self.builder.lengths(value))

    def _keep_integers(
        self, node: Node, inputs: Sequence[Value | None], folded: Sequence[Array]
    ) -> None:
        data, *scales = inputs
        if node.op == "DequantizeLinear" and data is not None and dtype(data) in INTEGERS:
            given = [self.builder.const(data), *scales]
            self.builder.keep(folded[0], *_call(dequantize, self.builder, given, node.attributes))

    def _widened(
        self, node: Node, inputs: Sequence[Value | None], version: int
    ) -> tuple[Sequence[Value | None], Callable[[int], str]]:
        """The inputs in types that kernels compute with, and the type that an output is cast to:
        that of the inputs whose type the schema gives it.
        """
        if node.op in AS_IS or not any(map(_is_narrow, inputs)):
            return inputs, lambda _: ""
        schema = onnx.defs.get_schema(node.op, version, node.domain)

        def name(formal: Sequence[Any], number: int) -> str:
            return str(formal[min(number, len(formal) - 1)].type_str)

        kinds = {name(schema.inputs, i): dtype(v) for i, v in enumerate(inputs) if _is_narrow(v)}
        wide = [self.builder.cast(v, WIDE[dtype(v)]) if _is_narrow(v) else v for v in inputs]
        return wide, lambda number: kinds.get(name(schema.outputs, number), "")

    def _mapped(
        self,
        node: Node,
        inputs: Sequence[Value | None],
        scope: Scope,
        opsets: Mapping[str, int],
    ) -> Sequence[Value | None]:
        """A body for each element of a sequence, with those of other sequences beside it."""
        body, results = node.attributes["body"], []
        for number in range(len(inputs[0])):  # type: ignore[arg-type]
            given = [v[number] if isinstance(v, list) else v for v in inputs]
            inner = {**scope, **{t.name: graphs.array(t) for t in body.initializer}}
            inner.update(zip([i.name for i in body.input], given, strict=True))
            self.run(body, inner, opsets)
            results.append([inner[o.name] for o in body.output])
        columns = [[row[n] for row in results] for n in range(len(body.output))]
        return [None if any(v is None for v in column) else column for column in columns]

    def _body(
        self,
        node: Node,
        inputs: Sequence[Value | None],
        scope: Scope,
        opsets: Mapping[str, int],
    ) -> Sequence[Value | None]:
        """A composite op through the body in ONNX's schema. Graphs among its attributes, which
        become part of that, read what stands around the node."""
        version = opsets.get(node.domain, 1)
        schema = _schema_with_body(node, version)
        body = _body_of(schema, node, inputs, version) if schema else None
        if schema is None or body is None:
            raise Unsupported
        given = {a.name: a for a in node.proto.attribute}
        defaults = {n: a.default_value for n, a in schema.attributes.items()}
        bound = {**{n: d for n, d in defaults.items() if d.type}, **given}
        _bind(body, bound)
        around = scope if any(a.HasField("g") for a in given.values()) else {}
        inner: Scope = {**around, **dict(zip(body.input, inputs, strict=False))}
        _drop_absent(body, inner)
        for part in body.node:
            part.name = node.title
        failures = len(self.missing)
        self.run(body, inner, {**opsets, **{o.domain: o.version for o in body.opset_import}})
        if len(self.missing) > failures:  # report the op the client knows, not its inside
            del self.missing[failures:]
            raise Unsupported
        return [inner.get(name) for name in body.output]


def _is_narrow(value: Value | None) -> bool:
    return value is not None and not isinstance(value, list) and dtype(value) in NARROW


class Unsupported(Exception):
    """No converter and no body: reported together with its like."""


def _is_control(node: Node) -> bool:
    return node.op in ("If", "Loop", "Scan") and not node.domain


def _call(
    function: Callable[..., Any],
    builder: Builder,
    inputs: Sequence[Value | None],
    attributes: Mapping[str, Any],
) -> tuple[Value, ...]:
    """The op function's signature is its schema: an attribute it does not name is an error."""
    given = list(inputs)
    while given and given[-1] is None:
        given.pop()
    try:
        bound = inspect.signature(function).bind(builder, *given, **attributes)
    except TypeError as cause:
        raise ModelError(f"{cause}") from cause
    made = function(*bound.args, **bound.kwargs)
    return made if isinstance(made, tuple) else (made,)


def _all_wanted(node: Node, made: Sequence[Value]) -> Sequence[Value]:
    if extra := [name for name in node.outputs[len(made) :] if name]:
        raise ModelError(f"its output '{extra[0]}' is not implemented")
    return made


def _bounded(value: Value) -> Value:
    """An empty tensor has only one value, so it is constant."""
    if size(value) > MAX_ELEMENTS:
        raise ModelError(f"its result {list(shape(value))} has more than {MAX_ELEMENTS} elements")
    return value if size(value) else np.zeros(shape(value), dtype(value))


def _schema_with_body(node: Node, version: int) -> Any:
    try:
        schema: Any = onnx.defs.get_schema(node.op, version, node.domain)
    except (onnx.defs.SchemaError, TypeError):  # the latter for a version beyond 32 bits
        return None
    return schema if schema.has_function or schema.has_context_dependent_function else None


def _body_of(
    schema: Any, node: Node, inputs: Sequence[Value | None], version: int
) -> FunctionProto | None:
    body = FunctionProto()
    if schema.has_function:
        body.CopyFrom(schema.function_body)
        return body
    types = [_type(v).SerializeToString() for v in inputs]
    made = schema.get_context_dependent_function(node.proto.SerializeToString(), types)
    body.ParseFromString(made)
    return body


def _type(value: Value | None) -> TypeProto:
    if value is None:
        return TypeProto()
    element = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype(value)))
    return onnx.helper.make_tensor_type_proto(element, shape(value))


def _bind(body: FunctionProto, bound: Mapping[str, AttributeProto]) -> None:
    """Replace references to the function's attributes by their values; drop the unset ones."""
    for node in body.node:
        attributes = []
        for attribute in node.attribute:
            if source := attribute.ref_attr_name:
                if source not in bound:
                    continue
                name = attribute.name
                attribute = AttributeProto()
                attribute.CopyFrom(bound[source])
                attribute.name = name
            attributes.append(attribute)
        del node.attribute[:]
        node.attribute.extend(attributes)


def _drop_absent(body: FunctionProto, scope: Scope) -> None:
    """Inputs that the caller left out become absent inputs of the body's nodes."""
    absent = {name for name in body.input if scope.get(name) is None}
    for node in body.node:
        node.input[:] = ["" if name in absent else name for name in node.input]
