"""A compilation job as the service knows it, and the moves its status may make. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """CompilationJobStatus of the API. STARTING: waits for a worker."""

    STARTING = "STARTING"
    INPROGRESS = "INPROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"


MOVES: Mapping[Status, frozenset[Status]] = {
    Status.STARTING: frozenset({Status.INPROGRESS, Status.STOPPING}),
    Status.INPROGRESS: frozenset({Status.COMPLETED, Status.FAILED, Status.STOPPING}),
    Status.STOPPING: frozenset({Status.STOPPED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.STOPPED: frozenset(),
}
FINAL = frozenset(status for status, moves in MOVES.items() if not moves)


def before(status: Status) -> frozenset[Status]:
    """What a job may be in when it becomes `status`."""
    return frozenset(one for one, moves in MOVES.items() if status in moves)


@dataclass(frozen=True, kw_only=True)
class Job:
    """Times: seconds of the epoch by the database's clock. body: the CreateCompilationJob request,
    Tags left out. artifact: where the result is, or will be. derived: DerivedDataInputConfig.
    report: what `neoc compile --json` said. fence: of the attempt that holds the job.
    attempts: how many were begun."""

    id: int
    account: str
    name: str
    arn: str
    body: Mapping[str, Any]
    status: Status
    created: float
    modified: float
    started: float | None
    ended: float | None
    reason: str
    artifact: str
    digest: str | None
    derived: str | None
    report: Mapping[str, Any] | None
    fence: int
    attempts: int
    worker: str | None

    @property
    def final(self) -> bool:
        return self.status in FINAL

    @property
    def limit_s(self) -> int | None:
        """MaxRuntimeInSeconds as the request has it."""
        limit: int | None = self.body["StoppingCondition"].get("MaxRuntimeInSeconds")
        return limit
