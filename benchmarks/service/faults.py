"""Processes killed and connections cut at random moments: no job is lost, none has two results.

Server, workers and what is below them get SIGKILL while jobs go from S3 to S3, and workers sleep
beyond their leases; a supervisor starts the server again. PostgreSQL's connections are cut, and it
crashes. Afterwards every job has to be COMPLETED, with the very artifact that Describe tells the
digest of, and nothing else may be left: no object, upload, process or folder.
"""

import argparse
import hashlib
import io
import os
import random
import sys
import tarfile
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import psutil
from onnx import TensorProto
from onnx.helper import (
    make_graph,
    make_model,
    make_node,
    make_opsetid,
    make_tensor_value_info,
)
from onnx.numpy_helper import from_array
from sqlalchemy import func, select

from benchmarks.service.deployment import Deployment, Plan, storage
from benchmarks.service.postgres import Postgres, cut
from compiler import offspring
from compiler.service.jobs import FINAL
from compiler.service.tables import Database, attempts, jobs

BUCKET, TARGET = "faults", "ml_c4"
WORKER = "compiler.service.worker"
QUIET_S = 120.0  # for what is under way when the last fault has happened
AWAY_S = 1.0  # at most, between a crash of PostgreSQL and its next start


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=50, help="at most 100")
    parser.add_argument("--gap", type=float, default=0.7, help="mean seconds between faults")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--real", action="store_true", help="compile a network, not a stand-in")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")


def run(options: argparse.Namespace) -> int:
    offspring.adopt()
    random.seed(options.seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neoc-faults-")))
        url, server = f"sqlite:///{folder}/jobs.sqlite", None
        if options.database == "postgresql":
            server = stack.enter_context(Postgres())
            url = server.url
        s3 = stack.enter_context(storage())
        started = time.monotonic()
        plan = Plan(str(folder / "site"), url, s3)
        if options.real:
            plan = replace(plan, command=(sys.executable, "-m", "compiler"))
        trial = Trial(plan, server)
        wrong = trial.run(options.faults, options.jobs, options.gap)
        print(f"{time.monotonic() - started:.0f} s; faults: {_told(trial.faults)}")
        print(f"jobs: {_told(trial.ends)}; attempts: {_told(trial.attempts)}")
        for line in wrong:
            print(f"WRONG: {line}")
        if wrong:
            print((folder / "site" / "log.txt").read_text(), file=sys.stderr)
        return 1 if wrong else 0


class Trial:
    """faults, ends, attempts: how many of each kind there were."""

    def __init__(self, plan: Plan, postgres: Postgres | None) -> None:
        self._served, self._postgres = Deployment(plan), postgres
        self._s3 = boto3.client("s3", endpoint_url=plan.storage)
        self._client = self._served.client()
        self._seen: dict[str, str] = {}
        self._wrong: list[str] = []
        self._waking: list[threading.Timer] = []
        self._due: list[str] = []
        self.faults: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.attempts: Counter[int] = Counter()

    def run(self, faults: int, count: int, gap: float) -> list[str]:
        """All that is wrong afterwards."""
        self._s3.create_bucket(Bucket=BUCKET)
        self._s3.put_object(Bucket=BUCKET, Key="in/net.tar.gz", Body=_network())
        names = [f"job-{number:03}" for number in range(count)]
        with self._served:
            made = 0
            for number in range(faults):
                while made < count * (number + 1) / faults:
                    self._create(names[made])
                    made += 1
                time.sleep(random.uniform(0, 2 * gap))
                self._break()
                self._served.tend()
                self._observe()
            self._settle(names)
            self._check_jobs(names)
        self._check_processes()
        return self._wrong

    def _create(self, name: str) -> None:
        """An answer that was lost does not matter: the name is taken then."""
        with suppress(self._client.exceptions.ResourceInUse):
            self._served.ask(
                self._client.create_compilation_job,
                CompilationJobName=name,
                RoleArn="arn:aws:iam::000000000000:role/service",
                InputConfig={"S3Uri": f"s3://{BUCKET}/in/net.tar.gz", "Framework": "ONNX"},
                OutputConfig={
                    "S3OutputLocation": f"s3://{BUCKET}/out/{name}/",
                    "TargetDevice": TARGET,
                },
                StoppingCondition={"MaxRuntimeInSeconds": 600},
            )

    def _break(self) -> None:
        kinds: dict[str, Callable[[], bool]] = {
            "server": self._kill_server,
            "worker": lambda: _kill(_workers()),
            "child": lambda: _kill(_below_workers()),
            "pause": self._pause,
        }
        if self._postgres:
            kinds |= {"cut": self._cut, "crash": self._crash}
        if not self._due:  # in turns, so that few faults are of every kind, too
            self._due = random.sample(list(kinds), len(kinds))
        kind = self._due.pop()
        end = time.monotonic() + 10
        while not kinds[kind]():
            self._served.tend()
            if time.monotonic() > end:  # there is none, for instance no child for want of jobs
                kind, end = "server", end + 10
            time.sleep(0.01)
        self.faults[kind] += 1

    def _kill_server(self) -> bool:
        self._served.kill()
        return True

    def _pause(self) -> bool:
        """A worker hears and says nothing for up to two leases, as one that is swapped out."""
        if not (found := _workers()):
            return False
        worker = random.choice(found)
        with suppress(psutil.NoSuchProcess):
            worker.suspend()
        self._waking.append(
            threading.Timer(random.uniform(0, 2 * self._served.plan.lease_s), _wake, [worker])
        )
        self._waking[-1].start()
        return True

    def _cut(self) -> bool:
        assert self._postgres
        cut(self._postgres.url)
        return True

    def _crash(self) -> bool:
        assert self._postgres
        self._postgres.crash()
        time.sleep(random.uniform(0, AWAY_S))
        self._postgres.start()
        return True

    def _observe(self) -> None:
        """A job that has ended stays as it is."""
        listed = self._served.ask(self._client.list_compilation_jobs, MaxResults=100)
        for job in listed["CompilationJobSummaries"]:
            name, status = job["CompilationJobName"], job["CompilationJobStatus"]
            before = self._seen.get(name)
            if before in FINAL and before != status:
                self._wrong.append(f"{name} was {before} and is {status}")
            self._seen[name] = status

    def _settle(self, names: list[str]) -> None:
        """Until all jobs have ended and all is swept."""
        for timer in self._waking:
            timer.join()
        database = Database(self._served.plan.database)
        end = time.monotonic() + QUIET_S
        while time.monotonic() < end:
            self._served.tend()
            self._observe()
            with database.reading() as connection:
                litter = connection.scalar(select(func.count()).select_from(attempts))
            done = self._seen.keys() >= set(names) and FINAL >= set(self._seen.values())
            if done and not litter and not self._files():
                break
            time.sleep(0.2)
        else:
            self._wrong.append(f"after {QUIET_S:.0f} s: {litter} attempts, files {self._files()}")
        database.close()

    def _files(self) -> list[str]:
        return sorted(path.name for path in self._served.temporary.iterdir())

    def _check_jobs(self, names: list[str]) -> None:
        objects = dict(self._objects())
        objects.pop("in/net.tar.gz")
        for name in names:
            job = self._served.ask(self._client.describe_compilation_job, CompilationJobName=name)
            self.ends[job["CompilationJobStatus"]] += 1
            made = objects.pop(f"out/{name}/net-{TARGET}.tar.gz", None)
            told = job.get("ModelDigests", {}).get("ArtifactDigest")
            if job["CompilationJobStatus"] != "COMPLETED":
                self._wrong.append(f"{name}: {job.get('FailureReason')}")
            elif made is None or made != told:
                self._wrong.append(f"{name}: the digest is {told}, and of its object {made}")
        self._wrong += [f"{key} is left in the bucket" for key in objects]
        uploads = self._s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ())
        self._wrong += [f"{upload['Key']} is being uploaded" for upload in uploads]
        self._count_attempts()

    def _objects(self) -> Iterator[tuple[str, str]]:
        """Keys and digests."""
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for entry in page.get("Contents", ()):
                body = self._s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
                yield entry["Key"], hashlib.blake2b(body).hexdigest()

    def _count_attempts(self) -> None:
        database = Database(self._served.plan.database)
        with database.reading() as connection:
            self.attempts.update(connection.scalars(select(jobs.c.attempts)))
        database.close()

    def _check_processes(self) -> None:
        """A killed compilation's guard may take a while to clean up."""
        end = time.monotonic() + 15
        while (left := self._processes()) and time.monotonic() < end:
            time.sleep(0.1)
        self._wrong += [f"process {' '.join(process.cmdline())}" for process in left]
        self._wrong += [f"file {name}" for name in self._files()]

    def _processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess, ChildProcessError):
                if process.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(process.pid, os.WNOHANG)
                else:
                    found.append(process)
        ours = psutil.Process(self._postgres.pid) if self._postgres else None
        kept = {ours, *(ours.children(recursive=True) if ours else ())}
        return [process for process in found if process not in kept]


def _network() -> bytes:
    """An archive with a layer in it."""
    x, y = (make_tensor_value_info(name, TensorProto.FLOAT, [1, 64]) for name in "xy")
    w = from_array(np.eye(64, dtype=np.float32), "w")
    graph = make_graph([make_node("MatMul", ["x", "w"], ["y"])], "net", [x], [y], [w])
    data = make_model(graph, opset_imports=[make_opsetid("", 17)]).SerializeToString()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("net.onnx")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return archive.getvalue()


def _kill(processes: list[psutil.Process]) -> bool:
    """One of them, if there is any."""
    if not processes:
        return False
    try:
        random.choice(processes).kill()
    except psutil.NoSuchProcess:
        return False
    return True


def _wake(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.resume()


def _workers() -> list[psutil.Process]:
    return [process for process in _running() if WORKER in _command(process)]


def _below_workers() -> list[psutil.Process]:
    found = []
    for worker in _workers():
        with suppress(psutil.NoSuchProcess):
            found += worker.children(recursive=True)
    return found


def _running() -> list[psutil.Process]:
    return list(psutil.Process().children(recursive=True))


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def _told(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
