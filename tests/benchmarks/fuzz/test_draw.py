"""benchmarks/fuzz/draw.py and its rows: graphs that ONNX Runtime runs as they were computed."""

from collections import Counter

import numpy as np
import onnx
import pytest

from benchmarks.fuzz.draw import FAMILIES, draw, opset_of
from benchmarks.fuzz.drawing import Drawing, Graph, model_of
from benchmarks.fuzz.images import crops
from benchmarks.fuzz.oracle import Declined, session_of

SEEDS = range(60)


@pytest.fixture(scope="module")
def graphs() -> list[Graph]:
    return [draw(seed, "g_") for seed in SEEDS]


def test_whole_graphs_give_what_their_nodes_gave(graphs: list[Graph]) -> None:
    ran = 0
    for graph in graphs:
        model = model_of([graph])
        try:
            session = session_of(model)
        except Exception as error:  # types for which only the reference evaluator has a kernel
            assert "NOT_IMPLEMENTED" in str(error)
            continue
        ran += 1
        for name, answer in zip(graph.outputs, session.run(None, dict(graph.feed)), strict=True):
            known = graph.known[name]
            wide = answer.astype("float64")  # of halves it may round less in a whole graph
            np.testing.assert_allclose(wide, known, atol=graph.bounds[name], rtol=0)
            assert answer.dtype == known.dtype
    assert ran > 0.8 * len(graphs)


def test_a_seed_gives_the_same_graph(graphs: list[Graph]) -> None:
    assert model_of([draw(7, "g_")]) == model_of([graphs[7]])


def test_graphs_are_of_many_kinds(graphs: list[Graph]) -> None:
    assert len({opset_of(seed) for seed in SEEDS}) > 3
    assert len({node.op_type for graph in graphs for node in graph.nodes}) > 60
    sizes = Counter(len(graph.nodes) for graph in graphs)
    assert min(sizes) >= 1 and max(sizes) > 10
    for graph in graphs:
        onnx.checker.check_model(model_of([graph]))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_row_fits_some_graph(family: str) -> None:
    for _, row in FAMILIES[family]:
        assert any(_adds(row, seed) for seed in range(40)), row.__name__


def _adds(row: object, seed: int) -> bool:
    g = Drawing(seed, 21, "")
    for dtype in ("float32", "float32", "bool", "int64", "int32"):
        shape = [(1, 8, 6, 6), (2, 9, 5), (7, 4)][seed % 3]
        g.input(g.random(shape, dtype))
    try:
        row(g)  # type: ignore[operator]
    except Declined:
        return False
    return bool(g.nodes)


@pytest.mark.parametrize(
    ("strides", "auto_pad", "wanted"),
    [([2, 3], "SAME_LOWER", True), ([2, 2], "SAME_UPPER", False), ([3, 3], "VALID", False)],
)
def test_less_than_no_padding(strides: list[int], auto_pad: str, wanted: bool) -> None:
    assert crops([2, 2], strides, auto_pad) == wanted
    assert not crops([2, 2], auto_pad=auto_pad)
