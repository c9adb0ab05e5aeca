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

import frontends
from compiler import plan
from compiler.lowered import Lowered
from compiler.plan import Buffer, Plan
from tests.compiler import nets

SHAPE = (1, 8, 4, 4)
INPUTS = ("x0", "x1")
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
    """An arena that remembers which buffer every byte belongs to."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.owner = np.full(plan.arena_bytes, -1)

    def bytes_of(self, number: int) -> np.ndarray:
        buffer = self.plan.buffers[number]
        return self.owner[buffer.offset : buffer.offset + buffer.nbytes]

    def write(self, number: int) -> None:
        self.bytes_of(number)[:] = number

    def check(self, number: int) -> None:
        assert (self.bytes_of(number) == number).all(), f"buffer {number} was overwritten"

    def run_twice(self) -> None:
        """Inputs keep their data from one run to the next."""
        for number in self.plan.inputs:
            self.write(number)
        self.run()
        self.run()

    def run(self) -> None:
        """Every call finds what it reads as it was written."""
        for call in self.plan.calls:
            *read, written = call.arguments
            for number in read:
                if self.plan.buffers[number].space == "arena":
                    self.check(number)
            self.write(written)
        for number in (*self.plan.inputs, *self.plan.outputs):
            self.check(number)


def overlap(a: Buffer, b: Buffer) -> bool:
    same_space = a.space == b.space
    return same_space and a.offset < b.offset + b.nbytes and b.offset < a.offset + a.nbytes


def check_in_place(lowered: Lowered, made: Plan) -> None:
    """A kernel writes over what it reads only where it said that it may, and then exactly there."""
    for call in made.calls:
        *read, written = (made.buffers[number] for number in call.arguments)
        allowed = plan.in_place(lowered.kernels[call.kernel])
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
        Memory(made).run_twice()
        check_in_place(lowered, made)
        assert len(set(made.inputs)) == len(INPUTS)
        assert not set(made.inputs) & set(made.outputs)
        assert all(made.buffers[n].space == "arena" for n in (*made.inputs, *made.outputs))
        constants = made.constants.stat().st_size
        for buffer in made.buffers:
            assert buffer.offset % plan.ALIGNMENT == 0
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


def test_a_sum_takes_the_place_of_what_it_adds_to(tmp_path: Path) -> None:
    """As in every residual network: the operand is read last where the sum is written."""
    weight = ", ".join(["0.5"] * 64)
    text = f"""<ir_version: 8, opset_import: ["": 17]>
    net (float[1, 8, 6, 6] x) => (float[1, 8, 6, 6] y)
    <float[8, 8, 1, 1] w = {{{weight}}}>
    {{ a = Conv(x, w) b = Conv(a, w) c = Conv(b, w) d = Add(c, a)
       e = Conv(d, w) f = Conv(e, w) g = Add(f, d) y = Conv(g, w) }}"""
    made = plan.make(nets.lower(nets.load(text, tmp_path)), tmp_path)
    Memory(made).run_twice()
    first, second = (call for call in made.calls if "add" in call.kernel)
    for call in (first, second):
        *read, written = (made.buffers[number] for number in call.arguments)
        assert written.offset == read[-1].offset
        assert written.offset != read[0].offset
