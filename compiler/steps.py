"""A quantised network against its framework, step by step.

Two right programs may answer differently: a value halfway between two steps is rounded one way by
one and the other way by the other, and all that follows differs. ONNX Runtime with and without its
optimisations does, by several percent of the scale, and so no bound on the answers tells a right
program from a wrong one. Each step by itself can be held to much less: the network is compiled once
more with all its quantised tensors as outputs, and the framework computes each of them from those
that came out before it. The artifact has to answer as that one does.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from compiler import abi, assemble, codegen, pipeline, plan, verify
from compiler.errors import ServerError
from compiler.lowered import Lowered
from frontends import onnx as importer
from frontends.model import Known, Model
from targets import Profile

ROUNDED = 1e-4  # of a tensor's largest value: how exact a number has to be before it is rounded
FLIPPED = 1e-3  # of a tensor's values: how many may be a step off where no number is known
FIXED = 0.05  # likewise of a framework that multiplies by fixed-point numbers, as TFLite does
# Of a step. TFLite rounds a product to six binary places or more where its factor is below 1/64,
# and then to a whole number: what is so near to a half may go to either side, and that may be all
# that a channel ever has.
PLACES = 2**-7
WHOLE = (TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16, TensorProto.UINT16)
LARGE = np.float16(16)  # times a sample, and more of the values are clipped

Array = np.ndarray
Arrays = Mapping[str, Array]


def check(
    folder: Path,
    model: Model,
    lowered: Lowered,
    profile: Profile,
    asked: Future[verify.Answers],
    workdir: Path,
) -> dict[str, Any]:
    """As verify.check, of the model in `folder`; where that fails, and the model quantises, step by
    step. lowered: its kernels, which the steps are compiled with. Raises ServerError.
    """
    try:
        return verify.check(folder, model.signature, asked)
    except verify.Differs:
        found = steps(onnx.load(model.oracle, load_external_data=False).graph)
        if not found:
            raise
    answers = asked.result()
    inputs = [given for given, _ in answers.runs]
    inputs.append({n: a * LARGE if a.dtype.kind == "f" else a for n, a in inputs[0].items()})
    opened = _opened(model, found, lowered, profile, workdir)
    outputs = abi.run_apart(opened, inputs)
    names = [t.name for t in model.signature.own]
    _same(abi.run_apart(folder, inputs), outputs, names)
    framework = _Framework(onnx.load(model.oracle), outputs[0])
    told = [
        framework({**given, **model.constants}, got)
        for given, got in zip(inputs, outputs, strict=True)
    ]
    runs = list(zip(outputs, told, strict=True))
    flipped = sum(_judge(framework.steps, got, expected) for got, expected in runs)
    names = [n for n in names if n not in _names(found)]
    said: dict[str, Any] = {
        "tensors": len(_names(found)),
        "bound": ROUNDED,
        "values": sum(got[n].size for got in outputs for n in _names(found)),
        "rounded_otherwise": flipped,
    }
    if model.reference and model.reference.values:
        theirs = model.reference.values(inputs)
        said["framework"] = _conversion(model, framework, inputs, theirs, outputs)
    return verify.report(f"onnxruntime {onnxruntime.__version__}", names, runs) | {"steps": said}


def _conversion(
    model: Model,
    framework: _Framework,
    inputs: Sequence[Arrays],
    theirs: Sequence[Arrays],
    ours: Sequence[Arrays],
) -> dict[str, Any]:
    """The ONNX form against the framework that it was made from, likewise: every quantised tensor
    from the framework's own before it. Raises ServerError.
    """
    apart = size = 0
    for given, own, like in zip(inputs, theirs, ours, strict=True):
        names = _names(framework.steps)
        if lost := [name for name in names if name not in own]:
            raise ServerError(f"Verification: the framework has no tensor '{lost[0]}'.")
        values = {name: _turned(name, own[name], like[name]) for name in names}
        told = framework({**given, **model.constants}, values)
        for node, name in [(step, n) for step in framework.steps for n in _names([step])]:
            got = values[name].astype("int64")
            off = np.abs(got - told[name].astype("int64"))
            low = high = told[name]
            if node.op_type == "QuantizeLinear":
                low, high = _range(node, values, told, PLACES)
            many = int(np.count_nonzero((got < low) | (got > high)))
            if off.max(initial=0) > 1 or many > max(1, FIXED * off.size):
                raise verify.Differs(
                    f"Verification: {many} of {off.size} values of the quantised tensor '{name}' "
                    f"are not what {model.reference.name if model.reference else ''} computes from "
                    f"the tensors before it, by up to {int(off.max())}. Nothing was uploaded."
                )
            apart, size = apart + int(np.count_nonzero(off)), size + off.size
    return {"values": size, "rounded_otherwise": apart}


def _turned(name: str, value: Array, like: Array) -> Array:
    """The framework's tensor with its axes in the order that the oracle has; of several orders that
    have its shape the one that is nearest.
    """
    orders = itertools.permutations(range(value.ndim)) if value.ndim == like.ndim else ()
    turned = [value.transpose(order) for order in orders]
    found = [v for v in turned if v.shape == like.shape]
    if not found:
        raise ServerError(
            f"Verification: the tensor '{name}' is {list(like.shape)}, the framework's "
            f"{list(value.shape)}."
        )
    return min(found, key=lambda v: float(np.abs(v.astype("int64") - like).sum()))


def steps(graph: GraphProto) -> list[NodeProto]:
    """The nodes whose results have few levels, but those of constants."""
    stored = {t.name: t.data_type for t in graph.initializer}

    def whole(node: NodeProto) -> bool:
        zero = node.input[2] if len(node.input) > 2 else ""
        kind = next((a.i for a in node.attribute if a.name == "output_dtype"), TensorProto.UINT8)
        return stored.get(zero, kind) in WHOLE

    return [
        node
        for node in graph.node
        if node.op_type == "DynamicQuantizeLinear"
        or node.op_type.startswith("QLinear")
        or (node.op_type == "QuantizeLinear" and node.input[0] not in stored and whole(node))
    ]


def _names(found: Sequence[NodeProto]) -> list[str]:
    return [name for node in found for name in node.output if name]


def _opened(
    model: Model, found: Sequence[NodeProto], lowered: Lowered, profile: Profile, workdir: Path
) -> Path:
    """The folder of the network with all its quantised tensors as outputs."""
    work = workdir / "steps"
    work.mkdir()
    proto = onnx.load(model.oracle)
    own = {output.name for output in proto.graph.output}
    proto.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in _names(found) if name not in own
    )
    onnx.save(proto, work / "model.onnx")
    shapes = {tensor.name: tensor.shape for tensor in model.signature.inputs}
    known = {name: Known(value) for name, value in model.constants.items()}
    opened = importer.load(work / "model.onnx", {**shapes, **known})
    graph = pipeline.lower(opened.module, profile)
    used = {kernel.work.key: kernel.schedule for kernel in lowered.kernels.values()}
    works = pipeline.workloads(graph).items()
    chosen = {name: used[work.key] for name, work in works if work.key in used}
    again = pipeline.schedule(graph, profile, chosen)
    objects = codegen.compile_kernels(again.kernels, profile, work)
    program = plan.make(again, work)
    library = assemble.link(objects, program, opened.signature, profile, work / "artifact")
    return assemble.runnable(library, again, program, opened.signature, profile)


def _same(got: Sequence[Arrays], opened: Sequence[Arrays], names: Sequence[str]) -> None:
    """One run may differ: other kernels may round one value otherwise."""
    wrong = 0
    for mine, theirs in zip(got, opened, strict=True):
        try:
            for name in names:
                verify.compare(name, mine[name], theirs[name])
        except verify.Differs as differs:
            wrong, failure = wrong + 1, differs
    if wrong > 1:
        raise ServerError(
            f"Verification: in {wrong} of {len(got)} runs the artifact's answers are not those of "
            f"its own steps. {failure}"
        ) from failure


class _Framework:
    """The model cut at its steps: each takes what came out before it as an input."""

    def __init__(self, proto: ModelProto, known: Arrays) -> None:
        graph, self.steps = proto.graph, steps(proto.graph)
        names = _names(self.steps)
        for node in graph.node:
            for n, name in enumerate(node.input):
                if name in names:
                    node.input[n] = _given(name)
        for name in names:
            kind = helper.np_dtype_to_tensor_dtype(known[name].dtype)
            graph.input.append(helper.make_tensor_value_info(_given(name), kind, None))
        copies = {
            _operand(node, n): name
            for node in self.steps
            for n, name in enumerate(node.input)
            if name and not _whole(node)
        }
        graph.node.extend(helper.make_node("Identity", [a], [b]) for b, a in copies.items())
        own = {output.name for output in graph.output}
        graph.output.extend(
            helper.make_empty_tensor_value_info(n) for n in (*names, *copies) if n not in own
        )
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        # As the standard has it. The fused kernels saturate sums of products on CPUs without VNNI.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.x64quantprecision", "1")
        try:
            self._session = onnxruntime.InferenceSession(
                proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # they have no common class
            raise ServerError(
                "Verification: the steps of this quantised model cannot be judged one by one, as "
                f"ONNX Runtime does not load them: {str(error).splitlines()[0]}"
            ) from error

    def __call__(self, inputs: Arrays, values: Arrays) -> dict[str, Array]:
        """Every output, step, and operand of a step by name, from the model's inputs and all
        steps."""
        given = {**inputs, **{_given(name): values[name] for name in _names(self.steps)}}
        names = [i.name for i in self._session.get_inputs()]
        outputs = self._session.run(None, verify.grouped(names, given))
        return dict(zip([o.name for o in self._session.get_outputs()], outputs, strict=True))


def _given(name: str) -> str:
    return f"{name}:given"


def _operand(node: NodeProto, n: int) -> str:
    return f"{node.output[0]}:{n}"


def _whole(node: NodeProto) -> bool:
    """No number before its rounding is seen outside of it."""
    return node.op_type.startswith("QLinear")


def _judge(found: Sequence[NodeProto], values: Arrays, told: Arrays) -> int:
    """How many values are rounded otherwise than the framework does. Raises ServerError for the
    first step that is wrong."""
    flipped = 0
    for node in found:
        name = node.output[0]
        got = values[name].astype("int64")
        apart = np.abs(got - told[name].astype("int64"))
        if _whole(node):
            wrong = apart > 1
            if np.count_nonzero(apart) > max(1, FLIPPED * apart.size):
                wrong = apart > 0
        else:
            low, high = _range(node, values, told)
            wrong = (got < low) | (got > high)
        if wrong.any():
            raise verify.Differs(
                f"Verification: {np.count_nonzero(wrong)} of {wrong.size} values of the quantised "
                f"tensor '{name}' are not what the framework rounds to from the tensors before it, "
                f"by up to {int(apart.max())}. Nothing was uploaded."
            )
        flipped += int(np.count_nonzero(apart))
    return flipped


def _range(
    node: NodeProto, values: Arrays, told: Arrays, reach: float | None = None
) -> tuple[Array, Array]:
    """The least and the largest right value of every element; NaN where the framework has it.
    reach: how exact, in steps, a number has to be before it is rounded.
    """
    x = told[_operand(node, 0)].astype("float64")
    if node.op_type == "DynamicQuantizeLinear":
        _, scale_name, zero_name = node.output
        scale, zero = values[scale_name], values[zero_name]
        verify.compare(scale_name, scale, told[scale_name])
        if abs(int(zero) - int(told[zero_name])) > 1:
            raise verify.Differs(
                f"Verification: the zero point '{zero_name}' is {zero}, the framework's "
                f"{told[zero_name]}. Nothing was uploaded."
            )
    else:
        scale = told[_operand(node, 1)]
        zero = told.get(_operand(node, 2), np.zeros(1))
    limits = np.iinfo(values[node.output[0]].dtype)
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    scale, zero = (_spread(v.astype("float64"), x, axis) for v in (scale, zero))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = x / scale
    if reach is None:
        reach = ROUNDED * np.nanmax(
            np.abs(np.clip(ratio, limits.min - zero, limits.max - zero)), initial=0.0
        )
    low, high = (np.clip(np.rint(r) + zero, limits.min, limits.max) for r in (
        ratio - reach, ratio + reach))  # fmt: skip
    return low, high


def _spread(v: Array, x: Array, axis: int) -> Array:
    """A scale or zero point as it broadcasts to x: one, one an index of `axis`, or one a block."""
    if v.size == 1:
        return v.reshape(())
    if v.ndim == 1:
        return v.reshape((-1,) + (1,) * (x.ndim - axis % x.ndim - 1))
    whole = np.repeat(v, -(-x.shape[axis] // v.shape[axis]), axis)
    return whole.take(range(x.shape[axis]), axis)
