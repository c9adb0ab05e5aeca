import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler import storage
from compiler.errors import ServerError
from compiler.service import worker as workers
from compiler.service.jobs import Job, Status
from compiler.service.leases import Claim, Leases, Result
from compiler.service.store import New, Store
from compiler.service.tables import Database, jobs
from compiler.service.worker import Options, Worker
from tests.compiler.service.conftest import on_folders
from tests.compiler.service.test_child import COMMAND

pytest_plugins = ["tests.compiler.front_door"]

OPTIONS = Options("", grace_s=0.3, command=COMMAND)
DRIVERS = Path(__file__).parents[1]
Work = Callable[..., Job]


@pytest.fixture
def new(new: New, tmp_path: Path) -> New:
    return on_folders(new, tmp_path)


@pytest.fixture
def work(
    store: Store,
    leases: Leases,
    new: New,
    scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Work:
    """Runs one attempt at a new job by a command of command.py, and gives the job."""
    monkeypatch.setenv("PYTHONPATH", str(DRIVERS))
    monkeypatch.setattr(workers, "POLL_S", 0.02)
    monkeypatch.setattr(workers, "ASK_S", 0.05)

    def run(
        command: str,
        ending: Callable[[float], bool] = lambda timeout_s: False,
        limit_s: int | None = None,
        fresh: bool = True,
    ) -> Job:
        if fresh:
            condition = {"MaxRuntimeInSeconds": limit_s} if limit_s else {}
            store.create(replace(new, body={**new.body, "StoppingCondition": condition}))
        options = replace(OPTIONS, command=(*COMMAND, command))
        assert Worker(leases, options, ending).once()
        assert not list(scratch.iterdir())
        return store.describe("1", "a")

    return run


def files(new: New) -> list[str]:
    return sorted(path.name for path in Path(new.artifact).parent.iterdir())


def soon(store: Store, then: Callable[[], object]) -> threading.Thread:
    """Does it as soon as the job says that it builds."""

    def wait() -> None:
        while not any(event.text == "build" for _, _, event in store.log("1", "a")):
            time.sleep(0.01)
        then()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_options_cross_a_pipe() -> None:
    options = replace(OPTIONS, targets=("ml_c5", "ml_c4"), no_tune=True)
    assert Options.from_line(options.to_line()) == options
    assert Options.from_line(OPTIONS.to_line()) == OPTIONS


def test_a_job_completes(work: Work, store: Store, leases: Leases, new: New) -> None:
    job = work("succeed")
    assert (job.status, job.reason) == (Status.COMPLETED, "")
    assert job.digest and len(job.digest) == 128
    assert files(new) == ["net-ml_c5.tar.gz"]
    assert job.report and job.report["parity"] == {"relative": 2e-7}
    assert leases.litter() == []
    said = [(event.kind, event.text) for _, _, event in store.log("1", "a")]
    assert said[0][1].startswith("attempt 1 on ") and said[-1][1] == f"completed: {job.artifact}"
    assert said[1:3] == [("phase", "fetch"), ("phase", "build")] and ("warning", "slow") in said


def test_a_job_fails_with_its_reason(work: Work, new: New) -> None:
    job = work("refuse")
    reason = "ClientError: InputConfiguration: the model is a teapot."
    assert (job.status, job.reason) == (Status.FAILED, reason)
    assert job.ended and not files(new)


def test_a_crash_is_a_failure(work: Work, leases: Leases) -> None:
    leases.attempts = 1
    job = work("crash")
    assert job.status == Status.FAILED
    assert job.reason.startswith("ServerError: the compiler process died of signal SIGSEGV during")


@pytest.mark.parametrize("command", ["hang", "hang_in_copy"])
def test_a_job_stops(command: str, work: Work, store: Store, new: New) -> None:
    """Whether the child hears SIGTERM or not."""
    stopper = soon(store, lambda: store.stop("1", "a"))
    started = time.monotonic()
    job = work(command)
    stopper.join()
    assert job.status == Status.STOPPED and job.ended and not files(new)
    assert time.monotonic() - started < 15


def test_the_childs_own_deadline(work: Work, new: New) -> None:
    job = work("hang_in_copy", limit_s=1)
    assert job.status == Status.FAILED
    assert job.reason.startswith(
        "ClientError: CompilationTimeout: the job exceeded StoppingCondition.MaxRuntimeInSeconds "
        "= 1. Raise the limit"
    )
    assert job.report and job.report["phases"] and not files(new)


def test_the_parents_deadline(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "LATE_S", 0.2)
    job = work("hang", limit_s=1)
    assert job.reason.startswith("ClientError: CompilationTimeout: the job exceeded ")
    assert job.report is None
    assert job.started and job.ended and 1.2 <= job.ended - job.started < 4


@pytest.mark.parametrize("command", ["die", "perish", "stumble"])
def test_what_is_our_fault_is_tried_again(command: str, work: Work, new: New) -> None:
    """Something killed the command, or the compiler below it, or it failed."""
    job = work(command)
    assert (job.status, job.attempts) == (Status.INPROGRESS, 1)
    job = work("succeed", fresh=False)
    assert (job.status, job.attempts) == (Status.COMPLETED, 2)
    assert files(new) == ["net-ml_c5.tar.gz"]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("die", "ServerError: the compiler ended with signal SIGKILL 3 times."),
        ("perish", "ServerError: the compiler process died of signal SIGKILL during lower; the"),
    ],
)
def test_what_is_our_fault_each_time_fails(command: str, reason: str, work: Work) -> None:
    for fresh in (True, False, False):
        job = work(command, fresh=fresh)
    assert job.status == Status.FAILED and job.reason.startswith(reason)


def test_an_ending_worker_gives_its_job_back(work: Work, store: Store, new: New) -> None:
    ended = threading.Event()
    ender = soon(store, ended.set)
    job = work("hang", ending=lambda timeout_s: ended.is_set())
    ender.join()
    assert (job.status, job.attempts) == (Status.INPROGRESS, 0)
    job = work("succeed", fresh=False)
    assert (job.status, job.attempts) == (Status.COMPLETED, 1)


def test_a_job_that_is_another_workers_is_let_go(
    work: Work, store: Store, database: Database, new: New
) -> None:
    def take() -> None:
        with database.writing() as connection:
            connection.execute(jobs.update().values(fence=99))

    taker = soon(store, take)
    job = work("hang")
    taker.join()
    assert (job.status, job.fence) == (Status.INPROGRESS, 99)
    assert not files(new)


def test_what_an_attempt_makes_after_it_was_swept_is_swept(
    work: Work, leases: Leases, database: Database, new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that slept for longer than its lease, while its compiler did not."""
    decide = leases.decide

    def late(claim: Claim, result: Result) -> bool:
        assert Path(result.uri).exists()
        with database.writing() as connection:
            connection.execute(jobs.update().values(fence=99))
        leases.cleared(claim.fence)
        return decide(claim, result)

    monkeypatch.setattr(leases, "decide", late)
    assert work("succeed").status == Status.INPROGRESS
    assert not files(new)


def test_a_decided_result_is_published_without_a_run(
    work: Work, store: Store, leases: Leases, new: New, tmp_path: Path
) -> None:
    store.create(new)
    claim = leases.claim("other", "t")
    assert claim
    place = Path(claim.place)
    place.mkdir()
    (place / "net-ml_c5.tar.gz").write_bytes(b"artifact")
    result = Result(str(place / "net-ml_c5.tar.gz"), "00", '{"x": [1]}', {"size": 8})
    assert leases.decide(claim, result) and leases.release(claim)
    job = work("die", fresh=False)
    assert (job.status, job.digest, job.derived) == (Status.COMPLETED, "00", '{"x": [1]}')
    assert Path(new.artifact).read_bytes() == b"artifact" and len(files(new)) == 1


def test_a_place_that_takes_nothing_fails_the_job(work: Work, new: New) -> None:
    Path(new.artifact).mkdir()
    job = work("succeed")
    assert job.status == Status.FAILED
    assert job.reason.startswith("ClientError: OutputConfiguration: ")
    assert files(new) == ["net-ml_c5.tar.gz"]


def test_a_storage_that_is_away_is_asked_again(
    work: Work, monkeypatch: pytest.MonkeyPatch, new: New
) -> None:
    publish, asked = storage.publish, []

    def refuse(*places: str, **options: Any) -> None:
        asked.append(places)
        if len(asked) < 3:
            raise ServerError("503")
        publish(*places, **options)

    monkeypatch.setattr(storage, "publish", refuse)
    waits: list[float] = []

    def ending(timeout_s: float) -> bool:
        waits.append(timeout_s)
        return False

    assert work("succeed", ending=ending).status == Status.COMPLETED
    assert [wait for wait in waits if wait >= 1] == [1.0, 2.0]


def test_a_result_that_cannot_be_decided_is_no_failure(
    work: Work, leases: Leases, database: Database, monkeypatch: pytest.MonkeyPatch, new: New
) -> None:
    """As when the database was away for longer than the lease: the job is run again."""
    with monkeypatch.context() as away:
        away.setattr(leases, "decide", lambda *_: False)
        assert work("succeed").status == Status.INPROGRESS
    with database.writing() as connection:
        connection.execute(jobs.update().values(lease=0.0))
    assert work("succeed", fresh=False).status == Status.COMPLETED
    assert files(new) == ["net-ml_c5.tar.gz"]


def test_places_stay_known_while_the_storage_is_away(
    work: Work, leases: Leases, monkeypatch: pytest.MonkeyPatch, new: New
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ServerError("503")

    with monkeypatch.context() as away:
        away.setattr(storage, "clear", refuse)
        assert work("succeed").status == Status.COMPLETED
    assert len(leases.litter()) == 1


def test_a_failing_worker_fails_its_job(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: Any, **__: Any) -> None:
        raise ValueError("not thought of")

    monkeypatch.setattr(workers, "to_api", stumble)
    job = work("succeed")
    assert job.reason == "ServerError: unexpected ValueError: not thought of"


def test_from_s3_to_s3(work: Work, store: Store, new: New, body: dict[str, Any], s3: str) -> None:
    """And nothing else is left in the bucket."""
    import boto3

    client = boto3.client("s3", endpoint_url=s3)
    client.create_bucket(Bucket="worker")
    client.put_object(Bucket="worker", Key="in/net.tar.gz", Body=b"model")
    body["InputConfig"]["S3Uri"] = "s3://worker/in/net.tar.gz"
    body["OutputConfig"]["S3OutputLocation"] = "s3://worker/out"
    store.create(replace(new, body=body, artifact="s3://worker/out/net-ml_c5.tar.gz"))
    job = work("succeed", fresh=False)
    assert (job.status, job.reason) == (Status.COMPLETED, "")
    listed = client.list_objects_v2(Bucket="worker")["Contents"]
    assert [item["Key"] for item in listed] == ["in/net.tar.gz", "out/net-ml_c5.tar.gz"]
