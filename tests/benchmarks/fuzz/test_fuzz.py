"""benchmarks/fuzz/fuzz.py: the command, and what it leaves of a failure."""

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.fuzz import fuzz, judge, variants
from benchmarks.fuzz.draw import draw
from benchmarks.fuzz.drawing import Graph
from benchmarks.fuzz.judge import Case, Outcome


def test_the_command_counts_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "outcomes.json"
    options = Namespace(graphs=2, seed=0, processes=2, json=file, failures=tmp_path / "failures")
    assert fuzz.run(options) == 0
    assert "2 graphs" in capsys.readouterr().out
    rows = json.loads(file.read_text())["outcomes"]
    assert {judge.outcome(row).state for row in rows} == {"right"}
    assert not (tmp_path / "failures").exists()


def test_a_failure_is_made_small_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(some: list[Case], variant: variants.Variant) -> list[Outcome]:
        graph = some[0].graph
        bad = any(node.op_type == kind for node in graph.nodes)
        return [Outcome(graph.seed, "", variant, "wrong" if bad else "right", "by a lot")]

    graph = draw(1, "g1_")
    kind = graph.nodes[len(graph.nodes) // 2].op_type
    monkeypatch.setattr(judge, "ended", ended)
    small, last = fuzz.smallest(Outcome(1, "", variants.USUAL, "wrong"))
    assert [node.op_type for node in small.nodes] == [kind] and last.reason == "by a lot"
    fuzz.write(small, last, tmp_path / "1")
    onnx.checker.check_model(onnx.load(tmp_path / "1" / "model.onnx"))
    assert set(np.load(tmp_path / "1" / "inputs.npz")) == set(small.inputs)
    assert set(np.load(tmp_path / "1" / "expected.npz")) == set(small.outputs)


def test_an_outcomes_graph_is_drawn_again() -> None:
    def names(graph: Graph) -> list[str]:
        return [node.op_type for node in graph.nodes]

    usual = fuzz.again(Outcome(3, "", variants.USUAL, "wrong"))
    twin = fuzz.again(Outcome(3, "twice", variants.USUAL, "wrong"))
    assert len(names(twin)) > len(names(usual))
