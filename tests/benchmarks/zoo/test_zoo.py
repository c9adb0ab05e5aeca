"""The zoo: a model of any family is compiled by the command and judged; what fails is told."""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import parser

from benchmarks.models import FetchError
from benchmarks.zoo import families, zoo
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
    assert [row["name"] for row in json.loads(path.read_text())["rows"]] == [*makers]


def test_the_zoo_is_as_large_as_it_says() -> None:
    counts = {family: len(rows) for family, rows in families.FAMILIES.items()}
    assert counts == {"mxnet": 20, "torch": 15, "forests": 40}
    assert options("--family", "forests", "--limit", "2").limit == 2


@pytest.mark.parametrize("name", ["RandomForestClassifier", "IsolationForest"])
def test_a_forest_is_trained_and_answers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = families.estimator(name)
    assert made.source.is_file() and len(made.outputs) == 2
    assert all(len(output) == len(made.inputs["input"]) for output in made.outputs)
