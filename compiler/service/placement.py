"""Jobs placed by Ray: on a node of the micro-architecture that their device has.

Ray decides where a worker runs, and nothing else. There it claims its jobs from the database, under
a lease and a fence, as every worker does: whatever becomes of Ray, of a node or of this process, a
job is run by one of them or waits for the next. A node says what it is in LLVM's words, and how
many jobs it takes at once:

    ray start --address=head:6379 --resources='{"skylake-avx512": 1}'
"""

import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sqlalchemy.exc import DBAPIError

import targets
from compiler.errors import ClientError
from compiler.service.leases import Leases
from compiler.service.tables import Database
from compiler.service.worker import Options

IDLE_S = 5.0  # without a job, a worker gives its node back
ANYWHERE = ""  # for devices that do not compile: some worker has to say so

log = logging.getLogger(__name__)


class Placement:
    """Call `tend` every now and then. Joins the cluster that RAY_ADDRESS names, or this machine's.

    Raises ClientError where there is none."""

    def __init__(self, options: Options) -> None:
        if not options.database.startswith("postgresql://"):
            raise ClientError("--executor ray needs a --database that every node can reach.")
        self._ray = _joined()
        self._options = replace(options, idle_s=IDLE_S)
        self._database = Database(options.database)
        self._leases = Leases(self._database, options.lease_s)
        self._work = self._ray.remote(num_cpus=0, max_retries=0)(work)
        self._running: dict[Any, str] = {}
        self._missing: set[str] = set()

    def tend(self) -> None:
        """Place a worker for every job that has none."""
        self._forget_ended()
        try:
            waiting = self._leases.demand(self._options.targets)
        except DBAPIError as error:
            log.warning("the database does not answer: %s", error.orig)
            return
        nodes, placed = self._ray.cluster_resources(), Counter(self._running.values())
        for cpu, devices in by_cpu(waiting).items():
            wanted = sum(waiting[device] for device in devices)
            room = int(nodes.get(cpu, 0)) if cpu != ANYWHERE else 1
            self._tell(cpu, room)
            for _ in range(min(wanted, room) - placed[cpu]):
                self._place(cpu)

    def stop(self) -> None:
        """The workers give their jobs back."""
        for task in self._running:
            self._ray.cancel(task)
        self._ended(self._options.grace_s + self._options.lease_s)
        self._ray.shutdown()
        self._database.close()

    def _place(self, cpu: str) -> None:
        chosen = tuple(device for device in _known(self._options.targets) if _cpu(device) == cpu)
        options = replace(self._options, targets=chosen)
        where = {cpu: 1.0} if cpu != ANYWHERE else {}
        task = self._work.options(resources=where).remote(options.to_line())
        self._running[task] = cpu

    def _forget_ended(self) -> None:
        for task in self._ended(0):
            cpu = self._running.pop(task)
            try:
                self._ray.get(task)
            except self._ray.exceptions.RayError as error:
                log.warning("a worker for %s was lost: %s", cpu or "any node", error)

    def _ended(self, timeout_s: float) -> list[Any]:
        """Those that have, after waiting for all of them."""
        tasks = list(self._running)
        if not tasks:
            return []
        ended: list[Any] = self._ray.wait(tasks, num_returns=len(tasks), timeout=timeout_s)[0]
        return ended

    def _tell(self, cpu: str, room: int) -> None:
        if room:
            self._missing.discard(cpu)
        elif cpu not in self._missing:
            self._missing.add(cpu)
            log.warning("jobs wait for a node with the resource %s", cpu)


def work(line: bytes) -> int:
    """On a node: a worker in a process of its own, which ends with this one."""
    command = [sys.executable, "-m", "compiler.service.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as worker:
        assert worker.stdin
        with suppress(BrokenPipeError):
            worker.stdin.write(line)
            worker.stdin.flush()
        try:
            return worker.wait()
        finally:
            worker.stdin.close()


def by_cpu(devices: Iterable[str]) -> Mapping[str, list[str]]:
    """The devices by what a node must have to run their jobs."""
    found: dict[str, list[str]] = {}
    for device in devices:
        found.setdefault(_cpu(device), []).append(device)
    return found


def _cpu(device: str) -> str:
    try:
        return str(targets.get(device).llvm["mcpu"])
    except targets.TargetError:
        return ANYWHERE


def _known(chosen: Iterable[str] | None) -> Iterable[str]:
    return chosen or [*targets.PROFILES, *targets.PLATFORMS, *targets.REFUSED]


def _joined() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ClientError(f"{error}. hint: pip install 'neoc[ray]'") from error
    try:
        ray.init(address="auto", logging_level=logging.WARNING)
    except ConnectionError:
        raise ClientError("no Ray cluster. hint: ray start --head, or set RAY_ADDRESS") from None
    return ray
