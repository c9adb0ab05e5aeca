"""`python -m benchmarks peak`: figures of this machine, in their order."""

import pytest

from benchmarks import __main__ as command
from benchmarks import peak


def test_caches_are_faster_than_memory_and_arithmetic_than_both(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured: list[peak.Peak] = []
    measure = peak.measure

    def noted(threads: int) -> peak.Peak:
        measured.append(measure(threads))
        return measured[0]

    monkeypatch.setattr(peak, "measure", noted)
    assert command.main(["peak", "--threads", "1"]) == 0
    [found] = measured
    assert 0 < found.memory_gbytes_per_s < 1.2 * found.cache_gbytes_per_s
    assert found.gflops_per_s > found.memory_gbytes_per_s / 4
    assert f"{found.gflops_per_s:.1f} GFLOP/s" in capsys.readouterr().out
