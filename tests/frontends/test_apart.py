"""A framework's process: what it is given, and how its end is told. A stand-in takes its place."""

import json
from pathlib import Path

import numpy as np
import pytest

from frontends import apart
from frontends.model import ModelError

FOLDER = '"$3"'  # python -P confined.py FOLDER
CAFFE = apart.Framework(
    "CAFFE", "caffe", Path("/caffe.py"), "Cannot load.", "Cannot convert.", "coffee"
)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_is_there", lambda _: True)


def process(folder: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> apart.Process:
    """A Python that is a shell script."""
    python = folder / "python"
    python.write_text(f"#!/bin/sh\ncd {FOLDER}\n{does}\n")
    python.chmod(0o700)
    monkeypatch.setattr(apart, "PYTHON", str(python))
    return apart.Process(CAFFE, folder / "model", ["caffe"], kind="net")


def test_the_extra_is_named_where_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_is_there", lambda name: name == "caffe")
    with pytest.raises(ModelError, match=r"need b and c, which.*: pip install 'neoc\[coffee\]'"):
        apart.Process(CAFFE, tmp_path / "model", ["caffe", "b", "c"])
    assert not list(tmp_path.iterdir())


def test_it_gets_the_job_and_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    one = process(tmp_path, monkeypatch, "env > seen; cp job.json said.json")
    said = one.run("export", names=["x"])
    assert said == {
        "model": str(tmp_path / "model"), "script": "/caffe.py", "kind": "net", "step": "export",
        "names": ["x"],
    }  # fmt: skip
    seen = (one.folder / "seen").read_text()
    assert "secret" not in seen and f"HOME={one.folder}" in seen


@pytest.mark.parametrize(
    ("does", "text"),
    [
        ("kill -SEGV $$", r"^Cannot load\. .* of caffe ended: SIGSEGV"),
        ("exit 3", "ended: early"),
        ("sleep 60", "within 0.2 s"),
    ],
)
def test_an_end_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, text: str
) -> None:
    monkeypatch.setattr(apart, "LIMIT_S", 0.2 if does.startswith("sleep") else 10)
    with pytest.raises(ModelError, match=text):
        process(tmp_path, monkeypatch, f"exec {does}" if "sleep" in does else does).run("export")


def test_answers_run_by_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    does = "cp given.npz answers.npz; echo '{\"outputs\": 2}' > said.json"
    one = process(tmp_path, monkeypatch, does)
    runs: list[list[np.ndarray]] = [[np.arange(3), np.ones((2, 2))], [np.arange(4), np.zeros(1)]]
    for got, wanted in zip(one.answers(runs), runs, strict=True):
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(a, b)
    assert json.loads((one.folder / "job.json").read_text())["inputs"] == 2


def test_answers_that_it_cannot_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    does = 'echo \'{"failed": "answer", "why": "index out of range"}\' > said.json'
    with pytest.raises(ModelError, match="caffe cannot run the model: index out of range"):
        process(tmp_path, monkeypatch, does).answers([[np.ones(1)]])


def test_what_the_kernel_could_not_forbid_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [warning] = process(tmp_path, monkeypatch, "true").warnings({"free": ["the network"]})
    assert "from the network while caffe" in warning
