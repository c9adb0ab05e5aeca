"""A worker: claims a job, has a child process run it within its limits, and ends it once.

    python -m compiler.service.worker        with a line of JSON, see `Options`, as standard input

It ends when its standard input does, so that no worker outlives its server. One job at a time: a
compilation takes all cores there are.
"""

import json
import logging
import math
import os
import secrets
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from compiler import errors, job, offspring, storage
from compiler.errors import ClientError
from compiler.request import from_checked, to_api
from compiler.service import folders, logs
from compiler.service.child import Child, Order
from compiler.service.jobs import Status
from compiler.service.leases import Claim, Leases, Result
from compiler.service.store import Event
from compiler.service.tables import Database

USUAL_LIMIT_S = 24 * 3600  # where StoppingCondition names none, as with AWS
LATE_S = job.CLEAN_UP_S + 10  # after its limit, a child that has not ended is killed
IDLE_S, POLL_S, ASK_S = 0.5, 0.1, 1.0
SWEEP_S = 30.0
PUBLISH_TRIES = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """targets: none for all. attempts: after so many a job is given up that ends what runs it.
    idle_s: the worker ends when there was no job for so long; none for never. command: what to
    run as `neoc`."""

    database: str
    storage_endpoint: str | None = None
    targets: tuple[str, ...] | None = None
    no_tune: bool = False
    grace_s: float = 15.0
    lease_s: float = 30.0
    attempts: int = 3
    idle_s: float | None = None
    command: tuple[str, ...] = (sys.executable, "-m", "compiler")

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Options":
        members = json.loads(line)
        for name in ("targets", "command"):
            members[name] = members[name] and tuple(members[name])
        return cls(**members)


class Hold:
    """A claim while it is ours. A database that is away for less than the lease is no loss."""

    def __init__(self, leases: Leases, claim: Claim) -> None:
        self._leases, self._claim = leases, claim
        self._renewed = self._asked = time.monotonic()
        self._status: Status | None = claim.job.status

    def status(self) -> Status | None:
        """None when another may have the job by now."""
        now = time.monotonic()
        if now - self._asked < ASK_S and now - self._renewed < self._leases.lease_s / 3:
            return self._status
        self._asked = now
        try:
            if now - self._renewed >= self._leases.lease_s / 3:
                self._status = self._leases.beat(self._claim)
                self._renewed = now
            else:
                self._status = self._leases.status(self._claim)
        except DBAPIError as error:
            log.warning("the database does not answer: %s", error.orig)
            if now - self._renewed > 0.8 * self._leases.lease_s:
                self._status = None
        return self._status


class Worker:
    """ending: waits so many seconds for the order to end, and says whether it came. reap: ends
    what a child may have left; for a process that is a worker and nothing else."""

    def __init__(
        self,
        leases: Leases,
        options: Options,
        ending: Callable[[float], bool],
        reap: Callable[[], None] = lambda: None,
    ) -> None:
        self._leases, self._options = leases, options
        self._ending, self._reap = ending, reap
        self._name = f"{socket.gethostname()}/{os.getpid()}"
        self._patience = math.inf if options.idle_s is None else options.idle_s
        self._swept = 0.0

    def run(self) -> None:
        """Until the order to end, or there is nothing to do."""
        idle_since = time.monotonic()
        while not self._ending(0):
            try:
                busy = self.once()
            except DBAPIError as error:
                log.warning("the database does not answer: %s", error.orig)
                busy = False
            if busy:
                idle_since = time.monotonic()
            elif self._ending(IDLE_S) or time.monotonic() - idle_since > self._patience:
                return

    def once(self) -> bool:
        """Whether there was a job to do."""
        if time.monotonic() - self._swept > SWEEP_S:
            self._swept = time.monotonic()
            self._leases.reap()
            self._sweep()
        claim = self._leases.claim(self._name, secrets.token_hex(8), self._options.targets)
        if claim is None:
            return False
        log.info("job claimed", extra=_named(claim))
        self._say(claim, f"attempt {claim.job.attempts} on {self._name}")
        try:
            result = claim.staged or self._make(claim)
            if result is not None:
                self._publish(claim, result)
        except Exception as error:
            log.exception("job failed", extra=_named(claim))
            self._fail(claim, errors.reason(error), None)
        finally:
            self._reap()
            self._sweep()
        return True

    def _make(self, claim: Claim) -> Result | None:
        """The job's result, decided; or None, and the job has ended or is no longer ours."""
        with folders.working() as folder, Child(self._order(claim, folder)) as child:
            cause = self._watch(child, claim)
            told, status = child.result(), child.status
        if cause == "lost":
            self._insist(lambda: self._leases.leave(claim))
            return None
        if told is not None and told["status"] == "COMPLETED" and not cause:
            derived = told.get("derived_data_input_config")
            result = Result(told["artifact"], told["digest"], derived, told)
            if self._insist(lambda: self._leases.decide(claim, result)):
                return result
            cause = "stop"
        if cause == "ending":
            self._insist(lambda: self._leases.give_back(claim))
        elif cause == "timeout":
            self._fail(claim, job.late_reason(_limit(claim)), told)
        elif told is None or (not cause and errors.exit_status_of(told["reason"]) == 1):
            self._try_again(claim, status, told)
        elif not cause:
            self._fail(claim, told["reason"], told)
        elif not self._insist(lambda: self._leases.stopped(claim)):
            self._insist(lambda: self._leases.leave(claim))
        return None

    def _order(self, claim: Claim, folder: Path) -> Order:
        options = [*self._options.command, "compile", "--cli-input-json", "-", "--json"]
        options += ["--json-progress", "--output", claim.place, "--max-runtime", str(_limit(claim))]
        if self._options.no_tune:
            options.append("--no-tune")
        request = to_api(from_checked(claim.job.body))
        return Order(options, request, folder, self._options.storage_endpoint)

    def _watch(self, child: Child, claim: Claim) -> str:
        """Until the child has ended: why it was made to, empty if it was not."""
        hold, cause = Hold(self._leases, claim), ""
        deadline = kill_at = time.monotonic() + _limit(claim) + LATE_S
        pending: list[Event] = []
        logged = time.monotonic()
        while child.running:
            pending = _merged(pending, child.events(POLL_S))
            now = time.monotonic()
            if not cause and (cause := self._cause(hold, now > deadline)):
                log.info("job interrupted", extra={**_named(claim), "cause": cause})
                kill_at = now + (self._options.grace_s if cause in ("stop", "ending") else 0)
                child.terminate()
            if cause and now >= kill_at:
                child.kill()
            if now - logged >= ASK_S:
                pending, logged = self._log(claim, pending), now
        self._log(claim, _merged(pending, child.events(0)))
        return cause

    def _cause(self, hold: Hold, late: bool) -> str:
        status = hold.status()
        if status is None:
            return "lost"
        if status == Status.STOPPING:
            return "stop"
        return "timeout" if late else "ending" if self._ending(0) else ""

    def _log(self, claim: Claim, lines: list[Event]) -> list[Event]:
        """What is left to be written."""
        try:
            self._leases.log(claim, lines)
        except DBAPIError:
            return lines[-1000:]
        return []

    def _say(self, claim: Claim, text: str) -> None:
        """A line of our own in the job's log."""
        self._log(claim, [Event(time.time(), "note", text)])

    def _fail(self, claim: Claim, reason: str, told: Mapping[str, Any] | None) -> None:
        """Unless it was stopped meanwhile."""
        if self._insist(lambda: self._leases.fail(claim, reason, told)):
            log.info("job failed", extra={**_named(claim), "reason": reason})
            self._say(claim, reason)
        else:
            self._insist(lambda: self._leases.stopped(claim))

    def _try_again(self, claim: Claim, status: int, told: Mapping[str, Any] | None) -> None:
        """The failure is ours, or the command left no word: it was stopped, or something killed it,
        or ran out, which another attempt may survive."""
        if self._insist(lambda: self._leases.stopped(claim)):
            return
        if claim.job.attempts < self._leases.attempts:
            self._insist(lambda: self._leases.release(claim))
            return
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        reason = f"ServerError: the compiler ended with {how} {claim.job.attempts} times."
        self._fail(claim, told["reason"] if told else reason, told)

    def _publish(self, claim: Claim, result: Result) -> None:
        """As often as it takes: the artifact under its name, then the job completed."""
        kms_key = claim.job.body["OutputConfig"].get("KmsKeyId") or None
        endpoint = self._options.storage_endpoint
        with self._beating(claim):
            for number in range(PUBLISH_TRIES):
                try:
                    storage.publish(
                        result.uri, claim.job.artifact, kms_key=kms_key, endpoint_url=endpoint
                    )
                    break
                except ClientError as error:
                    self._fail(claim, errors.reason(error), result.report)
                    return
                except errors.ServerError as error:
                    log.warning("job cannot be published: %s", error, extra=_named(claim))
                    if number + 1 == PUBLISH_TRIES:
                        self._fail(claim, errors.reason(error), result.report)
                        return
                    if self._ending(2.0**number):
                        self._insist(lambda: self._leases.give_back(claim))
                        return
            if self._insist(lambda: self._leases.complete(claim, result)):
                log.info("job completed", extra=_named(claim))
                self._say(claim, f"completed: {claim.job.artifact}")

    @contextmanager
    def _beating(self, claim: Claim) -> Iterator[None]:
        """The lease is renewed beside work that cannot be watched."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(self._leases.lease_s / 3):
                with suppress(DBAPIError):
                    self._leases.beat(claim)

        thread = threading.Thread(target=beat)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _sweep(self) -> None:
        """Empty the places of attempts that are over, whosever they were, and this machine's
        folders that no worker has any more."""
        folders.sweep()
        try:
            for fence, place in self._leases.litter():
                with suppress(ClientError):  # then there is no such place, or not for us
                    storage.clear(place, endpoint_url=self._options.storage_endpoint)
                self._leases.cleared(fence)
        except (DBAPIError, errors.ServerError) as error:
            log.warning("temporary objects stay for now: %s", error)

    def _insist(self, tell: Callable[[], bool]) -> bool:
        """Tell the database, for as long as the lease may last."""
        end = time.monotonic() + self._leases.lease_s
        while True:
            try:
                return tell()
            except DBAPIError as error:
                log.warning("the database does not answer: %s", error.orig)
                if time.monotonic() > end:
                    return False
                time.sleep(ASK_S)


def _named(claim: Claim) -> dict[str, Any]:
    """As a log has it."""
    return {"account": claim.job.account, "job": claim.job.name, "attempt": claim.fence}


def _limit(claim: Claim) -> int:
    return claim.job.limit_s or USUAL_LIMIT_S


def _merged(before: list[Event], after: list[Event]) -> list[Event]:
    """Of values that follow each other closely, the last."""
    found = list(before)
    for event in after:
        if found and ("value", event.text) == (event.kind, found[-1].text):
            found.pop()
        found.append(event)
    return found


def main() -> None:
    options = Options.from_line(_read_line())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end_input)
    logs.start("worker")
    offspring.adopt()
    database = Database(options.database)
    leases = Leases(database, options.lease_s, options.attempts)
    Worker(leases, options, _input_ended, _reap).run()
    database.close()


def _read_line() -> bytes:
    """Unbuffered, so that polling sees the end."""
    data = b""
    while not data.endswith(b"\n") and (more := os.read(0, 1)):
        data += more
    return data


def _end_input(number: int, frame: object) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def _input_ended(timeout_s: float) -> bool:
    ready, _, _ = select.select([0], [], [], timeout_s)
    return bool(ready) and not os.read(0, 1)


def _reap() -> None:
    """A compiler's guard cleans up within its time; what is left then has none."""
    end = time.monotonic() + job.CLEAN_UP_S
    while time.monotonic() < end and offspring.children():
        with suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        time.sleep(POLL_S)
    offspring.kill_all()


if __name__ == "__main__":
    main()
