from collections.abc import Iterator
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from compiler.service import metrics
from compiler.service.jobs import Status
from compiler.service.metrics import Metrics
from compiler.service.store import New, Store
from compiler.service.tables import Database, jobs

Samples = dict[tuple[str, ...], float]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(metrics, "FRESH_S", 0.0)
    yield


def samples(found: Metrics) -> Samples:
    """By the metric's name and the values of its labels in the order of their names."""
    families = text_string_to_metric_families(found.text().decode())
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_jobs_are_counted_in_the_database(database: Database, store: Store, new: New) -> None:
    told = Metrics(database)
    assert samples(told)["neoc_queue_age_seconds",] == 0
    store.create(new)
    store.create(replace(new, name="b"))
    store.stop("1", "b")
    with database.writing() as connection:
        connection.execute(update(jobs).values(created=jobs.c.created - 60))
    found = samples(told)
    counts = {status: found["neoc_jobs", status] for status in Status}
    assert counts == {**dict.fromkeys(Status, 0), Status.STARTING: 1, Status.STOPPED: 1}
    assert found["neoc_queue_length",] == 1
    assert 60 <= found["neoc_queue_age_seconds",] < 90


def test_durations_of_jobs_that_ended(database: Database, store: Store, new: New) -> None:
    for name, took in (("a", 5), ("b", 45), ("c", 10**6), ("d", None)):
        store.create(replace(new, name=name))
        ended = {"started": 100.0, "ended": 100.0 + took} if took else {}
        with database.writing() as connection:
            here = update(jobs).where(jobs.c.name == name)
            connection.execute(
                here.values(status=Status.COMPLETED if took else "STARTING", **ended)
            )
    found = samples(Metrics(database))
    bounds = {bound: found["neoc_job_seconds_bucket", bound, "COMPLETED"] for bound in (
        "10", "30", "60", "86400", "+Inf")}  # fmt: skip
    assert bounds == {"10": 1, "30": 1, "60": 2, "86400": 2, "+Inf": 3}
    assert found["neoc_job_seconds_gsum", "COMPLETED"] == 10**6 + 50


def test_calls_are_counted(database: Database) -> None:
    told = Metrics(database)
    told.answered("ListTags", 200, "", 0.02)
    told.answered("ListTags", 400, "ValidationException", 0.2)
    found = samples(told)
    assert found["neoc_requests_total", "", "ListTags", "200"] == 1
    assert found["neoc_requests_total", "ValidationException", "ListTags", "400"] == 1
    assert found["neoc_request_seconds_bucket", "0.025", "ListTags"] == 1
    assert found["neoc_request_seconds_count", "ListTags"] == 2
    assert ("neoc_requests_total", "", "ListTags", "200") not in samples(Metrics(database))


def test_the_database_is_not_asked_by_every_scrape(
    database: Database, store: Store, new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "FRESH_S", 60.0)
    told = Metrics(database)
    samples(told)
    store.create(new)
    assert samples(told)["neoc_queue_length",] == 0
