"""What a call takes while many jobs wait: a steady stream of calls, and a reader of all pages.

Calls are due at fixed moments, whether those before have been answered or not, and take from when
they were due until their answer: a server that falls behind cannot hide it.
"""

import argparse
import http.client
import itertools
import json
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.service.deployment import KEY, REGION, Deployment, Plan
from benchmarks.service.postgres import Postgres
from compiler.service.keys import ACCOUNT
from compiler.service.store import New, Store
from compiler.service.tables import Database

CLIENTS = 16
# Of a hundred calls: status pages poll, some create and some stop.
MIX = {"Describe": 90, "Create": 4, "Stop": 2, "ListTags": 4}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=50, help="calls a second")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")


def run(options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neoc-load-")))
        url = f"sqlite:///{folder}/jobs.sqlite"
        if options.database == "postgresql":
            url = stack.enter_context(Postgres()).url
        queue(url, options.jobs)
        served = stack.enter_context(
            Deployment(Plan(str(folder / "site"), url, "http://-", workers=0))
        )
        load = Load(served, options.jobs)
        server = psutil.Process(served.pid)
        before = server.cpu_times()
        load.run(options.rate, options.seconds)
        after = server.cpu_times()
        busy = after.user + after.system - before.user - before.system
        print(f"{options.jobs} jobs, {options.rate:g} calls a second, {options.database}")
        for line in load.lines():
            print(line)
        print(
            f"server: {busy / options.seconds:.0%} of a core, {server.memory_info().rss >> 20} MB"
        )
        return 1 if load.failures else 0


def queue(url: str, count: int) -> None:
    database = Database(url)
    database.create()
    for number in range(count):
        body = _body(name := f"job-{number:05}")
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:compilation-job/{name}"
        new = New(account=ACCOUNT, name=name, arn=arn, body=body, target="ml_c5",
                  artifact=f"s3://bucket/out/{name}.tar.gz", tags={"team": "load"})  # fmt: skip
        Store(database).create(new)
    database.close()


class Load:
    """seconds: of every call, by operation. failures: answers that are none of 200."""

    def __init__(self, served: Deployment, jobs: int) -> None:
        self._url, self._jobs = served.url, jobs
        self._own = threading.local()
        self._connections: list[http.client.HTTPConnection] = []
        self._stops = itertools.count()
        self._ended = threading.Event()
        self.seconds: dict[str, list[float]] = {}
        self.failures: Counter[str] = Counter()

    def run(self, rate: float, seconds: float) -> None:
        reader = threading.Thread(target=self._read_pages)
        reader.start()
        chance, begin = random.Random(0), time.monotonic()
        kinds = list(MIX)
        with ThreadPoolExecutor(CLIENTS) as clients:
            for number in range(int(rate * seconds)):
                due = begin + number / rate
                time.sleep(max(0.0, due - time.monotonic()))
                kind = chance.choices(kinds, list(MIX.values()))[0]
                clients.submit(self._call, kind, self._members(kind, number, chance), due)
        self._ended.set()
        reader.join()
        for connection in self._connections:
            connection.close()

    def lines(self) -> list[str]:
        found = [f"{'':10} {'calls':>6} {'median':>8} {'p99':>8} {'most':>8}  ms"]
        for kind, seconds in sorted(self.seconds.items()):
            ranked = [1000 * one for one in sorted(seconds)]
            p99 = ranked[min(len(ranked) - 1, len(ranked) * 99 // 100)]
            median = ranked[len(ranked) // 2]
            found.append(f"{kind:10} {len(ranked):6} {median:8.2f} {p99:8.2f} {ranked[-1]:8.2f}")
        return found + [f"FAILED: {count} {what}" for what, count in self.failures.items()]

    def _members(self, kind: str, number: int, chance: random.Random) -> Mapping[str, Any]:
        name = f"job-{chance.randrange(self._jobs):05}"
        match kind:
            case "Create":
                return _body(f"new-{number}")
            case "Stop":
                return {"CompilationJobName": f"job-{next(self._stops):05}"}  # each once
            case "ListTags":
                arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:compilation-job/{name}"
                return {"ResourceArn": arn}
        return {"CompilationJobName": name}

    def _read_pages(self) -> None:
        """All jobs, over and over, a hundred at a time, newest first."""
        token: Mapping[str, str] = {}
        while not self._ended.is_set():
            asked = {"MaxResults": 100, "SortOrder": "Descending", **token}
            told = self._call("List", asked, time.monotonic())
            token = {"NextToken": told["NextToken"]} if "NextToken" in told else {}

    def _call(self, kind: str, members: Mapping[str, Any], due: float) -> dict[str, Any]:
        body = json.dumps(members).encode()
        headers = signed(self._url, operation(kind), body)
        try:
            connection = self._connection()
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            data, status = answer.read(), answer.status
        except (OSError, http.client.HTTPException) as error:
            self._own.connection = None
            self.failures[f"{kind}: {error!r}"] += 1
            return {}
        self.seconds.setdefault(kind, []).append(time.monotonic() - due)
        if status != 200:
            self.failures[f"{kind}: {status} {data[:200]!r}"] += 1
        told: dict[str, Any] = json.loads(data or b"{}")
        return told

    def _connection(self) -> http.client.HTTPConnection:
        found: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if found is None:
            found = self._own.connection = http.client.HTTPConnection(urlsplit(self._url).netloc)
            self._connections.append(found)
        return found


def operation(kind: str) -> str:
    return {"List": "ListCompilationJobs", "ListTags": kind}.get(kind, f"{kind}CompilationJob")


def signed(url: str, name: str, body: bytes) -> dict[str, str]:
    """The headers of a call of operation `name`."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"SageMaker.{name}",
        "Host": urlsplit(url).netloc,
    }
    request = AWSRequest("POST", url, headers, body)
    SigV4Auth(Credentials(KEY.id, KEY.secret), "sagemaker", REGION).add_auth(request)
    return {name: str(value) for name, value in request.headers.items()}


def _body(name: str) -> dict[str, Any]:
    return {
        "CompilationJobName": name,
        "RoleArn": "arn:aws:iam::123456789012:role/service",
        "InputConfig": {"S3Uri": "s3://bucket/in/net.tar.gz", "Framework": "ONNX"},
        "OutputConfig": {"S3OutputLocation": "s3://bucket/out/", "TargetDevice": "ml_c5"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 900},
    }
