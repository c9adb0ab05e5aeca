"""A Ray cluster of two nodes on this machine, and jobs that are placed on it; run by an environment
that has Ray:

    python ray_cluster.py DATABASE FOLDER

It prints a line for every step that went as it should. FOLDER holds net.tar.gz.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ray.cluster_utils import Cluster

from compiler.service.jobs import Job, Status
from compiler.service.placement import Placement
from compiler.service.store import New, Store
from compiler.service.tables import Database
from compiler.service.worker import Options

COMMAND = (sys.executable, str(Path(__file__).parent / "command.py"))
SOON_S = 60.0


def new(folder: Path, name: str, target: str) -> New:
    body = {
        "CompilationJobName": name,
        "RoleArn": "arn:aws:iam::123456789012:role/service",
        "InputConfig": {"S3Uri": str(folder / "net.tar.gz"), "Framework": "ONNX"},
        "OutputConfig": {"S3OutputLocation": str(folder / name), "TargetDevice": target},
        "StoppingCondition": {},
    }
    artifact = str(folder / name / f"net-{target}.tar.gz")
    return New(account="1", name=name, arn="arn:a", body=body, target=target,
               artifact=artifact, tags={})  # fmt: skip


class Trial:
    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder
        self._database = Database(url)
        self._database.create()
        self._store = Store(self._database)
        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        os.environ["RAY_ADDRESS"] = self._cluster.address

    def run(self) -> None:
        haswell = self._cluster.add_node(num_cpus=1, resources={"haswell": 1})
        with self._placed("succeed") as tend:
            for name, target in (("a", "ml_c4"), ("b", "ml_c5"), ("c", "lambda"), ("d", "rk3288")):
                self._store.create(new(self._folder, name, target))
            until(lambda: {"a", "c", "d"} <= self._ended(), tend)
            assert self._job("b").status == Status.STARTING
            print("jobs run where their micro-architecture is, and wait where it is not")
            self._cluster.add_node(num_cpus=1, resources={"skylake-avx512": 1})
            until(lambda: "b" in self._ended(), tend)
            assert all(self._job(name).status == Status.COMPLETED for name in "abc")
            assert "rk3288" in self._job("d").reason
            print("a node that joins takes what waits for it")
        self._store.create(new(self._folder, "e", "ml_c4"))
        with self._placed("hang") as tend:
            until(lambda: self._job("e").status == Status.INPROGRESS, tend)
            self._cluster.remove_node(haswell, allow_graceful=False)
            self._cluster.add_node(num_cpus=1, resources={"haswell": 1})
        with self._placed("succeed") as tend:
            until(lambda: "e" in self._ended(), tend)
        assert self._job("e").status == Status.COMPLETED
        print("a job survives its node")

    def close(self) -> None:
        self._cluster.shutdown()
        self._database.close()

    @contextmanager
    def _placed(self, command: str) -> Iterator[Callable[[], None]]:
        options = Options(
            self._url, grace_s=1.0, lease_s=3.0, no_tune=True, command=(*COMMAND, command)
        )
        placement = Placement(options)
        try:
            yield placement.tend
        finally:
            placement.stop()

    def _job(self, name: str) -> Job:
        return self._store.describe("1", name)

    def _ended(self) -> set[str]:
        return {job.name for job in self._store.page("1", {}, None, 100) if job.final}


def until(true: Callable[[], bool], tend: Callable[[], None]) -> None:
    end = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < end, "it takes too long"
        tend()
        time.sleep(0.1)


def main() -> None:
    trial = Trial(sys.argv[1], Path(sys.argv[2]))
    try:
        trial.run()
    finally:
        trial.close()


if __name__ == "__main__":
    main()
