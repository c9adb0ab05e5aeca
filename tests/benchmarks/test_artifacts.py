"""Compiling for the benchmarks: the command, what is kept, and why it failed."""

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import artifacts
from benchmarks.artifacts import How, Network, Wrong, compiled
from compiler import knobs

FEED = {"x": np.zeros((1, 3), np.float32)}


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    monkeypatch.setattr(artifacts, "FOLDER", tmp_path / "cache")
    return Network("net", tmp_path / "models" / "net.onnx", FEED)


def compiler(monkeypatch: pytest.MonkeyPatch, result: dict[str, Any], status: int) -> list[Any]:
    """Stands for the command: the arguments of its calls, and the CPUs it had."""
    calls: list[Any] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append((command, len(os.sched_getaffinity(0))))
        folder = Path(command[command.index("--output") + 1])
        if not status:
            (folder / "net-host.tar.gz").write_bytes(b"")
        return subprocess.CompletedProcess(command, status, json.dumps(result), "")

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_an_artifact_is_made_once_for_each_way(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = compiler(monkeypatch, {"seconds": 1.5}, 0)
    monkeypatch.setattr(artifacts, "_changed", lambda: 0.0)
    before = os.sched_getaffinity(0)
    archive, said = compiled(net, How(1, 0, False))
    assert said == {"seconds": 1.5} and archive.exists()
    assert compiled(net, How(1, 0, False)) == (archive, said)
    assert len(calls) == 1
    assert compiled(net, How(1, 60, True))[0] != archive
    (first, cpus), (second, _) = calls
    assert first[-2:] == ["--no-tune", "--no-records"] and second[-2:] == ["--tune", "60"]
    assert json.loads(first[first.index("--data-input-config") + 1]) == {"x": [1, 3]}
    assert cpus == 1 and os.sched_getaffinity(0) == before


def test_a_changed_compiler_compiles_again(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = compiler(monkeypatch, {}, 0)
    monkeypatch.setattr(artifacts, "_changed", lambda: float("inf"))
    compiled(net, How(1, 0, False))
    compiled(net, How(1, 0, False))
    assert len(calls) == 2


def test_the_compilers_own_words_are_passed_on(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler(monkeypatch, {"reason": "no kernel"}, 2)
    with pytest.raises(Wrong, match="no kernel"):
        compiled(net, How(1, 0, False))
    compiler(monkeypatch, {}, 9)
    with pytest.raises(Wrong, match="status 9"):
        compiled(net, How(1, 0, False))


def test_new_records_make_another_default(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = tmp_path / "records.jsonl"
    records.write_text("")
    monkeypatch.setattr(knobs, "current", lambda: SimpleNamespace(records=records))
    monkeypatch.setattr(artifacts, "_changed", lambda: 0.0)
    assert How(1, 0, True).changed == records.stat().st_mtime
    assert How(1, 60, True).changed == How(1, 0, False).changed == 0
