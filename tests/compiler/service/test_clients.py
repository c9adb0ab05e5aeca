"""SageMaker's own clients, unmodified: the AWS CLI and sagemaker-core, with another endpoint alone.

Each in an environment of its own, made once and kept in the user's cache folder.
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.models import cache_folder
from tests.compiler.service import sagemaker_core
from tests.compiler.service.test_serve import FINAL, Start, put, start

pytest_plugins = ["tests.compiler.front_door"]
pytestmark = pytest.mark.full
__all__ = ["start"]  # a fixture

# The example of AWS's guide, "Compile a Model (AWS Command Line Interface)", quotes included, with
# a model that there is.
EXAMPLE = """
{
    "CompilationJobName": "job002",
    "RoleArn": "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole-20180829",
    "InputConfig": {
        "S3Uri": "s3://serve/in/net.tar.gz",
        "DataInputConfig":  "{'x': [1, 8, 4, 4]}",
        "Framework": "ONNX"
    },
    "OutputConfig": {
        "S3OutputLocation": "s3://serve/out",
        "TargetDevice": "ml_c5"
    },
    "StoppingCondition": {
        "MaxRuntimeInSeconds": 300
    }
}
"""
LIMIT_S = 120


def environment_of(package: str) -> Path:
    """The folder of programs of an environment with this package."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache_folder().parent / f"{package.replace('==', '-')}-python{version}"
    programs, ready = folder / "env" / "bin", folder / "ready"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes run side by side
        if not ready.exists():
            make = [sys.executable, "-m", "venv", "--clear", str(folder / "env")]
            subprocess.run(make, check=True)
            pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", package]
            subprocess.run(pip, check=True)
            ready.touch()
    return programs


@pytest.fixture
def served(start: Start, s3: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a client: a server's endpoint and key pair, and nothing else of ours."""
    put(s3, tmp_path)
    server = start()
    assert server.process.stdout
    _, identity, secret = (server.process.stdout.readline().strip() for _ in range(3))
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "NO_PROXY")}
    return {
        **kept,
        "AWS_ENDPOINT_URL_SAGEMAKER": server.url,
        "AWS_ACCESS_KEY_ID": identity,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class Cli:
    """`aws sagemaker ...`."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._aws = environment_of("awscli==1.46.3") / "aws"
        self._environment, self._folder = environment, folder

    def __call__(self, operation: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(self._aws), "sagemaker", operation, *arguments]
        return subprocess.run(
            command, env=self._environment, cwd=self._folder, capture_output=True, text=True
        )

    def json(self, operation: str, *arguments: str) -> Any:
        done = self(operation, *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    def create(self, request: dict[str, Any]) -> Any:
        path = self._folder / "create-job.json"
        path.write_text(json.dumps(request))
        return self.json("create-compilation-job", "--cli-input-json", f"file://{path}")

    def ended(self, name: str) -> Any:
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            told = self.json("describe-compilation-job", "--compilation-job-name", name)
            if told["CompilationJobStatus"] in FINAL:
                return told
        raise AssertionError(told)


def test_the_aws_cli(served: dict[str, str], tmp_path: Path) -> None:
    """Jobs that complete, fail, exceed their limit, are stopped and deleted."""
    aws, request = Cli(served, tmp_path), json.loads(EXAMPLE)
    (tmp_path / "job.json").write_text(EXAMPLE)
    told = aws.json("create-compilation-job", "--cli-input-json", "file://job.json")
    assert told["CompilationJobArn"].endswith(":compilation-job/job002")
    missing = {**request["InputConfig"], "S3Uri": "s3://serve/in/none.tar.gz"}
    aws.create({**request, "CompilationJobName": "bad", "InputConfig": missing})
    limit = {"MaxRuntimeInSeconds": 1}
    aws.create({**request, "CompilationJobName": "late", "StoppingCondition": limit})
    aws.create({**request, "CompilationJobName": "stopped"})
    aws.json("stop-compilation-job", "--compilation-job-name", "stopped")
    found = {name: aws.ended(name) for name in ("job002", "bad", "late", "stopped")}
    assert {name: job["CompilationJobStatus"] for name, job in found.items()} == {
        "job002": "COMPLETED", "bad": "FAILED", "late": "FAILED", "stopped": "STOPPED",
    }  # fmt: skip
    artifact = found["job002"]["ModelArtifacts"]["S3ModelArtifacts"]
    assert artifact == "s3://serve/out/net-ml_c5.tar.gz"
    assert found["job002"]["InputConfig"] == request["InputConfig"]
    assert "S3 object does not exist" in found["bad"]["FailureReason"]
    assert "CompilationTimeout" in found["late"]["FailureReason"]
    listed = aws.json("list-compilation-jobs", "--status-equals", "FAILED", "--sort-by", "Name")
    names = [job["CompilationJobName"] for job in listed["CompilationJobSummaries"]]
    assert names == ["bad", "late"]
    aws.json("delete-compilation-job", "--compilation-job-name", "bad")
    gone = aws("describe-compilation-job", "--compilation-job-name", "bad")
    assert gone.returncode == 254 or gone.returncode == 255
    assert "(ResourceNotFound)" in gone.stderr and "Could not find compilation job" in gone.stderr


@pytest.mark.parametrize(
    ("source", "status", "failure"),
    [("net.tar.gz", "COMPLETED", ""), ("none.tar.gz", "FAILED", "S3 object does not exist")],
)
def test_sagemaker_core(
    source: str, status: str, failure: str, served: dict[str, str], tmp_path: Path
) -> None:
    request = json.loads(EXAMPLE)
    request["InputConfig"]["S3Uri"] = f"s3://serve/in/{source}"
    python = environment_of("sagemaker-core==2.27.0") / "python"
    done = subprocess.run(
        [str(python), "-I", sagemaker_core.__file__, json.dumps(request)],
        env=served, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT_S + 60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["status"], told["listed"], told["left"]) == (status, ["job002"], [])
    assert failure in told["failure"]
    assert status == "FAILED" or told["artifact"] == "s3://serve/out/net-ml_c5.tar.gz"
