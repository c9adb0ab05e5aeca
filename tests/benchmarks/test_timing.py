"""benchmarks/timing.py: rivals take turns, and the statistics are the plain ones."""

import pytest

from benchmarks import timing


def test_rivals_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    turns: list[tuple[str, float]] = []

    def rival(name: str, time: float) -> list[float]:
        turns.append((name, time))
        return [time, 2 * time]

    rivals = [lambda s: rival("a", s), lambda s: rival("b", 3 * s)]
    ours, theirs = timing.interleaved(rivals, seconds=2, rounds=2)
    assert turns == [("a", 1), ("b", 3)] * 2
    assert pauses == [timing.PAUSE_S] * 4
    assert (ours.runs, ours.min_ms, theirs.median_ms) == (4, 1000, 4500)


def test_a_slice_lasts_as_long_as_it_should() -> None:
    times = timing.timed(lambda: None, 0.02)
    assert len(times) > 100
    assert sum(times) == pytest.approx(0.02, rel=0.9)
    assert len(timing.timed(lambda: None, 0)) == timing.LEAST_RUNS


def test_summary() -> None:
    times = timing.summary([0.003, 0.001, 0.002, 0.010])
    assert times == timing.Times(min_ms=1.0, median_ms=2.5, p99_ms=10.0, runs=4)
    assert timing.summary([1e-3 * n for n in range(1, 201)]).p99_ms == pytest.approx(198)
