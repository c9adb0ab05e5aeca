"""What a running compilation says about itself, to whoever listens.

The edge (a job's child process, a test) chooses the one listener; by default nobody listens.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

PHASES = (
    "fetch",
    "unpack",
    "frontend",
    "lower",
    "tune",
    "build",
    "plan",
    "link",
    "verify",
    "package",
    "upload",
)

Kind = Literal["phase", "note", "warning", "value"]


@dataclass(frozen=True)
class Event:
    """at: seconds of CLOCK_MONOTONIC, which all processes of a machine share. value: JSON-able."""

    kind: Kind
    name: str
    value: Any
    at: float


Sink = Callable[[Event], None]


def _nobody(event: Event) -> None:
    pass


_sink: Sink = _nobody


def listen(sink: Sink | None) -> None:
    """Send every event of this process to `sink`; None to nobody."""
    global _sink
    _sink = sink or _nobody


def phase(name: str) -> None:
    """The named phase begins, and with it the one before ends."""
    _send("phase", name)


def note(text: str) -> None:
    """A line for whoever watches, such as how far a download is."""
    _send("note", text)


def warning(text: str) -> None:
    """Something the caller should know although the job goes on; kept for the summary."""
    _send("warning", text)


def value(name: str, value: Any) -> None:
    """A number or small JSON value that a view may show, such as the best time so far."""
    _send("value", name, value)


def tuning(ms: float, trials: int, left_s: float) -> None:
    """How fast the net is so far, by its kernels' times, and what that took."""
    _send("value", "tuning", {"ms": round(ms, 4), "trials": trials, "left_s": round(left_s, 1)})


def _send(kind: Kind, name: str, value: Any = None) -> None:
    _sink(Event(kind, name, value, time.monotonic()))
