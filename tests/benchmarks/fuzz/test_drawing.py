"""benchmarks/fuzz/drawing.py: what a graph takes in, and what it declines."""

import numpy as np
import pytest

from benchmarks.fuzz.drawing import Drawing, bound, model_of
from benchmarks.fuzz.oracle import Declined, session_of

X = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


@pytest.fixture
def g() -> Drawing:
    return Drawing(1, 21, "g_")


def test_a_node_is_computed_at_once(g: Drawing) -> None:
    y = g.node("ReduceSum", g.input(X), g.constant([1], "int64"), keepdims=0)
    assert y.array.tolist() == [6, 15]
    assert y.shaken.tolist() != [6, 15]
    np.testing.assert_allclose(y.shaken, y.array, rtol=1e-5)
    assert 0 < bound(y) < 1e-3


def test_what_has_no_clear_answer_is_declined(g: Drawing) -> None:
    x = g.input(X)
    for op, other in [("Div", 0), ("Mul", 1e6), ("Pow", 300)]:  # infinite, large
        with pytest.raises(Declined):
            g.node(op, x, g.constant(other, "float32"))
    third = g.node("Div", x, g.constant(3, "float32"))
    with pytest.raises(Declined):  # a third times three may be less than one
        g.node("Less", g.node("Mul", third, g.constant(3, "float32")), x)
    with pytest.raises(Declined):
        g.node("NoSuch", x)
    assert [node.op_type for node in g.nodes] == ["Div", "Mul"]


def test_integers_and_copies_are_exact(g: Drawing) -> None:
    x = g.input(np.arange(6))
    assert bound(g.node("Add", x, x)) == 0
    assert g.node("Equal", x, x).array.all()


def test_graphs_share_a_model(g: Drawing) -> None:
    other = Drawing(2, 21, "h_")
    graphs = [d.graph([d.node("Neg", d.input(X))]) for d in (g, other)]
    model = model_of(graphs)
    feed = {n: a for graph in graphs for n, a in graph.feed.items()}
    for answer in session_of(model).run(None, feed):
        np.testing.assert_array_equal(answer, -X)


def test_what_is_about_to_jump_is_declined(g: Drawing) -> None:
    halves = g.node("Mul", g.input(X), g.constant(0.5, "float32"))
    scale, zero = g.constant(0.1, "float32"), g.constant(3, "uint8")
    g.node("QuantizeLinear", g.node("Mul", halves, g.constant(0.17, "float32")), scale, zero)
    for factor in (0.1, 0.3):  # ties of some elements
        with pytest.raises(Declined):
            g.node("QuantizeLinear", g.node("Mul", halves, g.constant(factor, "float32")), scale)
