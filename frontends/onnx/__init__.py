"""Our ONNX importer: protobuf in, clean Relax with static shapes out.

    read -> shapes -> convert -> Model

Every other framework's graph comes in through it.
"""

import json
import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import tvm
from onnx import helper
from onnx.onnx_pb import ModelProto, TensorProto, TypeProto, ValueInfoProto
from tvm import relax

from frontends.model import (
    DataInputConfig,
    Given,
    Known,
    Model,
    ModelError,
    Signature,
    Tensor,
    shape_name,
)
from frontends.onnx import graph as graphs
from frontends.onnx.builder import Builder, Value, dtype, shape
from frontends.onnx.convert import Converter, Scope
from frontends.onnx.padded import value as padded

CANNOT_LOAD = (
    "Framework cannot load ONNX model. Please make sure the framework you select is correct."
)
CANNOT_CONVERT = (
    "TVM cannot convert ONNX model. Please make sure the framework you selected is correct."
)
CANNOT_DERIVE = (
    "We are unable to extract DataInputConfig from the model due to {}. "
    "Please override by providing a DataInputConfig during compilation job creation."
)


def load(path: Path, config: DataInputConfig | None) -> Model:
    """Import an ONNX file for the shapes of `config`. Raises ModelError."""
    try:
        proto = graphs.read(path)
        declared = _inputs(proto, config)
    except ModelError as cause:
        raise ModelError(f"{CANNOT_LOAD} {cause}") from cause
    inputs, constants = _shaped(declared, config)
    try:
        module, outputs = _convert(proto, inputs, constants)
    except ModelError as cause:
        version = graphs.version_text(proto)
        raise ModelError(f"{CANNOT_CONVERT} {cause}\n{version}") from cause
    derived = json.dumps({t.name: list(t.shape) for t in inputs}) if config is None else None
    return Model(
        module=module,
        signature=Signature(inputs, outputs),
        oracle=path,
        derived=derived,
        framework_version=f"opset {graphs.opsets(proto).get('', 1)}",
        constants=constants,
    )


def _inputs(proto: ModelProto, config: DataInputConfig | None) -> dict[str, ValueInfoProto]:
    """The graph's inputs that are no initialisers, each a tensor of a dtype that compiles."""
    stored = graphs.stored(proto.graph)
    values = [i for i in proto.graph.input if i.name not in stored]
    inputs = {i.name: i for value in values for i in _parts(value, config)}
    bad = []
    for value in inputs.values():
        if value.type.WhichOneof("value") != "tensor_type":
            bad.append(f"input '{value.name}' is not a tensor; only tensors can be compiled")
        elif _dtype(value.type) not in graphs.DTYPES:
            bad.append(_refused("input", value.name, _dtype(value.type)))
    if bad:
        raise ModelError("\n".join(bad))
    return inputs


def _parts(value: ValueInfoProto, config: DataInputConfig | None) -> list[ValueInfoProto]:
    """A sequence is as many inputs as the config has shapes for. What is optional is given."""
    kind = value.type
    if kind.WhichOneof("value") == "optional_type":
        kind = kind.optional_type.elem_type
    if kind.WhichOneof("value") != "sequence_type":
        return [ValueInfoProto(name=value.name, type=kind)]
    names = list(members(value.name, config if isinstance(config, dict) else {}))
    if not names:
        raise ModelError(
            f"input '{value.name}' is a sequence; give DataInputConfig a shape for each of its "
            f"tensors, as '{value.name}.0', '{value.name}.1', ..."
        )
    return [ValueInfoProto(name=n, type=kind.sequence_type.elem_type) for n in names]


def members(name: str, known: Collection[str]) -> Iterator[str]:
    """How the tensors of a sequence are called, in order, as far as they are known."""
    number = 0
    while (member := f"{name}.{number}") in known:
        yield member
        number += 1


def _dtype(tensor: TypeProto) -> str:
    """numpy's name, or ONNX's for what numpy has no number for."""
    element = tensor.tensor_type.elem_type
    try:
        name = str(np.dtype(helper.tensor_dtype_to_np_dtype(element)))
    except KeyError:
        return f"number {element}"
    return name if name in graphs.DTYPES else TensorProto.DataType.Name(element)


def _declared_shape(value: ValueInfoProto) -> list[int | str | None] | None:
    """Fixed dimensions as numbers, named ones as their names; None for an unknown rank."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [
        d.dim_value if d.HasField("dim_value") else (d.dim_param or None) for d in tensor.shape.dim
    ]


def _shaped(
    declared: Mapping[str, ValueInfoProto], config: DataInputConfig | None
) -> tuple[tuple[Tensor, ...], dict[str, graphs.Array]]:
    """Every input with its concrete shape, from the client's config or else the model's own; and
    those whose value the client gives.
    """
    given = _named(declared, config)
    tensors, constants = [], {}
    for name, value in declared.items():
        own, entry = _declared_shape(value), given.get(name)
        if isinstance(entry, Known):
            constants[name] = _constant(name, entry, _dtype(value.type))
            _check_shape(name, constants[name].shape, own)
            continue
        if entry is not None:
            _check_shape(name, entry, own)
            dims = entry
        elif own is not None and all(isinstance(d, int) and d > 0 for d in own):
            dims = tuple(d for d in own if isinstance(d, int))
        elif config is None:
            raise ModelError(CANNOT_DERIVE.format(f"input '{name}' having the shape {own}"))
        else:
            raise ModelError(
                f"DataInputConfig has no shape for input '{name}', which the model gives as {own}"
            )
        tensors.append(Tensor(name, dims, _dtype(value.type)))
    return tuple(tensors), constants


def _constant(name: str, entry: Known, kind: str) -> graphs.Array:
    given = np.asarray(entry.value)
    made = given.astype(kind)
    if "float" not in kind and not np.array_equal(made, given):
        raise ModelError(f"DataInputConfig gives input '{name}' a value that is no {kind}")
    return made


def _named(
    declared: Mapping[str, ValueInfoProto], config: DataInputConfig | None
) -> Mapping[str, Given]:
    names = list(declared)
    if isinstance(config, list):
        if len(config) != len(names):
            raise ModelError(
                f"DataInputConfig lists {len(config)} shapes; the model has {len(names)} inputs: "
                f"{names}"
            )
        return dict(zip(names, config, strict=True))
    given = config or {}
    if unknown := [name for name in given if name not in declared]:
        raise ModelError(
            f"DataInputConfig names the input '{unknown[0]}', which the model does not have; "
            f"its inputs are {names}"
        )
    return given


def _check_shape(name: str, dims: tuple[int, ...], own: list[int | str | None] | None) -> None:
    empty = own is not None and 0 in own  # the model's own word: such a tensor has one value
    if bad := [d for d in dims if d < 1 and not (empty and d == 0)]:
        raise ModelError(
            f"DataInputConfig gives input '{name}' the dimension {bad[0]} in {list(dims)}; "
            "every dimension must be a positive number"
        )
    if own is None:
        return
    if len(dims) != len(own):
        raise ModelError(
            f"DataInputConfig gives input '{name}' {len(dims)} dimensions, {list(dims)}; "
            f"the model has {len(own)}: {own}"
        )
    for i, (mine, fixed) in enumerate(zip(dims, own, strict=True)):
        if isinstance(fixed, int) and (fixed > 0 or mine == 0) and fixed != mine:
            raise ModelError(
                f"DataInputConfig gives input '{name}' {mine} at dimension {i}, "
                f"which the model fixes to {fixed}"
            )


def _convert(
    proto: ModelProto, inputs: tuple[Tensor, ...], constants: Mapping[str, graphs.Array]
) -> tuple[tvm.IRModule, tuple[Tensor, ...]]:
    block = relax.BlockBuilder()
    params = [relax.Var(_identifier(t.name), relax.TensorType(t.shape, t.dtype)) for t in inputs]
    scope: Scope = {t.name: graphs.array(t) for t in proto.graph.initializer}
    scope |= {s.values.name: graphs.dense(s) for s in proto.graph.sparse_initializer}
    scope |= constants
    scope |= {
        t.name: param if math.prod(t.shape) else np.zeros(t.shape, t.dtype)
        for t, param in zip(inputs, params, strict=True)
    }
    for value in proto.graph.input:
        if value.name not in scope:
            scope[value.name] = [scope[n] for n in members(value.name, scope)]
    builder = Builder(block, {p: t.name for p, t in zip(params, inputs, strict=True)})
    converter = Converter(builder)
    with block.function("main", params):
        with block.dataflow():
            converter.run(proto.graph, scope, graphs.opsets(proto))
            made = [
                tensor for o in proto.graph.output for tensor in _tensors(o.name, scope[o.name])
            ]
            made = _measured(builder, made)
            _check_outputs(made)
            output = block.emit_output(relax.Tuple([builder.const(v) for _, v in made]))
        block.emit_func_output(output)
    converter.check()
    module = tvm.IRModule({"main": block.get()["main"], **converter.regions})
    return module, tuple(Tensor(name, shape(v), dtype(v)) for name, v in made)


def _measured(b: Builder, made: list[tuple[str, Value]]) -> list[tuple[str, Value]]:
    """What is padded has zeros there, and its shape at run time among the outputs behind."""
    names = {name for name, _ in made}
    if clash := [name for name in names if shape_name(name) in names]:
        raise ModelError(f"outputs '{clash[0]}' and '{shape_name(clash[0])}': rename the latter")
    sizes = [(shape_name(n), padded.sizes(b, v)) for n, v in made if b.lengths(v)]
    return [(n, padded.seen(b, v)) for n, v in made] + sizes


def _check_outputs(made: list[tuple[str, Value]]) -> None:
    if bad := [(name, dtype(v)) for name, v in made if dtype(v) not in graphs.DTYPES]:
        raise ModelError("\n".join(_refused("output", name, kind) for name, kind in bad))


def _refused(place: str, name: str, kind: str) -> str:
    return (
        f"{place} '{name}' has elements of type {'STRING' if kind == 'object' else kind}, "
        f"which do not compile; these do: {', '.join(sorted(graphs.DTYPES))}"
    )


def _tensors(name: str, value: Value | list[Value] | None) -> list[tuple[str, Value]]:
    """What one output of the graph becomes: nothing if it could not be converted."""
    if isinstance(value, list):
        return [(f"{name}.{n}", v) for n, v in enumerate(value)]
    return [] if value is None else [(name, value)]


def _identifier(name: str) -> str:
    words = "".join(c if c.isalnum() else "_" for c in name)
    return words if words[:1].isalpha() else f"input_{words}"
