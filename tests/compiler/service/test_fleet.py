import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from compiler.service import fleet as fleets
from compiler.service.fleet import Fleet
from compiler.service.jobs import Status
from compiler.service.leases import Leases
from compiler.service.store import New, Store
from compiler.service.worker import Options
from tests.compiler.service.conftest import on_folders
from tests.compiler.service.test_child import COMMAND

ROOT = Path(__file__).parents[3]


@pytest.fixture
def new(new: New, tmp_path: Path) -> New:
    return on_folders(new, tmp_path)


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests/compiler")]))
    monkeypatch.setattr(fleets, "HASTE_S", 0.2)
    database = str(tmp_path / "jobs.sqlite")
    return Options(database, lease_s=3.0, grace_s=0.5, command=(*COMMAND, "succeed"))


def until(fleet: Fleet, holds: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not holds():
        fleet.tend()
        assert time.monotonic() < end
        time.sleep(0.05)


def hanging(store: Store, options: Options) -> tuple[Fleet, psutil.Process]:
    """A fleet of one worker, with a job that hangs, and that worker."""
    fleet = Fleet(1, replace(options, command=(*COMMAND, "hang")))
    until(fleet, lambda: "build" in [event.text for _, _, event in store.log("1", "a")])
    [pid] = fleet.pids()
    return fleet, psutil.Process(pid)


def test_a_worker_that_is_killed_loses_no_job(
    store: Store, leases: Leases, new: New, options: Options, tmp_path: Path
) -> None:
    """Its child dies with it, another worker starts, and the job's second attempt completes."""
    store.create(new)
    fleet, worker = hanging(store, options)
    [child] = worker.children()
    worker.kill()
    child.wait(30)
    fleet.stop()
    fleet = Fleet(2, options)
    until(fleet, lambda: store.describe("1", "a").final)
    job = store.describe("1", "a")
    assert (job.status, job.attempts) == (Status.COMPLETED, 2)
    until(fleet, lambda: not leases.litter())
    fleet.stop()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["net-ml_c5.tar.gz"]


def test_workers_that_die_are_started_again(store: Store, options: Options) -> None:
    fleet = Fleet(2, options)
    fleet.tend()
    first = fleet.pids()
    assert len(first) == 2
    os.kill(first[0], signal.SIGKILL)
    until(fleet, lambda: len({*fleet.pids()} - {*first}) == 1 and len(fleet.pids()) == 2)
    fleet.stop()
    assert fleet.pids() == [] and not [pid for pid in first if psutil.pid_exists(pid)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_end_gives_its_job_back(
    number: int, store: Store, new: New, options: Options
) -> None:
    store.create(new)
    options = replace(options, lease_s=60.0)  # so long that no lease ends here
    fleet, worker = hanging(store, options)
    below = worker.children(recursive=True)
    worker.send_signal(number)
    worker.wait(30)
    assert below and not [child for child in below if child.is_running()]
    fleet.stop()
    fleet = Fleet(1, options)
    until(fleet, lambda: store.describe("1", "a").final)
    fleet.stop()
    assert store.describe("1", "a").status == Status.COMPLETED
