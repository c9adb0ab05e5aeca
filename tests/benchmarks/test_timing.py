"""benchmarks/timing.py: rivals take turns, and the statistics are the plain ones."""

import pytest

from benchmarks import timing


def test_rivals_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    calls: list[str] = []
    rivals = [lambda: calls.append("a"), lambda: calls.append("b")]
    ours, theirs = timing.interleaved(rivals, seconds=0, rounds=2)
    of_a_slice = timing.WARM_UP_RUNS + timing.LEAST_RUNS
    assert "".join(calls) == ("a" * of_a_slice + "b" * of_a_slice) * 2
    assert pauses == [timing.PAUSE_S] * 4
    assert ours.runs == theirs.runs == 2 * timing.LEAST_RUNS


def test_a_slice_lasts_as_long_as_it_should() -> None:
    [times] = timing.interleaved([lambda: None], seconds=0.02, rounds=1)
    assert times.runs > 100
    assert times.runs * times.median_ms == pytest.approx(20, rel=0.9)


def test_summary() -> None:
    times = timing.summary([0.003, 0.001, 0.002, 0.010])
    assert times == timing.Times(min_ms=1.0, median_ms=2.5, p99_ms=10.0, runs=4)
    assert timing.summary([1e-3 * n for n in range(1, 201)]).p99_ms == pytest.approx(198)
