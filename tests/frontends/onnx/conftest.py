"""Import a tiny graph, run it through TVM's own pipeline, and compare with ONNX Runtime."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper, parser
from onnx.reference import ReferenceEvaluator

os.environ["TVM_NUM_THREADS"] = "1"  # TVM reads it once, when it starts its pool

import tvm
import tvm_ffi
from tvm import relax

from frontends import onnx as importer
from frontends.forest import Forest
from frontends.model import Model, cut
from tests.compiler.kernels import forests
from tests.compiler.kernels.references import GATES, Layer, suppressed

Array = np.ndarray
Agrees = Callable[..., Model]
Load = Callable[..., Model]

TARGET = tvm.target.Target({"kind": "llvm"})

# The importer's promise to the back end: every op below has a schedule, and no other is emitted.
ALLOWED = {
    f"relax.{name}"
    for name in """
    abs negative exp log sqrt rsqrt sigmoid tanh erf floor ceil round sign sin cos sinh cosh tan
    asin acos atan asinh acosh atanh logical_not bitwise_not isnan isinf isfinite
    nn.relu nn.leakyrelu nn.gelu nn.silu
    add subtract multiply divide floor_divide mod floor_mod power maximum minimum equal not_equal
    less less_equal greater greater_equal logical_and logical_or logical_xor bitwise_and bitwise_or
    bitwise_xor left_shift right_shift where clip astype
    nn.conv2d nn.conv2d_transpose nn.max_pool2d nn.avg_pool2d sum mean max min prod argmax argmin
    cumsum matmul nn.softmax nn.log_softmax nn.layer_norm
    reshape permute_dims expand_dims squeeze concat split strided_slice take gather_elements
    gather_nd scatter_elements scatter_nd broadcast_to tile repeat flip nn.pad image.resize2d topk
    call_pure_packed
    """.split()
}


def stand_in(cell: str) -> Callable[..., tvm.runtime.Tensor]:
    """The definition, for TVM's machine, in place of the back end's kernel of a recurrent layer."""

    def call(*operands: Any) -> tvm.runtime.Tensor:
        tensors = [np.asarray(o.numpy()) for o in operands if isinstance(o, tvm.runtime.Tensor)]
        (reverse, last, coupled), *names, clip = operands[len(tensors) :]
        layer = Layer(cell, names, bool(reverse), last, bool(coupled), clip)
        return tvm.runtime.tensor(layer(tensors).astype(np.float32))

    return call


def array(function: Callable[..., Array]) -> Callable[..., tvm.runtime.Tensor]:
    """numpy's definition of another one."""

    def call(*operands: Any) -> tvm.runtime.Tensor:
        tensors = [o.numpy() if isinstance(o, tvm.runtime.Tensor) else o for o in operands]
        return tvm.runtime.tensor(function(*tensors).astype(np.int64))

    return call


def places(mask: Array) -> Array:
    found = np.flatnonzero(mask)
    return np.pad(found, (0, mask.size - found.size))


for cell in GATES:
    tvm_ffi.register_global_func(f"neoc.{cell}", stand_in(cell))
tvm_ffi.register_global_func("neoc.places", array(places))
tvm_ffi.register_global_func("neoc.order", array(lambda rows: np.lexsort(rows.T[::-1])))
tvm_ffi.register_global_func("neoc.suppress", array(suppressed))


def walked(
    x: tvm.runtime.Tensor, words: tvm.runtime.Tensor, facts: Any, aggregate: str
) -> tvm.runtime.Tensor:
    made = Forest.unpacked(words.numpy())
    return tvm.runtime.tensor(forests.walked(made, x.numpy(), aggregate))


tvm_ffi.register_global_func("neoc.forest", walked)


def calls(model: Model) -> list[str]:
    """The names of the Relax ops in order; the whole module must be one dataflow block."""
    (block,) = model.module["main"].body.blocks
    assert isinstance(block, relax.DataflowBlock)
    return [b.value.op.name for b in block.bindings if isinstance(b.value, tvm.ir.Call)]


def execute(model: Model, feeds: dict[str, Array]) -> list[Array]:
    pipeline = relax.get_default_pipeline(TARGET)
    machine = relax.VirtualMachine(
        tvm.compile(model.module, TARGET, relax_pipeline=pipeline), tvm.cpu()
    )
    given = [tvm.runtime.tensor(feeds[t.name]) for t in model.signature.inputs]
    return [np.asarray(v.numpy()) for v in machine["main"](*given)]


def reference(proto: onnx.ModelProto, feeds: dict[str, Array]) -> list[Array]:
    """ONNX Runtime's answer, or the reference evaluator's where ORT has no kernel."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(proto.SerializeToString(), options)
        return [np.asarray(v) for v in session.run(None, feeds)]
    except Exception:
        return [np.asarray(v) for v in ReferenceEvaluator(proto).run(None, feeds)]


def filled(value: onnx.ValueInfoProto) -> Array:
    """Seeded values of an input's declared shape and dtype."""
    tensor = value.type.tensor_type
    dims = [d.dim_value for d in tensor.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    rng = np.random.default_rng(len(value.name) + sum(dims))
    if dtype.kind in "iu":
        return rng.integers(0, 5, dims).astype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, dims).astype(bool)
    return rng.standard_normal(dims).astype(dtype)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Import a graph in ONNX's text form. An initialiser is an array, or a random one's shape."""

    def load(text: str, opset: int = 17, config: object = None, **constants: object) -> Model:
        proto = parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {text}')
        for name, value in constants.items():
            if isinstance(value, tuple):
                value = np.random.default_rng(0).standard_normal(value).astype(np.float32)
            proto.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        path = tmp_path / "model.onnx"
        onnx.save(proto, path)
        return importer.load(path, config)  # type: ignore[arg-type]  # tests pass bad ones, too

    return load


@pytest.fixture
def agrees(load: Load) -> Agrees:
    """Assert equal names, shapes, dtypes and values, from allowed ops only."""

    def agrees(
        text: str,
        opset: int = 17,
        feeds: dict[str, Array] | None = None,
        tolerance: float = 1e-4,
        **constants: object,
    ) -> Model:
        model = load(text, opset, **constants)
        assert set(calls(model)) <= ALLOWED
        proto = onnx.load(model.oracle)
        stored = {t.name for t in proto.graph.initializer}
        inputs = {i.name: filled(i) for i in proto.graph.input if i.name not in stored}
        inputs |= feeds or {}
        wanted = reference(proto, inputs)
        names = [tensor.name for tensor in model.signature.outputs]
        results = dict(zip(names, execute(model, inputs), strict=True))
        for tensor in model.signature.outputs:
            got = results[tensor.name]
            assert (tensor.shape, tensor.dtype) == (got.shape, str(got.dtype))
        for got, want in zip(cut(results).values(), wanted, strict=True):
            assert (got.shape, got.dtype) == (want.shape, want.dtype)
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
        return model

    return agrees


@pytest.fixture
def classical(tmp_path: Path) -> Callable[..., None]:
    """Assert that one operator of another domain gives what the standard's evaluator or ONNX
    Runtime does."""

    def classical(
        op: str,
        inputs: list[Array],
        attributes: dict[str, object],
        version: int = 4,
        domain: str = "ai.onnx.ml",
        results: int = 0,
    ) -> None:
        names = [f"x{n}" for n in range(len(inputs))]
        kinds = [onnx.helper.np_dtype_to_tensor_dtype(x.dtype) for x in inputs]
        given = [
            onnx.helper.make_tensor_value_info(n, k, x.shape)
            for n, k, x in zip(names, kinds, inputs, strict=True)
        ]
        known: dict[str, Any] = {
            k: numpy_helper.from_array(v, k) if isinstance(v, np.ndarray) else v
            for k, v in attributes.items()
        }
        schema = onnx.defs.get_schema(op, version, domain)
        made = [f"y{n}" for n in range(results or len(schema.outputs))]
        node = onnx.helper.make_node(op, names, made, domain=domain, **known)
        graph = onnx.helper.make_graph(
            [node], "g", given, [onnx.ValueInfoProto(name=n) for n in made]
        )
        opsets = [onnx.helper.make_opsetid(domain, version), onnx.helper.make_opsetid("", 21)]
        proto = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
        path = tmp_path / "model.onnx"
        onnx.save(proto, path)
        model = importer.load(path, {n: x.shape for n, x in zip(names, inputs, strict=True)})
        assert set(calls(model)) <= ALLOWED
        feeds = dict(zip(names, inputs, strict=True))
        for got, want in zip(execute(model, feeds), reference(proto, feeds), strict=True):
            assert (got.shape, got.dtype) == (want.shape, want.dtype)
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)

    return classical
