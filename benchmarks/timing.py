"""Fair times of rivals, each a process of its own: the same minutes, medians and minima.

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
    rivals: Sequence[Callable[[float], list[float]]], seconds: float, rounds: int = ROUNDS
) -> list[Times]:
    """The rivals' times in their order. A rival runs for a slice and says how long each run took.

    seconds: for each of them, pauses and warm-ups apart.
    """
    measured: list[list[float]] = [[] for _ in rivals]
    for _ in range(rounds):
        for rival, times in zip(rivals, measured, strict=True):
            time.sleep(PAUSE_S)
            times += rival(seconds / rounds)
    return [summary(times) for times in measured]


def summary(seconds: Sequence[float]) -> Times:
    """p99 by the nearest rank."""
    ordered = sorted(seconds)
    rank = -(-99 * len(ordered) // 100)
    median = statistics.median(ordered)
    return Times(1e3 * ordered[0], 1e3 * median, 1e3 * ordered[rank - 1], len(ordered))


def timed(run: Callable[[], object], seconds: float) -> list[float]:
    """A slice: seconds of each run after a warm-up."""
    for _ in range(WARM_UP_RUNS):
        run()
    times: list[float] = []
    before = time.perf_counter()
    end = before + seconds
    while before < end or len(times) < LEAST_RUNS:
        run()
        after = time.perf_counter()
        times.append(after - before)
        before = after
    return times
