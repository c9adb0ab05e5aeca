"""What Prometheus is told: calls as this server answered them, jobs as the database has them."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import case, func, select

from compiler.service.jobs import FINAL, Status
from compiler.service.tables import Database, jobs, now

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ANSWERED_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)  # bounds of calls
TOOK_S = (10, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600)  # and of jobs
FRESH_S = 2.0  # how long what the database said counts: anybody may ask


class Metrics:
    def __init__(self, database: Database) -> None:
        self._registry = CollectorRegistry()
        self._calls = Counter(
            "neoc_requests",
            "Calls of the API. code: AWS's of an error.",
            ["operation", "status", "code"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "neoc_request_seconds",
            "From a call's first byte to its answer.",
            ["operation"],
            buckets=ANSWERED_S,
            registry=self._registry,
        )
        self._registry.register(_Jobs(database))

    def answered(self, operation: str, status: int, code: str, seconds: float) -> None:
        """operation: one of few, for every one is kept. code: empty where all is well."""
        self._calls.labels(operation, str(status), code).inc()
        self._seconds.labels(operation).observe(seconds)

    def text(self) -> bytes:
        """Asks the database."""
        return generate_latest(self._registry)


class _Jobs(Collector):
    """Of all accounts. Jobs that were deleted count no longer, hence gauges."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read, self._known = -FRESH_S, list[Metric]()

    def describe(self) -> Iterator[Metric]:
        """None beforehand: registering would ask the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        if time.monotonic() - self._read >= FRESH_S:
            self._known = [*self._counts(), self._durations()]
            self._read = time.monotonic()
        return iter(self._known)

    def _counts(self) -> Iterator[Metric]:
        count, since = func.count(), func.min(jobs.c.created)
        query = select(jobs.c.status, count, since).group_by(jobs.c.status)
        with self._database.reading() as connection:
            moment = now(connection)
            found = {Status(status): rest for status, *rest in connection.execute(query)}
        by_status = GaugeMetricFamily("neoc_jobs", "Jobs by status.", labels=["status"])
        for status in Status:
            by_status.add_metric([status], found.get(status, [0])[0])
        yield by_status
        waiting, since = found.get(Status.STARTING, (0, moment))
        yield GaugeMetricFamily("neoc_queue_length", "Jobs that wait for a worker.", waiting)
        age = max(0.0, moment - since)
        yield GaugeMetricFamily("neoc_queue_age_seconds", "How long the first has waited.", age)

    def _durations(self) -> Metric:
        took = jobs.c.ended - jobs.c.started
        below = [func.sum(case((took <= bound, 1), else_=0)) for bound in TOOK_S]
        query = select(jobs.c.status, func.sum(took), func.count(), *below)
        query = query.where(jobs.c.status.in_(FINAL), took.is_not(None)).group_by(jobs.c.status)
        family = GaugeHistogramMetricFamily(
            "neoc_job_seconds", "From a job's start to its end.", labels=["status"]
        )
        with self._database.reading() as connection:
            for status, total, count, *counts in connection.execute(query):
                bounds = [*map(str, TOOK_S), "+Inf"]
                family.add_metric([status], list(zip(bounds, [*counts, count], strict=True)), total)
        return family
