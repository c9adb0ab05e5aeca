import time
from collections.abc import Iterator

import pytest

from compiler import progress
from compiler.progress import Event


@pytest.fixture
def heard() -> Iterator[list[Event]]:
    events: list[Event] = []
    progress.listen(events.append)
    yield events
    progress.listen(None)


def test_events_reach_the_listener_in_order(heard: list[Event]) -> None:
    before = time.monotonic()
    progress.phase("lower")
    progress.note("3 of 5")
    progress.warning("old opset")
    progress.value("best_ms", 4.5)
    assert [(e.kind, e.name, e.value) for e in heard] == [
        ("phase", "lower", None),
        ("note", "3 of 5", None),
        ("warning", "old opset", None),
        ("value", "best_ms", 4.5),
    ]
    assert before <= heard[0].at <= heard[-1].at <= time.monotonic()


def test_nobody_has_to_listen() -> None:
    progress.phase("lower")
