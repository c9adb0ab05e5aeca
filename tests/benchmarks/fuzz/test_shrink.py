"""benchmarks/fuzz/shrink.py: parts of graphs, and the smallest that fails."""

import numpy as np

from benchmarks.fuzz.drawing import Drawing, Graph, model_of
from benchmarks.fuzz.oracle import session_of
from benchmarks.fuzz.shrink import part, shrunk


def chain() -> Graph:
    g = Drawing(0, 21, "g_")
    x = g.input(np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4))
    for op in ("Abs", "Exp", "Neg", "Erf", "Tanh"):
        x = g.node(op, x)
    return g.graph([x, g.values[2]])


def ops(graph: Graph) -> list[str]:
    return [node.op_type for node in graph.nodes]


def test_a_part_is_a_graph_with_the_values_of_the_whole() -> None:
    graph = part(chain(), frozenset({1, 3}))
    assert ops(graph) == ["Exp", "Erf"] and len(graph.inputs) == 2
    answers = session_of(model_of([graph])).run(None, dict(graph.feed))
    for name, answer in zip(graph.outputs, answers, strict=True):
        np.testing.assert_array_equal(answer, graph.known[name])


def test_only_what_fails_is_left() -> None:
    alone = shrunk(chain(), lambda graph: "Neg" in ops(graph))
    assert ops(alone) == ["Neg"] and len(alone.outputs) == 1
    both = shrunk(chain(), lambda graph: {"Abs", "Tanh"} <= set(ops(graph)))
    assert ops(both) == ["Abs", "Tanh"]
