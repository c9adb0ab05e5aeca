"""What Ray is asked to do, by one that notes it down; and Ray itself, on a cluster of two nodes."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.errors import ClientError
from compiler.service import placement
from compiler.service.leases import Leases
from compiler.service.placement import ANYWHERE, Placement, by_cpu
from compiler.service.store import New, Store
from compiler.service.worker import Options
from tests.conftest import environment_of

RAY = "ray==2.60.0"
ROOT = Path(__file__).parents[3]


class Error(Exception):
    pass


class Ray:
    """nodes: the cluster's resources. placed: (resources, options) of every task. ended: tasks."""

    exceptions = SimpleNamespace(RayError=Error)

    def __init__(self) -> None:
        self.nodes: dict[str, float] = {}
        self.placed: list[tuple[dict[str, float], Options]] = []
        self.ended: set[int] = set()
        self.cancelled: list[int] = []

    def remote(self, **options: Any) -> Callable[..., Any]:
        assert options == {"num_cpus": 0, "max_retries": 0}
        return lambda function: self

    def options(self, resources: dict[str, float]) -> Any:
        def remote(line: bytes) -> int:
            self.placed.append((resources, Options.from_line(line)))
            return len(self.placed)

        return SimpleNamespace(remote=remote)

    def wait(self, tasks: list[int], **_: Any) -> tuple[list[int], list[int]]:
        return [one for one in tasks if one in self.ended], []

    def get(self, task: int) -> None:
        if task > 2:
            raise Error("the node died")

    def cancel(self, task: int) -> None:
        self.cancelled.append(task)

    def cluster_resources(self) -> dict[str, float]:
        return self.nodes

    def shutdown(self) -> None:
        self.nodes = {}


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Ray:
    found = Ray()
    monkeypatch.setattr(placement, "_joined", lambda: found)
    return found


@pytest.fixture
def placed(url: str, ray: Ray) -> Iterator[Placement]:
    found = Placement(Options(url, grace_s=0.1))
    yield found
    found.stop()


@pytest.fixture
def create(store: Store, body: dict[str, Any]) -> Callable[[str, str], None]:
    def make(name: str, target: str) -> None:
        store.create(
            New(account="1", name=name, arn="a", body=body, target=target, artifact="x", tags={})
        )

    return make


def test_devices_of_one_micro_architecture_share_nodes() -> None:
    assert by_cpu(["ml_c4", "ml_c5", "lambda", "ml_m5", "jetson_nano"]) == {
        "haswell": ["ml_c4", "lambda"],
        "skylake-avx512": ["ml_c5", "ml_m5"],
        ANYWHERE: ["jetson_nano"],
    }


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_every_job_has_a_worker_where_there_is_room(
    placed: Placement, ray: Ray, create: Any, leases: Leases
) -> None:
    placed.tend()
    assert not ray.placed
    for name, target in (("a", "ml_c4"), ("b", "lambda"), ("c", "ml_c4"), ("d", "ml_c5")):
        create(name, target)
    ray.nodes = {"haswell": 2.0, "CPU": 8.0}
    placed.tend()
    placed.tend()
    assert [resources for resources, _ in ray.placed] == [{"haswell": 1.0}] * 2
    options = ray.placed[0][1]
    assert {"ml_c4", "ml_m4", "lambda"} <= set(options.targets or ())
    assert "ml_c5" not in (options.targets or ()) and options.idle_s == placement.IDLE_S
    ray.ended = {1}
    ray.nodes["skylake-avx512"] = 1.0
    placed.tend()
    assert [list(resources) for resources, _ in ray.placed[2:]] == [["haswell"], ["skylake-avx512"]]
    ray.ended = {1, 2, 3, 4}
    for target in ("ml_c4", "lambda"):
        while claim := leases.claim("w", target, [target]):
            leases.fail(claim, "no")
    placed.tend()
    assert len(ray.placed) == 5  # for d, whose worker was lost with its node
    placed.stop()
    assert ray.cancelled == [5]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_what_does_not_compile_is_said_anywhere(placed: Placement, ray: Ray, create: Any) -> None:
    create("a", "jetson_nano")
    placed.tend()
    assert [resources for resources, _ in ray.placed] == [{}]


def test_a_file_is_no_database_of_many_machines(ray: Ray) -> None:
    with pytest.raises(ClientError, match="--executor ray needs a --database that every node"):
        Placement(Options("jobs.sqlite"))


def test_ray_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClientError, match=r"hint: pip install 'neoc\[ray\]'"):
        Placement(Options("postgresql://h/n"))


def test_a_worker_ends_with_the_task() -> None:
    """Its own input is not the pipe of options."""
    options = Options("postgresql://postgres@/none?host=/none", idle_s=0.0)
    assert placement.work(options.to_line()) == 0


@pytest.mark.full
def test_a_cluster_of_two_nodes(postgresql: str, tmp_path: Path) -> None:
    (tmp_path / "net.tar.gz").write_bytes(b"model")
    python = environment_of(RAY, below=Path(sysconfig.get_path("purelib")))
    script = Path(__file__).with_name("ray_cluster.py")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "compiler")])
    ended = subprocess.run(
        [str(python), str(script), postgresql, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": paths, "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "a job survives its node" in ended.stdout.splitlines()
