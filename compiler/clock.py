"""When this job must be over. The edge sets it: a job's child process, from the request's limit."""

import math
import time

_deadline = math.inf


def start(deadline: float | None) -> None:
    """deadline: in seconds of CLOCK_MONOTONIC; None: there is none."""
    global _deadline
    _deadline = math.inf if deadline is None else deadline


def left() -> float:
    """Seconds; infinite without a limit."""
    return _deadline - time.monotonic()
