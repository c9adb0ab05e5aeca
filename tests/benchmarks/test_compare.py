"""`python -m benchmarks cpu` and `models`: table, JSON, and that wrong answers are never timed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper, parser

from benchmarks import __main__ as command
from benchmarks import artifacts, compare, suite
from benchmarks.timing import Times
from compiler.errors import ServerError


def rival(median_ms: float) -> compare.Rival:
    return compare.Rival(Times(median_ms / 2, median_ms, 9.0, 10), 5.0, 7_000_000)


ROW = compare.Row(
    "net", {"neoc": rival(2), "ort": rival(4), "openvino": rival(3)}, 1e-6, 12.34, 2_000_000
)


def test_a_row_is_beside_the_best_peer() -> None:
    assert ROW.ratio("median_ms") == ROW.ratio("min_ms") == 1.5
    cells = ["net", "2 (1)", "4 (2)", "3 (1.5)", "1.50 (1.50)", "12.3", "2.0", "5.0", "7 | 7 | 7"]
    assert list(ROW.cells()) == cells
    better = compare.Row("other", {"neoc": rival(1), "ort": rival(6)}, 0, 1, 1)
    assert "2 networks: 3.000 (3.000)" in compare.mean([ROW, better])
    assert compare.mean([]) == "no figures"


def test_answers_are_compared_output_by_output() -> None:
    theirs = {"a": np.ones(3, np.float32), "b": np.zeros(3, np.float32)}
    assert compare.compare(theirs, theirs) == 0
    with pytest.raises(ServerError, match="output 'b'"):
        compare.compare({**theirs, "b": np.ones(3, np.float32)}, theirs)
    with pytest.raises(artifacts.Wrong, match="the outputs are"):
        compare.compare({"a": theirs["a"]}, theirs)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["models", "--nets", "magika,teapot"], "no such network: teapot"),
        (["cpu", "--nets", "magika"], "no such network: magika"),
        (["cpu", "--peers", "ort,neoc"], "no such peer: neoc"),
        (["cpu", "--tune", "9", "--no-tune"], "not allowed with"),
        (["kernels", "teapot"], "invalid choice"),
        ([], "required"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert why in capsys.readouterr().err


def test_a_failure_is_told_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(net: artifacts.Network, how: artifacts.How, *_: Any) -> compare.Row:
        assert how.tune_s == 7
        if net.name == "lstm":
            raise artifacts.Wrong("no kernel")
        return ROW

    monkeypatch.setattr(compare, "measure", measure)
    monkeypatch.setattr(suite, "fetch", lambda name: Path(f"{name}.onnx"))
    path = tmp_path / "new" / "figures.json"
    nets = ["--nets", "lstm,minilm", "--json", str(path)]
    assert command.main(["cpu", *nets, "--tune", "7"]) == 1
    out, err = capsys.readouterr()
    assert err == "lstm: no kernel\n"
    assert out.splitlines()[2].startswith("| net | 2 (1) |")
    written = json.loads(path.read_text())
    assert written["tune_s"] == 7 and written["threads"] == 2 and written["date"]
    assert written["rows"][0]["ratio"] == 1.5 and "1 networks" in written["summary"]
    assert written["rows"][0]["rivals"]["ort"]["times"]["median_ms"] == 4


@pytest.mark.slow
def test_memory_and_loading_are_the_networks_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights are in memory once, whoever measures; a rival's library does not count."""
    monkeypatch.setattr(artifacts, "FOLDER", tmp_path / "cache")
    weights = np.random.default_rng(0).random((2048, 2048), np.float32)
    graph = parser.parse_graph("net (float[2, 2048] x) => (float[2, 2048] y) { y = MatMul(x, w) }")
    graph.initializer.append(numpy_helper.from_array(weights, "w"))
    onnx.save(helper.make_model(graph), tmp_path / "net.onnx")
    net = artifacts.Network("net", tmp_path / "net.onnx", {"x": np.ones((2, 2048), np.float32)})
    how, versions = artifacts.How(1, 0, False), dict[str, str]()
    row = compare.measure(net, how, ["neoc", "ort"], 0.1, versions)
    for kind, most in (("neoc", 1.5), ("ort", 4)):
        assert weights.nbytes < row.rivals[kind].memory_bytes < most * weights.nbytes
    assert 0 < row.rivals["neoc"].load_ms < row.rivals["ort"].load_ms < 60_000


@pytest.mark.slow
def test_a_small_network_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(artifacts, "FOLDER", tmp_path / "cache")
    path = tmp_path / "figures.json"
    arguments = ["models", "--nets", "magika", "--seconds", "0.1", "--peers", "ort"]
    fresh = ["--no-tune", "--no-records"]
    assert command.main([*arguments, *fresh, "--json", str(path)]) == 0, capsys.readouterr().err
    written = json.loads(path.read_text())
    [row] = written["rows"]
    assert row["net"] == "magika" and row["relative"] < 1e-3 and row["compile_s"] > 0
    assert set(row["rivals"]) == {"neoc", "ort"} and written["versions"]["ONNX Runtime"]
    for rival in row["rivals"].values():
        assert rival["times"]["median_ms"] > 0
        assert rival["load_ms"] > 0 and rival["memory_bytes"] > 1e6
    [archive] = (tmp_path / "cache").rglob("*.tar.gz")
    made = archive.stat().st_mtime_ns
    monkeypatch.setattr(artifacts, "_changed", lambda: 0.0)
    arguments = ["kernels", "magika", *fresh, "--seconds", "0.1", "--json", str(path)]
    assert command.main(arguments) == 0
    assert archive.stat().st_mtime_ns == made
    out = capsys.readouterr().out
    assert "% FMA" in out and "magika, 2-default-fresh: " in out
    calls = json.loads(path.read_text())["calls"]
    assert sum(call["share"] for call in calls) == pytest.approx(1)
    assert any(call["flops"] for call in calls) and all(call["layers"] for call in calls)
