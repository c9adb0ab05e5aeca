"""Fair times of rivals: the same process, the same minutes, medians and minima.

    for each round: for each rival: pause, warm up, run for a slice of time

Slices take turns because a machine's speed drifts; the pause lets the other's threads, which wait
for work in a loop, fall asleep; the warm-up refills the caches and wakes one's own.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

PAUSE_S = 0.05
WARM_UP_RUNS = 3
ROUNDS = 10
LEAST_RUNS = 3  # of a slice, however slow the network


@dataclass(frozen=True)
class Times:
    """Of one run, in ms."""

    min_ms: float
    median_ms: float
    p99_ms: float
    runs: int


def interleaved(
    rivals: Sequence[Callable[[], object]], seconds: float, rounds: int = ROUNDS
) -> list[Times]:
    """The rivals' times in their order. seconds: for each of them, pauses and warm-ups apart."""
    measured: list[list[float]] = [[] for _ in rivals]
    for _ in range(rounds):
        for run, times in zip(rivals, measured, strict=True):
            time.sleep(PAUSE_S)
            for _ in range(WARM_UP_RUNS):
                run()
            times += _slice(run, seconds / rounds)
    return [summary(times) for times in measured]


def summary(seconds: Sequence[float]) -> Times:
    """p99 by the nearest rank."""
    ordered = sorted(seconds)
    rank = -(-99 * len(ordered) // 100)
    median = statistics.median(ordered)
    return Times(1e3 * ordered[0], 1e3 * median, 1e3 * ordered[rank - 1], len(ordered))


def _slice(run: Callable[[], object], seconds: float) -> list[float]:
    times: list[float] = []
    before = time.perf_counter()
    end = before + seconds
    while before < end or len(times) < LEAST_RUNS:
        run()
        after = time.perf_counter()
        times.append(after - before)
        before = after
    return times
