"""compiler/bench.py: an artifact timed by its own runner."""

import shutil
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from compiler.bench import bench, profile
from compiler.errors import ServerError


@pytest.mark.parametrize("threads", [1, 2])
def test_times_are_in_order(affine: Path, zig: str, threads: int) -> None:
    result = bench(affine, zig, threads, seconds=0.05)
    assert 0 < result.min_ms <= result.median_ms <= result.p90_ms <= result.p99_ms
    assert result.load_ms > 0
    assert 100_000 < result.peak_rss_bytes < 100_000_000
    assert result.threads == threads
    assert result.runs >= 10
    with pytest.raises(FrozenInstanceError):
        result.runs = 0  # type: ignore[misc]  # that it is refused is the point


def test_the_artifact_chooses_its_threads(affine: Path, zig: str) -> None:
    assert bench(affine, zig, None, seconds=0).threads >= 1


def test_what_does_not_load_says_why(affine: Path, zig: str, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"could not be timed: libdlr\.so: "):
        bench(tmp_path, zig, None)
    with pytest.raises(ServerError, match="could not be timed: Cannot load the model library"):
        profile(tmp_path, zig, None)
    shutil.copy(affine / "libdlr.so", tmp_path)
    with pytest.raises(ServerError, match="could not be timed: CreateDLRModel: Unable to"):
        bench(tmp_path, zig, None)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_profile_has_every_call(affine: Path, zig: str, threads: int) -> None:
    result = profile(affine, zig, threads, seconds=0.05)
    assert [call.kernel for call in result.calls] == ["affine", "total"]
    assert all(0 <= call.min_ms <= call.median_ms for call in result.calls)
    assert sum(call.min_ms for call in result.calls) <= result.median_ms
    assert result.runs >= 10


def test_runs_without_an_end_are_ended(
    affine: Path, zig: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = tmp_path / "endless"
    endless.write_text("#!/bin/sh\nexec sleep 600\n")
    endless.chmod(0o755)
    monkeypatch.setattr("compiler.build.link_bench", lambda *_: endless)
    monkeypatch.setattr("compiler.bench.LIMIT_S", 0.05)
    with pytest.raises(ServerError, match=r"did not end its runs .* within 0\.05 s"):
        bench(affine, zig, None, seconds=0)
