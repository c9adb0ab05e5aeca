"""The table of the suite, and exporting a network on demand."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import environments, suite
from benchmarks.models import FetchError


@pytest.mark.parametrize("net", suite.NETS)
def test_a_feed_is_the_same_for_the_same_seed(net: str) -> None:
    first, again, other = suite.feed(net, 1), suite.feed(net, 1), suite.feed(net, 2)
    for name, value in suite.NETS[net].items():
        assert first[name].shape == value.shape
        assert first[name].dtype == (np.int64 if value.high else np.float32)
        assert np.array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Of the stand-in for the exporting environment, which writes what it is asked for."""
    ran: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        if "benchmarks.nets.export" in command:
            Path(command[3]).write_bytes(b"exported")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", run)
    return ran


def test_a_network_is_exported_once_by_an_environment_that_is_made_once(
    commands: list[list[str]],
) -> None:
    assert suite.fetch("lstm").read_bytes() == b"exported"
    make, install, export = commands
    assert "venv" in make and set(environments.TORCH) <= set(install) and export[-1] == "lstm"
    suite.fetch("lstm")
    assert len(commands) == 3
    suite.fetch("minilm")
    assert len(commands) == 4


def test_other_definitions_are_other_files(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = suite.fetch("lstm")
    monkeypatch.setattr(environments, "TORCH", ("torch==99",))
    assert suite.fetch("lstm") != first


def test_the_exporters_own_words_are_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    failed: Any = subprocess.CompletedProcess([], 1, "", "no such network\n")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(
        FetchError, match=r"no environment with torch-2\.13\.0 can be made: no such network"
    ):
        suite.fetch("lstm")
