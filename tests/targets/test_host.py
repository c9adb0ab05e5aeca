"""The machine's own row, from faked /proc and /sys texts."""

import os
from pathlib import Path

import pytest

from targets import host
from targets.isa import AVX2, AVX512, AVX512_VNNI, NEON, Isa
from targets.options import CPUS
from targets.profile import TargetError

FLAGS = {
    "cascadelake": " ".join(sorted(AVX512_VNNI.features | AVX2.features)),
    "skylake-avx512": " ".join(sorted(AVX512.features | AVX2.features)),
    "haswell": " ".join(sorted(AVX2.features)),
}


@pytest.mark.parametrize("mcpu", FLAGS)
def test_the_widest_set_wins(monkeypatch: pytest.MonkeyPatch, mcpu: str) -> None:
    monkeypatch.setattr(host, "features", lambda: frozenset(FLAGS[mcpu].split()))
    row = host.profile()
    assert row.llvm["mcpu"] == mcpu and row.isa == CPUS[mcpu]


def test_an_older_cpu_is_refused_with_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "features", lambda: AVX2.features - {"fma"})
    with pytest.raises(TargetError, match="lacks fma"):
        host.profile()


def test_features_come_from_either_architectures_line() -> None:
    assert host.parse_features("x: 1\nflags\t\t: fpu avx2\nflags\t\t: fpu") == {"fpu", "avx2"}
    assert host.parse_features("Features\t: fp asimd") == {"fp", "asimd"}
    assert host.parse_features("") == frozenset()


@pytest.mark.parametrize(
    ("family", "isa", "rate"),
    [(25, AVX512, 1), (25, AVX512_VNNI, 1), (25, AVX2, 2), (26, AVX512, 2), (6, AVX512, 2)],
)
def test_zen_4_halves_wide_vectors(family: int, isa: Isa, rate: int) -> None:
    assert host.fma_per_cycle(isa, f"processor\t: 0\ncpu family\t: {family}\n") == rate


def test_runs_here_follows_the_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "features", lambda: AVX2.features)
    assert host.runs_here(AVX2) and not host.runs_here(AVX512) and not host.runs_here(NEON)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.cfs_quota_us": "100000", "cpu.cfs_period_us": "100000"}, 1),
        ({"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_quota_of_a_control_group(
    tmp_path: Path, files: dict[str, str], expected: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    assert host._quota(tmp_path) == expected


def test_cores_never_exceed_the_affinity_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    assert host.cores() <= len(os.sched_getaffinity(0))
    monkeypatch.setattr(host, "_groups", lambda: [Path("a"), Path("b")])
    monkeypatch.setattr(host, "_quota", lambda group: 1 if group.name == "b" else None)
    assert host.cores() == 1


def test_cache_sizes_skip_the_instruction_cache(tmp_path: Path) -> None:
    rows = [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "2M")]
    for i, (level, kind, size) in enumerate(rows):
        folder = tmp_path / f"index{i}"
        folder.mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(text + "\n")
    assert host.cache_sizes(tmp_path) == {1: 48 * 1024, 2: 2 * 1024 * 1024, 3: 0}
