"""An ONNX file, read as hostile data: bounded, checked, external data only from its own folder.

A `Node` is the protobuf's node with Python values for attributes; nothing below it sees protobuf.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # ships none
from onnx import external_data_helper, helper, inliner, numpy_helper
from onnx.onnx_pb import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
)

from frontends import layers
from frontends.model import ModelError

Array = np.ndarray[Any, np.dtype[Any]]

# Protobuf itself cannot hold more in one message; larger models keep their weights beside it.
MAX_FILE_BYTES = 2**31 - 1

# Kept as bits: they are moved, and converted to and from numbers that machines compute with.
NARROW = frozenset(
    "bfloat16 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu "
    "float4_e2m1fn int2 int4 uint2 uint4".split()
)
# What a narrow type is computed in: it holds all its numbers.
WIDE = {kind: "int32" if "int" in kind else "float32" for kind in NARROW}
DTYPES = NARROW | frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
)


@dataclass(frozen=True)
class Node:
    """One node. Absent optional inputs and outputs that nothing reads are ''. A graph attribute
    stays a GraphProto.
    """

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    proto: NodeProto

    @property
    def qualified(self) -> str:
        return f"{self.domain}::{self.op}" if self.domain else self.op

    @property
    def title(self) -> str:
        """How messages name the node: its own name, else what it makes."""
        return self.name or next((o for o in self.proto.output if o), "unnamed")

    @property
    def hint(self) -> str:
        """The name of the variables that the node becomes."""
        return layers.mark(self.title)


def domain(name: str) -> str:
    """ONNX's own operators carry either spelling."""
    return "" if name == "ai.onnx" else name


def nodes(graph: GraphProto | onnx.FunctionProto) -> Iterator[Node]:
    read = set(names_read(graph))
    for proto in graph.node:
        yield Node(
            op=proto.op_type,
            domain=domain(proto.domain),
            name=proto.name,
            inputs=tuple(proto.input),
            outputs=tuple(name if name in read else "" for name in proto.output),
            attributes={a.name: _attribute(a) for a in proto.attribute},
            proto=proto,
        )


def names_read(graph: GraphProto | onnx.FunctionProto) -> Iterator[str]:
    """Names that the graph gives away, and that its nodes and the graphs in them read."""
    yield from (o if isinstance(o, str) else o.name for o in graph.output)
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from names_read(inner)


def _attribute(proto: AttributeProto) -> Any:
    value = helper.get_attribute_value(proto)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, TensorProto):
        return array(value)
    if isinstance(value, (str, int, float, GraphProto)):
        return value
    if proto.type in (AttributeProto.INTS, AttributeProto.FLOATS):
        return tuple(value)
    if proto.type == AttributeProto.STRINGS:
        return tuple(v.decode(errors="replace") for v in value)
    return value


def array(tensor: TensorProto) -> Array:
    """A stored tensor as numpy. Raises ModelError when its bytes do not fill its shape."""
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as cause:
        raise ModelError(f"tensor '{tensor.name}' cannot be read: {cause}") from cause


def dense(sparse: SparseTensorProto) -> Array:
    """A sparse initialiser filled with zeros; its indices are flat or one row a value."""
    values, places = array(sparse.values), array(sparse.indices)
    flat = places if places.ndim == 1 else np.ravel_multi_index(tuple(places.T), tuple(sparse.dims))
    whole = np.zeros(tuple(sparse.dims), values.dtype)
    whole.reshape(-1)[flat] = values
    return whole


def stored(graph: GraphProto) -> set[str]:
    """Names that the file itself gives a value."""
    return {t.name for t in graph.initializer} | {s.values.name for s in graph.sparse_initializer}


def opsets(model: ModelProto) -> dict[str, int]:
    return {domain(o.domain): o.version for o in model.opset_import}


def version_text(model: ModelProto) -> str:
    found = f"ir {model.ir_version}, opset {opsets(model).get('', 'not found')}"
    return f"ONNX Version running: {onnx.__version__}. Model Version found: {found}."


def read(path: Path) -> ModelProto:
    """Parse and check a file. Raises ModelError with the cause alone."""
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ModelError(f"{path.name} has {size} bytes; a protobuf has at most {MAX_FILE_BYTES}")
    model = ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except DecodeError as cause:
        raise ModelError(f"{path.name} is not an ONNX protobuf, or is truncated") from cause
    _check(model, path.name)
    if model.functions:
        model = inliner.inline_local_functions(model)
    for tensor in _tensors(model.graph):
        if external_data_helper.uses_external_data(tensor):
            _load_external(tensor, path.parent)
    return model


def _check(model: ModelProto, name: str) -> None:
    """What every ONNX model has, so that a file cut at a field's end is not taken for one."""
    if not model.ir_version or not model.opset_import or not model.HasField("graph"):
        raise ModelError(f"{name} is not an ONNX model, or is truncated: it has no graph or opset")
    if not model.graph.output:
        raise ModelError(f"{name} is truncated or broken: its graph has no outputs")
    newest = onnx.defs.onnx_opset_version()
    opset = opsets(model).get("", newest)
    if not 1 <= opset <= newest:
        raise ModelError(f"{name} needs opset {opset}; 1 to {newest} are known")
    known = stored(model.graph) | {i.name for i in model.graph.input}
    for node in model.graph.node:
        if missing := [i for i in node.input if i and i not in known]:
            label = node.name or node.op_type
            raise ModelError(f"node '{label}' reads '{missing[0]}', which nothing before it makes")
        known.update(node.output)
    if missing := [o.name for o in model.graph.output if o.name not in known]:
        raise ModelError(f"nothing in the graph makes its output '{missing[0]}'")


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)
            for inner in attribute.graphs:
                yield from _tensors(inner)


def _load_external(tensor: TensorProto, folder: Path) -> None:
    """Fill `raw_data` from a file of the model's folder, and from nowhere else."""
    entries = {e.key: e.value for e in tensor.external_data}
    location = entries.get("location", "")
    source = (folder / location).resolve()
    inside = source.is_relative_to(folder.resolve())
    if not location or Path(location).is_absolute() or ".." in Path(location).parts or not inside:
        raise ModelError(
            f"tensor '{tensor.name}' keeps its data in '{location}', outside the model's folder"
        )
    if not source.is_file():
        raise ModelError(f"tensor '{tensor.name}' needs the file '{location}', which is missing")
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", source.stat().st_size - offset))
    except ValueError as cause:
        raise ModelError(f"tensor '{tensor.name}' has a bad offset or length") from cause
    if offset < 0 or length < 0 or offset + length > source.stat().st_size:
        raise ModelError(
            f"tensor '{tensor.name}' needs bytes {offset} to {offset + length} of '{location}', "
            f"which has {source.stat().st_size}"
        )
    with source.open("rb") as file:
        file.seek(offset)
        tensor.raw_data = file.read(length)
    tensor.ClearField("external_data")
    tensor.data_location = TensorProto.DEFAULT
