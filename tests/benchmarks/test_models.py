"""The table of real models, and fetching one."""

import hashlib
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from benchmarks import models


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "neoc" / "models"


@pytest.mark.parametrize("row", models.LIGHT, ids=lambda row: row.name)
def test_the_installed_ones_are_those_of_the_table(row: models.Row) -> None:
    graph = onnx.load(models.fetch(row.name)).graph
    weights = {tensor.name for tensor in graph.initializer}
    shapes = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in graph.input
        if value.name not in weights
    }
    assert shapes == row.inputs


@pytest.mark.parametrize("row", models.ROWS.values(), ids=lambda row: row.name)
def test_a_feed_is_the_same_for_the_same_seed(row: models.Row) -> None:
    first, again, other = row.feed(1), row.feed(1), row.feed(2)
    for name, shape in row.inputs.items():
        assert first[name].shape == shape and first[name].dtype == row.dtype
        assert np.array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])


def fake_pip(monkeypatch: pytest.MonkeyPatch, contents: dict[str, bytes]) -> list[list[str]]:
    """Stands for `pip download`: writes a wheel with these contents."""
    commands = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        wheel = Path(command[command.index("--dest") + 1], "fake-1.0-py3-none-any.whl")
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, content in contents.items():
                archive.writestr(path, content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def two_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(models.TRAINED[0], package="fake==1.0")
    rows = [
        replace(row, name=name, path=f"fake/{name}.onnx", sha256=hashlib.sha256(b).hexdigest())
        for name, b in (("one", b"1"), ("two", b"2"))
    ]
    monkeypatch.setattr(models, "ROWS", {row.name: row for row in rows})


def test_one_download_serves_all_models_of_a_package(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_rows(monkeypatch)
    commands = fake_pip(monkeypatch, {"fake/one.onnx": b"1", "fake/two.onnx": b"2"})
    assert models.fetch("one").read_bytes() == b"1"
    assert models.fetch("two") == cache / "two.onnx"
    assert len(commands) == 1 and commands[0][-1] == "fake==1.0"
    assert sorted(path.name for path in cache.iterdir()) == ["one.onnx", "two.onnx"]


def test_a_model_with_another_hash_is_refused_and_not_kept(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_rows(monkeypatch)
    fake_pip(monkeypatch, {"fake/one.onnx": b"forged", "fake/two.onnx": b"2"})
    with pytest.raises(models.FetchError, match="not the model one"):
        models.fetch("one")
    assert list(cache.iterdir()) == []


def test_a_kept_model_is_checked_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_rows(monkeypatch)
    cache.mkdir(parents=True)
    (cache / "one.onnx").write_bytes(b"damaged")
    with pytest.raises(models.FetchError, match="Delete it"):
        models.fetch("one")


def test_pips_own_words_are_passed_on(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_rows(monkeypatch)
    failed: Any = subprocess.CompletedProcess([], 1, "", "ERROR: no network\n")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(models.FetchError, match=r"fake==1\.0: ERROR: no network"):
        models.fetch("one")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["basic_pitch", "ppocr_cls"])
def test_a_real_package_gives_the_model_of_the_table(name: str) -> None:
    assert onnx.load(models.fetch(name)).graph.input[0].name in models.ROWS[name].inputs
