from dataclasses import replace
from typing import Any

import pytest

from compiler.service.faults import Fault
from compiler.service.jobs import FINAL, MOVES, Status, before
from compiler.service.leases import Leases, Result
from compiler.service.store import Event, New, Store, sort_key

RESULT = Result("s3://models/out/.neoc-t/x", "00", None, {})


def test_moves() -> None:
    assert FINAL == {"COMPLETED", "FAILED", "STOPPED"}
    assert MOVES.keys() == set(Status)
    assert before(Status.STOPPED) == {Status.STOPPING}
    assert before(Status.STOPPING) == {Status.STARTING, Status.INPROGRESS}


def test_a_job_is_described_as_it_was_created(store: Store, new: New) -> None:
    store.create(new)
    job = store.describe("1", "a")
    assert (job.account, job.name, job.arn, job.body) == ("1", "a", "arn:a", new.body)
    assert (job.status, job.reason, job.artifact) == (Status.STARTING, "", new.artifact)
    assert job.created == job.modified
    assert (job.started, job.ended, job.digest, job.derived, job.limit_s) == (None,) * 5


def test_a_name_is_an_accounts_once(store: Store, new: New) -> None:
    store.create(new)
    with pytest.raises(Fault, match="job with name a already exists") as caught:
        store.create(new)
    assert caught.value.code == "ResourceInUse"
    store.create(replace(new, account="2"))
    store.create(replace(new, name="A"))


def test_an_account_sees_only_its_own(store: Store, new: New) -> None:
    store.create(new)
    for ask in (store.describe, store.stop, store.delete, store.tags):
        with pytest.raises(Fault, match="Could not find compilation job 'a'") as caught:
            ask("2", "a")
        assert caught.value.code == "ResourceNotFound"
    assert store.page("2", {}, None, 10) == []
    store.stop("1", "a")


def test_a_job_that_waits_is_stopped_at_once(store: Store, leases: Leases, new: New) -> None:
    store.create(new)
    store.stop("1", "a")
    job = store.describe("1", "a")
    assert job.status == Status.STOPPED and job.ended and job.started is None
    assert leases.claim("w", "t") is None
    with pytest.raises(Fault, match="cannot be stopped: it is already in status STOPPED"):
        store.stop("1", "a")


def test_a_running_job_is_asked_to_stop(store: Store, leases: Leases, new: New) -> None:
    store.create(new)
    assert leases.claim("w", "t")
    store.stop("1", "a")
    store.stop("1", "a")
    assert store.describe("1", "a").status == Status.STOPPING
    with pytest.raises(Fault, match="cannot be deleted in status STOPPING"):
        store.delete("1", "a")


def test_a_decided_job_completes_although_it_is_stopped(
    store: Store, leases: Leases, new: New
) -> None:
    store.create(new)
    claim = leases.claim("w", "t")
    assert claim and leases.decide(claim, RESULT)
    store.stop("1", "a")
    assert store.describe("1", "a").status == Status.INPROGRESS
    assert leases.complete(claim, RESULT)


def test_a_deleted_name_is_free_and_its_log_stays(store: Store, leases: Leases, new: New) -> None:
    store.create(new)
    claim = leases.claim("w", "t")
    assert claim
    leases.log(claim, [Event(1.0, "phase", "fetch"), Event(2.0, "value", "best", {"ms": 1.5})])
    assert leases.fail(claim, "ClientError: no")
    store.delete("1", "a")
    with pytest.raises(Fault):
        store.describe("1", "a")
    store.create(replace(new, tags={}))
    assert store.tags("1", "a") == {}
    (first, fence, event), (second, _, other) = store.log("1", "a")
    assert (fence, event) == (claim.fence, Event(1.0, "phase", "fetch"))
    assert other.value == {"ms": 1.5}
    assert [entry[0] for entry in store.log("1", "a", after=first)] == [second]
    assert store.log("2", "a") == []


def test_pages_in_every_order(store: Store, leases: Leases, new: New) -> None:
    names = ["b", "B", "a1", "c", "A"]
    for name in names:
        store.create(replace(new, name=name))
    store.stop("1", "c")
    orders: dict[tuple[str, str], list[str]] = {
        ("Name", "Ascending"): ["A", "B", "a1", "b", "c"],
        ("Name", "Descending"): ["c", "b", "a1", "B", "A"],
        ("CreationTime", "Ascending"): names,
        ("CreationTime", "Descending"): names[::-1],
        ("Status", "Ascending"): ["A", "B", "a1", "b", "c"],
    }
    for (by, order), expected in orders.items():
        asked = {"SortBy": by, "SortOrder": order}
        found: list[str] = []
        last = None
        while page := store.page("1", asked, last, 2):
            found += [job.name for job in page]
            last = sort_key(asked, page[-1])
        assert found == expected


def test_filters(store: Store, new: New) -> None:
    for name in ("net-1", "net-2", "Net-3"):
        store.create(replace(new, name=name))
    store.stop("1", "net-2")
    two = store.describe("1", "net-2")

    def names(**asked: Any) -> list[str]:
        return [job.name for job in store.page("1", asked, None, 10)]

    assert names(NameContains="net") == ["net-1", "net-2"]
    assert names(NameContains="%") == names(NameContains="_") == []
    assert names(StatusEquals="STOPPED") == ["net-2"]
    assert names(CreationTimeAfter=two.created) == ["Net-3"]
    assert names(CreationTimeBefore=two.created) == ["net-1"]
    assert names(LastModifiedTimeAfter=two.created) == ["net-2", "Net-3"]
    assert names(LastModifiedTimeBefore=two.created) == ["net-1"]


def test_tags(store: Store, new: New) -> None:
    store.create(new)
    assert store.add_tags("1", "a", {"b": "1", "team": "y"}) == {"b": "1", "team": "y"}
    store.delete_tags("1", "a", ["b", "unknown"])
    assert store.tags("1", "a") == {"team": "y"}
    with pytest.raises(Fault, match="this one would have 51") as caught:
        store.add_tags("1", "a", {f"{n}": "" for n in range(50)})
    assert caught.value.code == "ResourceLimitExceeded"
    assert store.tags("1", "a") == {"team": "y"}


def test_the_trace_is_of_the_last_attempt_and_the_tail_of_all(
    store: Store, leases: Leases, new: New
) -> None:
    store.create(new)
    claim = leases.claim("w", "t")
    assert claim
    leases.log(claim, [Event(1.0, "phase", "fetch"), Event(2.0, "value", "tuning", {"ms": 1.5})])
    leases.log(replace(claim, fence=claim.fence - 1), [Event(3.0, "phase", "build")])
    leases.log(claim, [Event(4.0, "note", "hm"), Event(5.0, "warning", "slow")])
    job = store.describe("1", "a")
    assert [event.text for event in store.trace(job)] == ["fetch", "tuning", "slow"]
    assert [event.text for event in store.tail("1", "a", 3)] == ["build", "hm", "slow"]
    assert store.tail("2", "a", 3) == []


def test_a_list_brings_no_reports(store: Store, leases: Leases, new: New) -> None:
    store.create(new)
    claim = leases.claim("w", "t")
    assert claim and leases.fail(claim, "ClientError: no", {"layers": ["x" * 10**5]})
    assert store.describe("1", "a").report
    [listed] = store.page("1", {}, None, 10)
    assert listed.report is None and listed.reason
