"""compiler/plan.py: whatever the network, no call destroys what a later one reads."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tvm import relax
from tvm.ir import GlobalVar

import frontends
import targets
from compiler import plan
from compiler.arena import Buffer, in_place
from compiler.joins import nbytes
from compiler.kernels.operators import dtype_of, integers
from compiler.kernels.workload import operands_of, operator_of
from compiler.lowered import Lowered
from compiler.plan import Plan
from tests.compiler import nets

SHAPE = (1, 8, 4, 4)
INPUTS = ("x0", "x1")
VECTOR = 4 * targets.get(nets.DEVICE).isa.lanes  # bytes
Shape = tuple[int, ...]
# The operators of the random networks, and their attributes. Conv changes the layout, Reshape is
# a view, Concat doubles the channels and the pooling halves the edges; the others fuse or do not.
UNARY: dict[str, dict[str, Any]] = {
    "Relu": {},
    "Sigmoid": {},
    "Identity": {},
    "Softmax": {"axis": -1},
    "Transpose": {"perm": [0, 1, 3, 2]},
    "MaxPool": {"kernel_shape": [2, 2], "strides": [2, 2]},
    "Reshape": {},
    "Conv": {},
    "Slice": {},
}
BINARY: dict[str, dict[str, Any]] = {"Add": {}, "Mul": {}, "Concat": {"axis": 1}}


class Growing:
    """A graph under way: its nodes, the shape of every value, and what somebody reads."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.stored: list[onnx.TensorProto] = []
        self.shapes: dict[str, Shape] = dict.fromkeys(INPUTS, SHAPE)
        self.read: set[str] = set()

    def add(self, operator: str, operands: list[str], attributes: dict[str, Any]) -> None:
        _, channels, height, width = shape = self.shapes[operands[0]]
        self.read.update(operands)
        if operator == "Concat":
            shape = (1, 2 * channels, height, width)
        elif operator == "MaxPool":
            shape = (1, channels, height // 2, width // 2)
        elif operator == "Reshape":
            shape = (1, channels, width, height)
            operands = [*operands, self._store(np.array(shape))]
        elif operator == "Slice":  # the last channels
            shape = (1, channels // 2, height, width)
            bounds = ([channels - channels // 2], [channels], [1])
            operands = [*operands, *(self._store(np.array(b)) for b in bounds)]
        elif operator == "Conv":
            operands = [*operands, self._store(np.ones((channels, channels, 1, 1), np.float32))]
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, operands, [name], **attributes))
        self.shapes[name] = shape

    def model(self, also: list[str]) -> onnx.ModelProto:
        """Outputs: what nobody reads, and the values of `also`."""
        ends = [*(name for name in self.shapes if name not in self.read), *also]
        nodes = [helper.make_node("Identity", [v], [f"out{n}"]) for n, v in enumerate(ends)]
        float_ = helper.make_tensor_value_info
        inputs = [float_(name, TensorProto.FLOAT, SHAPE) for name in INPUTS]
        outputs = [float_(f"out{n}", TensorProto.FLOAT, self.shapes[v]) for n, v in enumerate(ends)]
        graph = helper.make_graph([*self.nodes, *nodes], "net", inputs, outputs, self.stored)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def _store(self, array: np.ndarray) -> str:
        name = f"c{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(array, name))
        return name


@st.composite
def networks(draw: st.DrawFn) -> onnx.ModelProto:
    """A random graph; besides its ends any value may be an output, even twice, or an input."""
    graph = Growing()
    for _ in range(draw(st.integers(2, 12))):
        operator = draw(st.sampled_from([*UNARY, *BINARY]))
        fitting = [
            name
            for name, (_, channels, height, width) in graph.shapes.items()
            if not (operator == "Concat" and channels > 16)
            and not (operator == "MaxPool" and min(height, width) < 2)
            and not (operator == "Slice" and channels < 2)
        ]
        first = draw(st.sampled_from(fitting))
        if operator in UNARY:
            graph.add(operator, [first], UNARY[operator])
        else:
            same = [name for name in fitting if graph.shapes[name] == graph.shapes[first]]
            graph.add(operator, [first, draw(st.sampled_from(same))], BINARY[operator])
    also = draw(st.lists(st.sampled_from(list(graph.shapes)), max_size=2))
    return graph.model(also or [f"v{len(graph.nodes) - 1}"])


def lower(model: onnx.ModelProto, folder: Path) -> Lowered:
    path = folder / "net.onnx"
    onnx.save(model, path)
    return nets.lower(frontends.load("ONNX", path, None))


class Memory:
    """An arena that remembers what was written to every byte, and main as it should run: a kernel
    writes numbers that were never seen before.
    """

    def __init__(self, lowered: Lowered, plan: Plan) -> None:
        self.lowered, self.plan = lowered, plan
        self.arena = np.full(plan.arena_bytes, -1)
        self.fresh = 0

    def bytes_of(self, number: int) -> np.ndarray:
        buffer = self.plan.buffers[number]
        return self.arena[buffer.offset : buffer.offset + buffer.nbytes]

    def write(self, number: int) -> np.ndarray:
        """What stands in the buffer now."""
        where = self.bytes_of(number)
        where[:] = np.arange(self.fresh, self.fresh + len(where))
        self.fresh += len(where)
        return where.copy()

    def run_twice(self) -> None:
        """Inputs keep their data from one run to the next."""
        main = self.lowered.main
        inputs = zip(main.params, self.plan.inputs, strict=True)
        given = {param: self.write(number) for param, number in inputs}
        for _ in range(2):
            self.run(dict(given))

    def run(self, known: dict[relax.Var, np.ndarray]) -> None:
        """Every call finds what it reads as it was written."""
        calls = iter(self.plan.calls)
        for binding in self.lowered.main.body.blocks[0].bindings:
            value = binding.value
            if isinstance(value, relax.Tuple):
                for field, number in zip(value.fields, self.plan.outputs, strict=True):
                    np.testing.assert_array_equal(self.bytes_of(number), known[field])
            elif isinstance(value.op, GlobalVar):
                *read, written = next(calls).arguments
                for operand, number in zip(value.args, read, strict=True):
                    if self.plan.buffers[number].space == "arena":
                        np.testing.assert_array_equal(self.bytes_of(number), known[operand])
                known[binding.var] = self.write(written)
            else:
                known[binding.var] = self.named(value, binding.var, known)
        for param, number in zip(self.lowered.main.params, self.plan.inputs, strict=True):
            np.testing.assert_array_equal(self.bytes_of(number), known[param])

    def named(
        self, call: relax.Call, var: relax.Var, known: dict[relax.Var, np.ndarray]
    ) -> np.ndarray:
        operands = operands_of(call)
        if operator_of(call) == "neoc.join":
            return np.concatenate([known[part] for part in operands])
        if operator_of(call) == "neoc.part":
            start = integers(operands[1])[0] * np.dtype(dtype_of(var)).itemsize
            return known[operands[0]][start : start + nbytes(var)]
        return known[operands[0]]


def overlap(a: Buffer, b: Buffer) -> bool:
    same_space = a.space == b.space
    return same_space and a.offset < b.offset + b.nbytes and b.offset < a.offset + a.nbytes


def check_in_place(lowered: Lowered, made: Plan) -> None:
    """A kernel writes over what it reads only where it said that it may, and then exactly there."""
    for call in made.calls:
        *read, written = (made.buffers[number] for number in call.arguments)
        allowed = in_place(lowered.kernels[call.kernel])
        for position, operand in enumerate(read):
            if overlap(operand, written):
                assert position in allowed
                assert (operand.offset, operand.nbytes) == (written.offset, written.nbytes)


@settings(max_examples=120)
@given(model=networks())
def test_nothing_is_overwritten_before_it_was_read(model: onnx.ModelProto) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        lowered = lower(model, folder)
        made = plan.make(lowered, folder)
        Memory(lowered, made).run_twice()
        check_in_place(lowered, made)
        assert len(set(made.inputs)) == len(INPUTS)
        assert not set(made.inputs) & set(made.outputs)
        assert all(made.buffers[n].space == "arena" for n in (*made.inputs, *made.outputs))
        constants = made.constants.stat().st_size
        for buffer in made.buffers:
            assert buffer.offset % VECTOR == 0
            end = made.arena_bytes if buffer.space == "arena" else constants
            assert buffer.offset + buffer.nbytes <= end


@settings(max_examples=10)
@given(model=networks())
def test_the_same_network_gives_the_same_plan(model: onnx.ModelProto) -> None:
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        plans = [plan.make(lower(model, Path(name)), Path(name)) for name in (one, other)]
        constants = [made.constants.read_bytes() for made in plans]
        assert constants[0] == constants[1]
        assert replace(plans[0], constants=Path()) == replace(plans[1], constants=Path())


def chain(steps: int) -> str:
    """Kernels one after the other that do not fuse, each of one operand."""
    lines = [f"t{n + 1} = Softmax <axis = {(-1, 1)[n % 2]}> (t{n})" for n in range(steps)]
    return f"""<ir_version: 8, opset_import: ["": 17]>
net (float[64, 64] t0) => (float[64, 64] t{steps}) {{ {" ".join(lines)} }}"""


@pytest.mark.parametrize("steps", [4, 9])
def test_the_arena_does_not_grow_with_the_depth(tmp_path: Path, steps: int) -> None:
    made = plan.make(nets.lower(nets.load(chain(steps), tmp_path)), tmp_path)
    assert len(made.calls) == steps
    assert made.arena_bytes == 3 * 64 * 64 * 4  # the input's place, and two in turns


def test_equal_constants_are_stored_once(tmp_path: Path) -> None:
    numbers = ", ".join(["2.5"] * 64)
    text = f"""<ir_version: 8, opset_import: ["": 17]>
    net (float[8, 8] x) => (float[8, 8] y)
    <float[8, 8] a = {{{numbers}}}, float[8, 8] b = {{{numbers}}}>
    {{ p = MatMul(x, a) q = MatMul(p, b) y = Softmax(q) }}"""
    made = plan.make(nets.lower(nets.load(text, tmp_path)), tmp_path)
    assert made.constants.stat().st_size == 256
    assert sum(buffer.space == "constant" for buffer in made.buffers) == 1


def test_a_constant_behind_an_empty_one_has_a_buffer_of_its_own(tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["": 17]>
    net (float[2] x) => (float[0, 1] none, float[2] some)
    <float[0, 1] none = {}, float[2] some = {1, 2}> { unread = Relu(x) }"""
    made = plan.make(nets.lower(nets.load(text, tmp_path)), tmp_path)
    assert [b.elements for b in made.buffers if b.space == "constant"] == [0, 2]


def test_a_sum_takes_the_place_of_what_it_adds_to(tmp_path: Path) -> None:
    """As in every residual network: the operand is read last where the sum is written."""
    weight = ", ".join(["0.5"] * 64)
    text = f"""<ir_version: 8, opset_import: ["": 17]>
    net (float[1, 8, 6, 6] x) => (float[1, 8, 6, 6] y)
    <float[8, 8, 1, 1] w = {{{weight}}}>
    {{ a = Conv(x, w) b = Conv(a, w) c = Conv(b, w) d = Add(c, a)
       e = Conv(d, w) f = Conv(e, w) g = Add(f, d) y = Conv(g, w) }}"""
    lowered = nets.lower(nets.load(text, tmp_path))
    made = plan.make(lowered, tmp_path)
    Memory(lowered, made).run_twice()
    first, second = (call for call in made.calls if "add" in call.kernel)
    for call in (first, second):
        *read, written = (made.buffers[number] for number in call.arguments)
        assert written.offset == read[-1].offset
        assert written.offset != read[0].offset
