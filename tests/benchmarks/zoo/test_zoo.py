"""The zoo: a model of any family is compiled by the command and judged; what fails is told."""

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import parser

from benchmarks import environments
from benchmarks.models import FetchError
from benchmarks.zoo import families, forests, zoo
from benchmarks.zoo import sample as samples
from benchmarks.zoo.sample import Sample

NEGATE = '<ir_version: 8, opset_import: ["" : 17]> g (float[3] x) => (float[3] y) { y = Neg(x) }'


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    onnx.save(parser.parse_model(NEGATE), tmp_path / "model.onnx")
    x = np.arange(3, dtype=np.float32)
    return Sample("ONNX", tmp_path / "model.onnx", '{"x": [3]}', {"x": x}, (-x,))


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    zoo.add_options(parser)
    return parser.parse_args(arguments)


def test_every_model_has_its_line_and_is_counted(
    sample: Sample,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def absent() -> Sample:
        raise FetchError("there is no network")

    wrong = Sample(sample.framework, sample.source, sample.config, sample.inputs, (np.ones(3),))
    makers = {"right": lambda: sample, "absent": absent, "wrong": lambda: wrong}
    monkeypatch.setattr(zoo, "FAMILIES", {"nets": makers})
    path = tmp_path / "rows.json"
    chosen = argparse.Namespace(family=None, limit=None, skip=0, json=path)
    assert zoo.run(chosen) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("| nets | right | ") and lines[2].endswith(" | 0e+00 |")
    assert lines[3] == "| nets | absent | there is no network |"
    assert "differs from the framework's by" in lines[4] and lines[-1] == "1 of 3 pass"
    assert lines[-3].startswith("| nets | 1 of 3 | ") and lines[-3].endswith(
        " | 0e+00 | 0e+00 |  |"
    )
    assert [row["name"] for row in json.loads(path.read_text())["rows"]] == [*makers]


def test_the_zoo_is_as_large_as_it_says() -> None:
    counts = {family: len(rows) for family, rows in families.FAMILIES.items()}
    assert counts == {"mxnet": 20, "keras": 15, "tflite": 10, "torch": 15, "forests": 40}
    assert options("--family", "forests", "--limit", "2").limit == 2


def test_every_xgboost_has_its_share_of_the_forests() -> None:
    boosters = list(forests.rows())
    assert {(row.version, row.form) for row in boosters} == set(forests.FORMS)
    # Which came with 1.7.
    assert not [r for r in boosters if r.version == "0.90" and r.objective == "reg:absoluteerror"]
    for version in environments.XGBOOSTS:
        assert len({row.objective for row in boosters if row.version == version}) > 2


def test_a_script_makes_a_model_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls: list[list[str]] = []

    def run(command: list[str], why: str) -> None:
        calls.append(command)
        samples.keep(Path(command[5]), {"x": np.ones(2)}, [np.zeros(3), np.ones(1)])

    monkeypatch.setattr(environments, "run", run)
    for _ in range(2):
        place, inputs, outputs = samples.made("family", "net.h5", lambda: tmp_path, "gluon", "a")
        assert place.name == "net.h5" and [*inputs] == ["x"]
        assert [len(output) for output in outputs] == [3, 1]
    assert [command[4:] for command in calls] == [["benchmarks.zoo.gluon", str(place), "a"]]
    other, *_ = samples.made(
        "family", "net.h5", lambda: tmp_path, "gluon", "a", imported=["keras_nets"]
    )
    assert other != place and len(calls) == 2


def test_of_a_quantised_model_the_distance_is_told(sample: Sample, tmp_path: Path) -> None:
    near = dataclasses.replace(sample, outputs=(np.array([0, -1, -2.2]),), quantised=True)
    row = zoo.judged("nets", "near", lambda: near)
    assert not row.why and row.error == pytest.approx(0.2 / 2.2)


@pytest.mark.parametrize("name", ["RandomForestClassifier", "IsolationForest"])
def test_a_forest_is_trained_and_answers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = forests.estimator(name)
    assert made.source.is_file() and len(made.outputs) == 2
    assert all(len(output) == len(made.inputs["input"]) for output in made.outputs)
