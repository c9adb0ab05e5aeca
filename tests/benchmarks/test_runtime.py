"""`python -m benchmarks runtime`: what it tells, and that one thread has no region to wait for."""

import pytest

from benchmarks import __main__ as command
from benchmarks import runtime


def test_every_cost_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["runtime"]) == 0
    out = capsys.readouterr().out
    assert all(what in out for what in runtime.WHAT.values())


def test_one_thread_waits_for_nobody() -> None:
    found = runtime.measure(1)
    assert set(found) == set(runtime.WHAT)
    assert 0 < found["call_ns"] < 1000 and 0 < found["region_ns"] < 1000
