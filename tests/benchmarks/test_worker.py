"""benchmarks/worker.py: a rival as a process, and its last words."""

from pathlib import Path

import numpy as np
import onnx.parser
import pytest

from benchmarks.worker import Worker, WorkerError, memory

NET = """<ir_version: 8, opset_import: ["": 17]>
net (float[2] x) => (float[2] y) { y = Add(x, x) }"""
FEED = {"x": np.array([1, 2], np.float32)}


def test_a_rival_runs_answers_and_tells_its_memory(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(onnx.parser.parse_model(NET), path)
    with Worker("ort", path, FEED, 1) as worker:
        assert worker.title == "ONNX Runtime" and worker.ready.version.startswith("1.")
        assert worker.ready.load_ms > 0
        assert worker.answers()["y"].tolist() == [2, 4]
        times = worker.run(0.01)
        assert len(times) > 3 and all(time > 0 for time in times)
        assert worker.peak_bytes() > 0
    assert worker._process.poll() is not None


def test_a_rival_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"ONNX Runtime: .*none\.onnx"):
        with Worker("ort", tmp_path / "none.onnx", FEED, 1):
            pass


def test_a_rival_that_dies_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(onnx.parser.parse_model(NET), path)
    with Worker("ort", path, FEED, 1) as worker:
        worker._process.kill()
        worker._process.wait()
        with pytest.raises(WorkerError, match="status -9"):
            worker.run(1)


def test_memory() -> None:
    assert 0 < memory("VmRSS") <= memory("VmHWM")
    assert memory("VmNothing") == 0
