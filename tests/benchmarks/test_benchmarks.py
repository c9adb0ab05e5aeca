"""`python -m benchmarks`: its table, its JSON, and that wrong answers are never timed."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import models
from benchmarks.timing import Times
from compiler.errors import ServerError

OURS, THEIRS = Times(1.0, 2.0, 3.0, 10), Times(3.0, 4.0, 5.0, 10)
ROW = benchmarks.Row("net", OURS, THEIRS, 1e-6, 12.34, 2_000_000, 1_000_000, 5.0)


def test_a_row() -> None:
    assert ROW.ratio == 0.5
    cells = ["net", "2.00", "1.00", "4.00", "3.00", "0.50", "12.3", "2.00", "1.00", "5.0"]
    assert list(ROW.cells()) == cells
    assert len(cells) == len(benchmarks.HEAD)


def test_answers_are_compared_output_by_output() -> None:
    theirs = {"a": np.ones(3, np.float32), "b": np.zeros(3, np.float32)}
    assert benchmarks.compare(theirs, theirs) == 0
    with pytest.raises(ServerError, match="output 'b'"):
        benchmarks.compare({**theirs, "b": np.ones(3, np.float32)}, theirs)
    with pytest.raises(benchmarks.Wrong, match="has the outputs"):
        benchmarks.compare({"a": theirs["a"]}, theirs)


def test_names_of_networks() -> None:
    assert benchmarks._nets("all") == list(models.ROWS)
    assert set(benchmarks.NETS) <= set(models.ROWS)
    with pytest.raises(SystemExit, match="no such network: teapot; known: resnet50, "):
        benchmarks._nets("magika,teapot")


def test_a_failure_is_told_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(net: str, threads: int, seconds: float) -> benchmarks.Row:
        if net == "magika":
            raise benchmarks.Wrong("no kernel")
        return ROW

    monkeypatch.setattr(benchmarks, "measure", measure)
    assert benchmarks.main(["--nets", "magika,resnet50"]) == 1
    out, err = capsys.readouterr()
    assert err == "magika: no kernel\n"
    assert out.splitlines()[2].startswith("| net | 2.00 |")


@pytest.mark.slow
def test_a_small_network_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmarks, "FOLDER", tmp_path / "cache")
    command = ["--nets", "magika", "--seconds", "0.1", "--json", str(tmp_path / "new" / "r.json")]
    assert benchmarks.main(command) == 0, capsys.readouterr().err
    written = json.loads((tmp_path / "new" / "r.json").read_text())
    [row] = written["rows"]
    assert row["net"] == "magika" and row["relative"] < 1e-3
    assert row["neoc"]["median_ms"] > 0 and row["ratio"] > 0 and row["load_ms"] > 0
    assert row["model_bytes"] == models.fetch("magika").stat().st_size
    assert written["threads"] == 2 and "onnxruntime" in written["versions"]
    made = (tmp_path / "cache" / "magika-host.tar.gz").stat().st_mtime_ns
    monkeypatch.setattr(benchmarks, "_changed", lambda: 0.0)
    assert benchmarks.main(command) == 0
    assert (tmp_path / "cache" / "magika-host.tar.gz").stat().st_mtime_ns == made
