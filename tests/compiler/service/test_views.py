from dataclasses import replace
from typing import Any

import pytest

from compiler.service import views
from compiler.service.jobs import Job, Status
from compiler.service.store import Event, Store
from compiler.service.views import Curve, Phase


@pytest.fixture
def job(store: Store, new: Any) -> Job:
    store.create(new)
    return store.describe("1", "a")


def tuning(at: float, trials: int, ms: float) -> Event:
    return Event(at, "value", "tuning", {"ms": ms, "trials": trials, "left_s": 1.0})


def test_time_runs_from_the_start_to_the_end(job: Job) -> None:
    assert views.elapsed(job, 50.0) is None
    running = replace(job, status=Status.INPROGRESS, started=40.0)
    assert views.elapsed(running, 50.0) == 10
    assert views.elapsed(running, 39.0) == 0  # clocks differ
    assert views.elapsed(replace(running, ended=45.0), 50.0) == 5


def test_phases_run_until_the_next(job: Job) -> None:
    trace = [Event(1.0, "phase", "fetch"), Event(2.5, "phase", "unpack"), tuning(3.0, 1, 1.0)]
    running = replace(job, status=Status.INPROGRESS, started=0.5)
    found = views.phases(running, trace, 4.0)
    assert found[:3] == [
        Phase("fetch", 1.5, False), Phase("unpack", 1.5, True), Phase("frontend", None, False)
    ]  # fmt: skip
    ended = replace(running, status=Status.FAILED, ended=3.0)
    assert views.phases(ended, trace, 9.0)[1] == Phase("unpack", 0.5, False)
    assert views.phases(running, [], 4.0) == []


def test_the_curve_falls_from_the_first_to_the_best() -> None:
    trace = [tuning(1.0, 10, 4.0), Event(1.5, "value", "percent", 3), tuning(2.0, 20, 1.0)]
    assert views.curve(trace) == Curve("320.0,0.0 640.0,180.0", 4.0, 1.0, 1.0, 20)
    assert views.curve(trace[:2]) is None
    flat = views.curve([tuning(1.0, 0, 2.0), tuning(2.0, 0, 2.0)])
    assert flat and flat.line == "0.0,0.0 0.0,0.0"


def test_parity_is_one_sentence() -> None:
    report: dict[str, Any] = {"parity": {"relative": 2.5e-7, "oracle": "onnxruntime"}}
    assert views.parity(report) == "within 2.5e-07 of the scale of onnxruntime's outputs"
    report["parity"]["steps"] = {"tensors": 3}
    assert views.parity(report).endswith(", step by step")
    assert views.parity(None) == views.parity({"parity": None}) == ""
