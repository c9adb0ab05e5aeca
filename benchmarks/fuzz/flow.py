"""Rows of control flow: small bodies of If and Loop that read values from outside."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from benchmarks.fuzz.drawing import Drawing, Value
from benchmarks.fuzz.elements import Row

STEPS = ("Relu", "Tanh", "Neg", "Abs", "Sigmoid", "Identity")


def is_small(value: Value) -> bool:
    return value.dtype == "float32" and 0 < value.array.size < 600


def body(g: Drawing, names: list[str], nodes: list[onnx.NodeProto], *given: str) -> str:
    """A few element-wise nodes over `names`. Returns the last's result."""
    last = g.chance.choice(names)
    for _ in range(g.chance.randint(1, 3)):
        made = g.name("inner")
        if g.chance.random() < 0.4:
            nodes.append(helper.make_node("Add", [last, g.chance.choice(names)], [made]))
        else:
            nodes.append(helper.make_node(g.chance.choice(STEPS), [last], [made]))
        last = made
    return last


def branch(g: Drawing, values: list[Value]) -> onnx.GraphProto:
    nodes: list[onnx.NodeProto] = []
    last = body(g, [v.name for v in values], nodes)
    made = onnx.helper.make_tensor_value_info(last, 1, values[0].shape)
    return helper.make_graph(nodes, g.name("branch"), [], [made])


def alternative(g: Drawing) -> None:
    x = g.pick(is_small)
    y = g.pick(lambda v: (v.dtype, v.shape) == (x.dtype, x.shape))
    if g.opset >= 18:
        total = g.node("ReduceSum", x, keepdims=0)
    else:
        total = g.node("ReduceSum", x, g.constant(np.arange(x.rank)), keepdims=0)
    condition = g.node("Greater", total, g.constant(g.chance.choice([0, 1]), "float32"))
    branches = {name: branch(g, [x, y]) for name in ("then_branch", "else_branch")}
    g.several("If", 1, condition, captured=[x, y], **branches)


def repeat(g: Drawing) -> None:
    """A value that every iteration changes, and perhaps a row collected of each."""
    x = g.pick(is_small)
    y = g.pick(lambda v: (v.dtype, v.shape) == (x.dtype, x.shape))
    step, go, carried = g.name("step"), g.name("go"), g.name("carried")
    nodes: list[onnx.NodeProto] = []
    changed = body(g, [carried, carried, y.name], nodes)
    half, on = g.name("half"), g.name("on")
    nodes.append(helper.make_node("Tanh", [changed], [half]))
    nodes.append(helper.make_node("Identity", [go], [on]))
    made = [
        helper.make_tensor_value_info(on, 9, []),
        helper.make_tensor_value_info(half, 1, x.shape),
    ]
    if collects := g.chance.random() < 0.4:
        row = g.name("row")
        nodes.append(helper.make_node("Neg", [half], [row]))
        made.append(helper.make_tensor_value_info(row, 1, x.shape))
    given = [
        helper.make_tensor_value_info(step, 7, []),
        helper.make_tensor_value_info(go, 9, []),
        helper.make_tensor_value_info(carried, 1, x.shape),
    ]
    graph = helper.make_graph(nodes, g.name("body"), given, made)
    count = g.constant(g.chance.randint(1, 4), "int64")
    if not collects and g.chance.random() < 0.5:
        count = g.input(np.asarray(g.chance.randint(0, 4)))
    on_first = g.constant(True) if g.chance.random() < 0.5 else None
    g.several("Loop", 1 + collects, count, on_first, x, captured=[y], body=graph)


ROWS: tuple[Row, ...] = ((1, alternative), (1, repeat))
