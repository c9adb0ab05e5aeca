"""Jobs, their tags and logs as the API asks for them. Every question is of one account."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, asc, delete, desc, insert, null, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from compiler.service.faults import Fault, invalid, job_exists, no_job
from compiler.service.jobs import FINAL, Job, Status
from compiler.service.tables import Database, events, jobs, now, tags

MAX_TAGS = 50
ORDERS = {"Name": jobs.c.name, "CreationTime": jobs.c.created, "Status": jobs.c.status}
JOB_COLUMNS = [jobs.c[name] for name in Job.__dataclass_fields__]
LISTED = [c if c.name != "report" else null().label("report") for c in JOB_COLUMNS]
TRACE = 2000  # lines: a phase each, and a value a second for as long as tuning lasts


@dataclass(frozen=True, kw_only=True)
class New:
    """A job to be: what of it is known before it is stored. target: as workers are told them."""

    account: str
    name: str
    arn: str
    body: Mapping[str, Any]
    target: str
    artifact: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Event:
    """A line of a job's log. at: seconds of the epoch. kind: as in compiler/progress.py."""

    at: float
    kind: str
    text: str
    value: Any = None


def to_job(row: Row[Any]) -> Job:
    members = dict(row._mapping)
    report = members["report"]
    return Job(
        **{
            **members,
            "status": Status(members["status"]),
            "body": json.loads(members["body"]),
            "report": json.loads(report) if report else None,
        }
    )


class Store:
    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, new: New) -> None:
        """Raises ResourceInUse: a name is an account's once, until its job is deleted."""
        with self._database.writing() as connection:
            moment = now(connection)
            row = {
                "account": new.account,
                "name": new.name,
                "arn": new.arn,
                "body": json.dumps(new.body),
                "target": new.target,
                "artifact": new.artifact,
                "status": Status.STARTING,
                "created": moment,
                "modified": moment,
            }
            try:
                with connection.begin_nested():
                    added = connection.execute(insert(jobs).values(row).returning(jobs.c.id))
                    identity = added.scalar_one()
            except IntegrityError:
                raise job_exists(new.name) from None
            _set_tags(connection, identity, new.tags)

    def describe(self, account: str, name: str) -> Job:
        with self._database.reading() as connection:
            return to_job(_found(connection, account, name))

    def page(
        self,
        account: str,
        asked: Mapping[str, Any],
        last: Sequence[Any] | None,
        size: int,
    ) -> list[Job]:
        """asked: ListCompilationJobs' members. last: `sort_key` of the job before this page. The
        jobs have no report, which may be long."""
        order = ORDERS[asked.get("SortBy", "CreationTime")]
        down = asked.get("SortOrder") == "Descending"
        query = select(*LISTED).where(jobs.c.account == account, *_filters(asked))
        if last is not None:
            place, at = tuple_(order, jobs.c.name), tuple_(*last)
            query = query.where(place < at if down else place > at)
        direction = desc if down else asc
        query = query.order_by(direction(order), direction(jobs.c.name)).limit(size)
        with self._database.reading() as connection:
            return [to_job(row) for row in connection.execute(query)]

    def stop(self, account: str, name: str) -> None:
        """A job that nobody runs is stopped at once. One whose result is already decided, only not
        yet in its place, completes all the same."""
        with self._database.writing() as connection:
            row = _found(connection, account, name, lock=True)
            job, moment = to_job(row), now(connection)
            if job.final:
                raise invalid(
                    f"Compilation job {name} cannot be stopped: it is already in status "
                    f"{job.status}."
                )
            staged_by, lease = _holding(connection, job)
            held = lease is not None and lease >= moment
            if staged_by is not None or (held and job.status == Status.STOPPING):
                return
            change: dict[str, Any] = {"modified": moment, "status": Status.STOPPING}
            if not held:
                change |= {"status": Status.STOPPED, "ended": moment}
            connection.execute(update(jobs).where(jobs.c.id == job.id).values(change))

    def delete(self, account: str, name: str) -> None:
        with self._database.writing() as connection:
            job = to_job(_found(connection, account, name, lock=True))
            if job.status not in FINAL:
                raise invalid(
                    f"Compilation job {name} cannot be deleted in status {job.status}. Stop it, "
                    "or wait until it is COMPLETED, FAILED or STOPPED."
                )
            connection.execute(delete(jobs).where(jobs.c.id == job.id))

    def tags(self, account: str, name: str) -> dict[str, str]:
        """By key, in order."""
        with self._database.reading() as connection:
            return _tags(connection, _found(connection, account, name).id)

    def add_tags(self, account: str, name: str, added: Mapping[str, str]) -> dict[str, str]:
        """All tags afterwards. Raises ResourceLimitExceeded."""
        with self._database.writing() as connection:
            identity = _found(connection, account, name, lock=True).id
            every = {**_tags(connection, identity), **added}
            if len(every) > MAX_TAGS:
                raise Fault(
                    "ResourceLimitExceeded",
                    f"A resource may have {MAX_TAGS} tags, and this one would have {len(every)}.",
                )
            connection.execute(delete(tags).where(tags.c.job == identity, tags.c.key.in_(added)))
            _set_tags(connection, identity, added)
            return every

    def delete_tags(self, account: str, name: str, gone: Iterable[str]) -> None:
        with self._database.writing() as connection:
            identity = _found(connection, account, name, lock=True).id
            connection.execute(
                delete(tags).where(tags.c.job == identity, tags.c.key.in_(list(gone)))
            )

    def log(self, account: str, name: str, after: int = 0, limit: int = 1000) -> list[Any]:
        """(number, fence, Event) in order, from behind number `after`."""
        query = (
            select(events)
            .where(*_of(account, name), events.c.id > after)
            .order_by(events.c.id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [(row.id, row.fence, _event(row)) for row in connection.execute(query)]

    def trace(self, job: Job) -> list[Event]:
        """What the attempt that holds the job, or held it last, said but for notes."""
        query = select(events).where(*_of(job.account, job.name), events.c.fence == job.fence)
        query = query.where(events.c.kind != "note").order_by(events.c.id).limit(TRACE)
        with self._database.reading() as connection:
            return [_event(row) for row in connection.execute(query)]

    def tail(self, account: str, name: str, limit: int) -> list[Event]:
        """The last lines of the log, values left out."""
        query = select(events).where(*_of(account, name), events.c.kind != "value")
        query = query.order_by(events.c.id.desc()).limit(limit)
        with self._database.reading() as connection:
            return [_event(row) for row in connection.execute(query)][::-1]


def sort_key(asked: Mapping[str, Any], job: Job) -> tuple[Any, str]:
    """Where a job stands in the order that was asked for."""
    order = ORDERS[asked.get("SortBy", "CreationTime")].name
    return getattr(job, order), job.name


def _found(connection: Connection, account: str, name: str, lock: bool = False) -> Row[Any]:
    query = select(*JOB_COLUMNS).where(jobs.c.account == account, jobs.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise no_job(name)
    return row


def _holding(connection: Connection, job: Job) -> Any:
    """The attempt whose result is decided, if one is; the end of the job's lease, if it has one."""
    query = select(jobs.c.staged_by, jobs.c.lease).where(jobs.c.id == job.id)
    return connection.execute(query).one()


def _filters(asked: Mapping[str, Any]) -> list[Any]:
    """Bounds are strict."""
    tests: dict[str, Callable[[Any], Any]] = {
        "CreationTimeAfter": lambda value: jobs.c.created > value,
        "CreationTimeBefore": lambda value: jobs.c.created < value,
        "LastModifiedTimeAfter": lambda value: jobs.c.modified > value,
        "LastModifiedTimeBefore": lambda value: jobs.c.modified < value,
        "NameContains": lambda value: jobs.c.name.contains(value, autoescape=True),
        "StatusEquals": lambda value: jobs.c.status == value,
    }
    return [test(asked[name]) for name, test in tests.items() if name in asked]


def _tags(connection: Connection, identity: int) -> dict[str, str]:
    query = select(tags.c.key, tags.c.value).where(tags.c.job == identity).order_by(tags.c.key)
    return {key: value for key, value in connection.execute(query)}


def _set_tags(connection: Connection, identity: int, added: Mapping[str, str]) -> None:
    rows = [{"job": identity, "key": key, "value": value} for key, value in added.items()]
    if rows:
        connection.execute(insert(tags), rows)


def _of(account: str, name: str) -> tuple[Any, Any]:
    return events.c.account == account, events.c.name == name


def _event(row: Row[Any]) -> Event:
    return Event(row.at, row.kind, row.text, json.loads(row.value) if row.value else None)
