"""Jobs as workers take them: claimed under a lease, and ended once, by whoever holds the fence.

An attempt's result becomes the job's in two steps, so that a crash at any instant leads to one
result: `decide` writes down whose it is, for good; then anybody may put the artifact in its place,
as often as it takes, and `complete` the job.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from compiler.errors import REASON_LIMIT
from compiler.service.jobs import FINAL, Job, Status, before
from compiler.service.store import JOB_COLUMNS, Event, to_job
from compiler.service.tables import Database, attempts, events, jobs, now

PLACE = ".neoc-{token}/"  # of an attempt's artifact, below the output location
LOG_LIMIT = 4096  # characters of a line


@dataclass(frozen=True)
class Result:
    """What an attempt made, where it lies, and the job's members it decides."""

    uri: str
    digest: str
    derived: str | None
    report: Mapping[str, Any]


@dataclass(frozen=True)
class Claim:
    """A job that is ours for as long as its lease is renewed. place: where the attempt may put its
    artifact. staged: the result of an earlier attempt, which only has to get to its place."""

    job: Job
    fence: int
    place: str
    staged: Result | None


class Leases:
    """lease_s: how long a worker may be silent before its job is given to another. attempts: a job
    that ends its worker so often will end the next one, too."""

    def __init__(self, database: Database, lease_s: float = 30.0, attempts: int = 3) -> None:
        self._database = database
        self.lease_s = lease_s
        self.attempts = attempts

    def claim(self, worker: str, token: str, targets: Sequence[str] | None = None) -> Claim | None:
        """The job that has waited longest: a new one, or one whose worker fell silent. token: of
        this attempt alone. targets: none for all."""
        if not self._waiting(targets):
            return None
        with self._database.writing() as connection:
            moment = now(connection)
            self._give_up(connection, moment)
            query = select(jobs).where(*_free(moment, targets))
            query = query.order_by(jobs.c.created, jobs.c.id).limit(1)
            row = connection.execute(query.with_for_update(skip_locked=True)).first()
            return None if row is None else self._take(connection, row, worker, token, moment)

    def _take(
        self, connection: Connection, row: Any, worker: str, token: str, moment: float
    ) -> Claim:
        place = _below(json.loads(row.body)["OutputConfig"]["S3OutputLocation"], token)
        attempt = insert(attempts).values(job=row.id, place=place, began=moment)
        fence = connection.execute(attempt.returning(attempts.c.id)).scalar_one()
        change = {"fence": fence, "lease": moment + self.lease_s, "worker": worker}
        if row.staged is None:
            change |= {
                "status": Status.INPROGRESS,
                "attempts": row.attempts + 1,
                "started": moment,
                "modified": moment,
            }
        connection.execute(update(jobs).where(jobs.c.id == row.id).values(change))
        taken = connection.execute(select(*JOB_COLUMNS).where(jobs.c.id == row.id)).one()
        staged = Result(**json.loads(row.staged)) if row.staged else None
        return Claim(to_job(taken), fence, place, staged)

    def beat(self, claim: Claim) -> Status | None:
        """Renew the lease: the job's status, or None when it is no longer ours."""
        with self._database.writing() as connection:
            held = _held(claim, Status.INPROGRESS, Status.STOPPING)
            change = {"lease": now(connection) + self.lease_s}
            changed = update(jobs).where(*held).values(change).returning(jobs.c.status)
            status = connection.scalar(changed)
            return Status(status) if status else None

    def status(self, claim: Claim) -> Status | None:
        """The same without renewing."""
        held = _held(claim, Status.INPROGRESS, Status.STOPPING)
        with self._database.reading() as connection:
            status = connection.scalar(select(jobs.c.status).where(*held))
            return Status(status) if status else None

    def decide(self, claim: Claim, result: Result) -> bool:
        """This result and no other is the job's. False: the job was stopped, or is no longer ours.

        The lease is renewed, for what comes next is to publish it."""
        with self._database.writing() as connection:
            change = {
                "staged": json.dumps(result.__dict__),
                "staged_by": claim.fence,
                "lease": now(connection) + self.lease_s,
            }
            return _changes(connection, _held(claim, Status.INPROGRESS), change)

    def complete(self, claim: Claim, result: Result) -> bool:
        """The artifact is in its place."""
        members = {
            "digest": result.digest,
            "derived": result.derived,
            "report": json.dumps(result.report),
        }
        return self._end(claim, Status.COMPLETED, members)

    def fail(self, claim: Claim, reason: str, report: Mapping[str, Any] | None = None) -> bool:
        text = reason.replace("\0", "")[:REASON_LIMIT]
        members = {"reason": text, "report": json.dumps(report) if report else None}
        return self._end(claim, Status.FAILED, members)

    def stopped(self, claim: Claim) -> bool:
        return self._end(claim, Status.STOPPED, {})

    def release(self, claim: Claim) -> bool:
        """The attempt came to nothing: another may begin at once."""
        return self._let_go(claim, {"lease": 0.0})

    def give_back(self, claim: Claim) -> bool:
        """This worker ends, which is not the job's fault: the attempt does not count."""
        return self._let_go(claim, {"lease": 0.0, "attempts": jobs.c.attempts - 1})

    def _let_go(self, claim: Claim, change: Mapping[str, Any]) -> bool:
        with self._database.writing() as connection:
            held = _held(claim, Status.INPROGRESS, Status.STOPPING)
            return _changes(connection, held, change)

    def log(self, claim: Claim, lines: Iterable[Event]) -> None:
        rows = [
            {
                "account": claim.job.account,
                "name": claim.job.name,
                "fence": claim.fence,
                "at": line.at,
                "kind": line.kind,
                "text": line.text.replace("\0", "")[:LOG_LIMIT],
                "value": None if line.value is None else json.dumps(line.value),
            }
            for line in lines
        ]
        if rows:
            with self._database.writing() as connection:
                connection.execute(insert(events), rows)

    def reap(self) -> None:
        """End what nobody runs and nobody should run again."""
        with self._database.writing() as connection:
            self._give_up(connection, now(connection))

    def demand(self, targets: Sequence[str] | None = None) -> dict[str, int]:
        """By target, the jobs that have not ended. targets: none for all."""
        query = select(jobs.c.target, func.count()).where(jobs.c.status.not_in(FINAL))
        if targets is not None:
            query = query.where(jobs.c.target.in_(targets))
        with self._database.reading() as connection:
            return {name: n for name, n in connection.execute(query.group_by(jobs.c.target))}

    def litter(self) -> list[tuple[int, str]]:
        """Attempts that are over, whose places have not been seen empty: (fence, place)."""
        alive = or_(
            and_(jobs.c.fence == attempts.c.id, jobs.c.status.not_in(FINAL)),
            and_(jobs.c.staged_by == attempts.c.id, jobs.c.status.not_in(FINAL)),
        )
        query = select(attempts.c.id, attempts.c.place).where(
            ~select(jobs.c.id).where(alive).exists()
        )
        with self._database.reading() as connection:
            return [(row.id, row.place) for row in connection.execute(query)]

    def leave(self, claim: Claim) -> bool:
        """The job is another's. While our compiler still wrote, the place may have been cleared:
        it is litter once more."""
        with self._database.writing() as connection:
            known = select(attempts.c.id).where(attempts.c.id == claim.fence)
            if connection.scalar(known) is None:
                row = {"id": claim.fence, "job": claim.job.id, "place": claim.place}
                connection.execute(insert(attempts).values(**row, began=now(connection)))
        return True

    def cleared(self, fence: int) -> None:
        """Nothing lies in this attempt's place, nor will."""
        with self._database.writing() as connection:
            connection.execute(delete(attempts).where(attempts.c.id == fence))

    def _waiting(self, targets: Sequence[str] | None) -> bool:
        """Without a lock, for workers ask often."""
        with self._database.reading() as connection:
            query = select(jobs.c.id).where(*_free(now(connection), targets)).limit(1)
            return connection.scalar(query) is not None

    def _give_up(self, connection: Connection, moment: float) -> None:
        """Of jobs whose worker fell silent: those that were to stop have, and those that ended
        several workers fail."""
        silent, ended = jobs.c.lease < moment, {"ended": moment, "modified": moment, "lease": None}
        connection.execute(
            update(jobs)
            .where(jobs.c.status == Status.STOPPING, silent)
            .values({**ended, "status": Status.STOPPED})
        )
        why = (
            f"ServerError: the worker of this job ended {self.attempts} times before the job did; "
            "the machine probably ran out of memory."
        )
        hopeless = and_(jobs.c.attempts >= self.attempts, jobs.c.staged_by.is_(None))
        connection.execute(
            update(jobs)
            .where(jobs.c.status == Status.INPROGRESS, silent, hopeless)
            .values({**ended, "status": Status.FAILED, "reason": why})
        )

    def _end(self, claim: Claim, status: Status, members: Mapping[str, Any]) -> bool:
        with self._database.writing() as connection:
            moment = now(connection)
            change = {
                **members,
                "status": status,
                "ended": moment,
                "modified": moment,
                "lease": None,
                "staged": None,
                "staged_by": None,
            }
            return _changes(connection, _held(claim, *before(status)), change)


def _free(moment: float, targets: Sequence[str] | None) -> list[Any]:
    silent = and_(jobs.c.status == Status.INPROGRESS, jobs.c.lease < moment)
    found = [or_(jobs.c.status == Status.STARTING, silent)]
    return found if targets is None else [*found, jobs.c.target.in_(targets)]


def _held(claim: Claim, *statuses: Status) -> list[Any]:
    ours = jobs.c.id == claim.job.id, jobs.c.fence == claim.fence
    return [*ours, jobs.c.status.in_(statuses)]


def _changes(connection: Connection, where: Sequence[Any], change: Mapping[str, Any]) -> bool:
    return connection.execute(update(jobs).where(*where).values(change)).rowcount == 1


def _below(folder: str, token: str) -> str:
    return f"{folder.rstrip('/')}/{PLACE.format(token=token)}"
