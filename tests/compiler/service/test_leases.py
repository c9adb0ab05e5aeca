import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from compiler.service.jobs import Status
from compiler.service.leases import Claim, Leases, Result
from compiler.service.store import New, Store
from compiler.service.tables import Database

RESULT = Result("s3://models/out/.neoc-t1/net-ml_c5.tar.gz", "00ff", '{"x": [1]}', {"size": 3})
LEASE_S = 0.05


@pytest.fixture
def short(database: Database) -> Leases:
    """Leases that have ended by the next line but one."""
    return Leases(database, LEASE_S)


@pytest.fixture
def new(body: dict[str, Any], store: Store) -> New:
    found = New(
        account="1",
        name="a",
        arn="arn:a",
        body=body,
        target="ml_c5",
        artifact="s3://models/out/net-ml_c5.tar.gz",
        tags={},
    )
    store.create(found)
    return found


def taken(leases: Leases, token: str = "t1") -> Claim:
    claim = leases.claim("worker", token)
    assert claim
    return claim


def expire() -> None:
    time.sleep(2 * LEASE_S)


def test_a_claimed_job_is_in_progress(store: Store, leases: Leases, new: New) -> None:
    claim = taken(leases)
    assert claim.job == store.describe("1", "a")
    assert (claim.job.status, claim.job.attempts) == (Status.INPROGRESS, 1)
    assert claim.job.started and claim.job.started == claim.job.modified
    assert (claim.job.fence, claim.job.worker) == (claim.fence, "worker")
    assert claim.place == "s3://models/out/.neoc-t1/"
    assert claim.staged is None
    assert leases.claim("other", "t2") is None
    assert leases.beat(claim) == leases.status(claim) == Status.INPROGRESS


def test_jobs_are_claimed_in_order_and_by_target(store: Store, leases: Leases, new: New) -> None:
    store.create(replace(new, name="b", target="ml_c4"))
    store.create(replace(new, name="c", target="LINUX_X86_64"))
    assert leases.claim("w", "t", ["lambda"]) is None
    claims = [leases.claim("w", "t", targets) for targets in (["ml_c4", "x"], None, None, None)]
    assert [claim and claim.job.name for claim in claims] == ["b", "a", "c", None]


def test_many_workers_share_jobs_without_a_double(store: Store, leases: Leases, new: New) -> None:
    for number in range(29):
        store.create(replace(new, name=f"job-{number}"))
    got: list[str] = []

    def work(worker: int) -> None:
        while claim := leases.claim(f"w{worker}", f"t{worker}"):
            got.append(claim.job.name)

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(set(got)) == 30


def test_a_result_is_decided_then_published(store: Store, leases: Leases, new: New) -> None:
    claim = taken(leases)
    assert leases.decide(claim, RESULT)
    assert leases.complete(claim, RESULT)
    job = store.describe("1", "a")
    assert (job.status, job.digest, job.derived) == (Status.COMPLETED, "00ff", '{"x": [1]}')
    assert job.report == {"size": 3} and job.ended == job.modified
    assert leases.beat(claim) is None
    assert not leases.complete(claim, RESULT) and not leases.fail(claim, "late")


def test_a_failure_keeps_its_head(store: Store, leases: Leases, new: New) -> None:
    assert leases.fail(taken(leases), "ClientError: \0" + "x" * 2000, {"phases": []})
    job = store.describe("1", "a")
    assert (job.status, len(job.reason), job.report) == (Status.FAILED, 1024, {"phases": []})
    assert job.reason.startswith("ClientError: xxx")


def test_what_was_stopped_neither_completes_nor_fails(
    store: Store, leases: Leases, new: New
) -> None:
    claim = taken(leases)
    store.stop("1", "a")
    assert leases.status(claim) == Status.STOPPING
    assert not leases.decide(claim, RESULT)
    assert not leases.complete(claim, RESULT) and not leases.fail(claim, "no")
    assert leases.stopped(claim)
    assert store.describe("1", "a").status == Status.STOPPED


def test_only_the_last_holder_of_the_fence_is_heard(store: Store, short: Leases, new: New) -> None:
    first = taken(short, "t1")
    expire()
    second = taken(short, "t2")
    assert second.fence > first.fence and second.job.attempts == 2
    assert second.job.started and first.job.started and second.job.started > first.job.started
    assert short.beat(first) is None and short.status(first) is None
    assert not short.decide(first, RESULT) and not short.fail(first, "x")
    assert not short.release(first)
    assert short.decide(second, RESULT) and short.complete(second, RESULT)


def test_a_lease_lives_while_it_is_renewed(database: Database, new: New) -> None:
    leases = Leases(database, 2.0)
    claim = taken(leases)
    for _ in range(4):
        time.sleep(0.6)
        assert leases.beat(claim)
        assert leases.claim("other", "t2") is None


def test_a_released_job_is_taken_at_once(leases: Leases, new: New) -> None:
    assert leases.release(taken(leases))
    assert taken(leases, "t2").job.attempts == 2


def test_a_worker_that_ends_costs_no_attempt(leases: Leases, new: New) -> None:
    assert leases.give_back(taken(leases))
    claim = taken(leases, "t2")
    assert claim.job.attempts == 1
    assert not leases.give_back(replace(claim, fence=claim.fence - 1))


def test_a_decided_result_outlives_its_worker(store: Store, short: Leases, new: New) -> None:
    """Whoever comes next publishes it, and runs nothing."""
    first = taken(short, "t1")
    assert short.decide(first, RESULT)
    expire()
    store.stop("1", "a")
    second = taken(short, "t2")
    assert second.staged == RESULT
    assert second.job.attempts == 1 and second.job.started == first.job.started
    assert (first.fence, first.place) not in short.litter()
    assert not short.complete(first, RESULT)
    assert short.complete(second, RESULT)
    assert {fence for fence, _ in short.litter()} == {first.fence, second.fence}


def test_a_job_that_ends_its_workers_fails(store: Store, short: Leases, new: New) -> None:
    for number in range(short.attempts):
        taken(short, f"t{number}")
        expire()
    assert short.claim("w", "t") is None
    short.reap()
    job = store.describe("1", "a")
    assert job.status == Status.FAILED and job.ended
    assert job.reason.startswith("ServerError: the worker of this job ended 3 times before")


def test_a_job_whose_worker_is_gone_stops(store: Store, short: Leases, new: New) -> None:
    taken(short)
    store.stop("1", "a")
    assert store.describe("1", "a").status == Status.STOPPING
    expire()
    short.reap()
    assert store.describe("1", "a").status == Status.STOPPED


def test_a_job_that_nobody_holds_stops_at_once(store: Store, short: Leases, new: New) -> None:
    claim = taken(short)
    expire()
    store.stop("1", "a")
    assert store.describe("1", "a").status == Status.STOPPED
    assert short.beat(claim) is None and not short.decide(claim, RESULT)


def test_places_are_litter_from_the_end_of_their_attempt(
    store: Store, short: Leases, new: New
) -> None:
    first = taken(short, "t1")
    assert short.litter() == []
    expire()
    second = taken(short, "t2")
    assert short.litter() == [(first.fence, "s3://models/out/.neoc-t1/")]
    short.cleared(first.fence)
    assert short.fail(second, "ClientError: no")
    assert short.litter() == [(second.fence, "s3://models/out/.neoc-t2/")]
    store.delete("1", "a")
    assert short.litter() == [(second.fence, "s3://models/out/.neoc-t2/")]
    short.cleared(second.fence)
    store.create(new)
    assert taken(short, "t3").fence > second.fence  # a fence is never used again


def test_a_place_that_is_left_late_is_litter_again(store: Store, short: Leases, new: New) -> None:
    first = taken(short, "t1")
    expire()
    second = taken(short, "t2")
    short.cleared(first.fence)
    assert short.litter() == []
    assert short.leave(first) and short.leave(first)
    assert short.litter() == [(first.fence, first.place)]
    assert short.leave(second) and short.decide(second, RESULT)
    assert short.litter() == [(first.fence, first.place)]
    short.cleared(first.fence)
    expire()
    assert taken(short, "t3").fence > second.fence
