"""What a page shows of a job, worked out of its record and its log. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from compiler.progress import PHASES
from compiler.service.jobs import Job
from compiler.service.store import Event

WIDTH, HEIGHT = 640, 180  # of the curve's drawing area, in SVG's units


@dataclass(frozen=True)
class Phase:
    """seconds: none if it was not reached. running: it is the one under way."""

    name: str
    seconds: float | None
    running: bool


@dataclass(frozen=True)
class Curve:
    """The net's best time against trials. line: points of a polyline. ms, trials: the last."""

    line: str
    most_ms: float
    least_ms: float
    ms: float
    trials: int


def elapsed(job: Job, moment: float) -> float | None:
    """Seconds since the attempt began, until it ended."""
    if job.started is None:
        return None
    return max(0.0, (job.ended or moment) - job.started)


def phases(job: Job, trace: Sequence[Event], moment: float) -> list[Phase]:
    """All there are, in order."""
    begun = [(event.text, event.at) for event in trace if event.kind == "phase"]
    if not begun:
        return []
    running = "" if job.final else begun[-1][0]
    marks = [*begun, ("", job.ended or moment)]
    took = {name: max(0.0, end - begin) for (name, begin), (_, end) in pairwise(marks)}
    return [Phase(name, took.get(name), name == running) for name in PHASES]


def curve(trace: Sequence[Event]) -> Curve | None:
    """None before there are two points to draw a line between."""
    points = [
        (int(event.value["trials"]), float(event.value["ms"]))
        for event in trace
        if event.kind == "value" and event.text == "tuning"
    ]
    if len(points) < 2:
        return None
    trials, last = points[-1]
    most, least = max(ms for _, ms in points), min(ms for _, ms in points)
    wide, high = max(trials, 1), max(most - least, 1e-9)
    line = " ".join(f"{WIDTH * n / wide:.1f},{HEIGHT * (most - ms) / high:.1f}" for n, ms in points)
    return Curve(line, most, least, last, trials)


def parity(report: Mapping[str, Any] | None) -> str:
    """One sentence, or nothing for a job that was not verified."""
    found = (report or {}).get("parity")
    if not found or "relative" not in found:
        return ""
    how = ", step by step" if "steps" in found else ""
    whose = f"{found.get('oracle', 'the framework')}'s"
    return f"within {found['relative']:.1e} of the scale of {whose} outputs{how}"
