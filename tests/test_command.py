"""The real command from S3 to S3, on a server that speaks its protocol, and at its deadline."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import numpy as np
import psutil
import pytest

from benchmarks import models
from compiler import abi
from tests.compiler import nets

pytest_plugins = ["tests.compiler.front_door"]

ROOT = Path(__file__).parent.parent
LIMIT_S = 8  # long enough to be among LLVM's work by then, a tenth of what the network takes
DEEP = "light_densenet121"


@pytest.fixture
def client(s3: str) -> Any:
    return boto3.client("s3", endpoint_url=s3)


@pytest.fixture
def bucket(client: Any) -> str:
    name = f"models-{uuid4().hex}"
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """Every process below the command has this in its environment."""
    found = uuid4().hex
    monkeypatch.setenv("TEST_MARK", found)
    return found


def neoc(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit status, and what the command says to programs."""
    command = [sys.executable, "-m", "compiler", *arguments, "--json"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    return ended.returncode, json.loads(ended.stdout)


def put(client: Any, bucket: str, key: str, model: Path, scratch: Path) -> None:
    archive = scratch / "upload.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(model, f"some/folder/{model.name}")
    client.upload_file(str(archive), bucket, key)


def keys(client: Any, bucket: str) -> list[str]:
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)
    return [item["Key"] for item in client.list_objects_v2(Bucket=bucket).get("Contents", [])]


def processes(mark: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("TEST_MARK") == mark:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
def test_from_s3_to_s3(client: Any, bucket: str, scratch: Path, tmp_path: Path, mark: str) -> None:
    """A request as the AWS CLI takes it in; an artifact that runs out."""
    put(client, bucket, "in/net.tar.gz", nets.save(nets.net(), tmp_path), tmp_path)
    body = {
        "CompilationJobName": "job",
        "RoleArn": "arn:aws:iam::123456789012:role/service",
        "InputConfig": {
            "S3Uri": f"s3://{bucket}/in/net.tar.gz",
            "DataInputConfig": "{'x': [1, 8, 4, 4]}",  # as in AWS's own examples
            "Framework": "ONNX",
        },
        "OutputConfig": {"S3OutputLocation": f"s3://{bucket}/out/", "TargetDevice": "ml_c5"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 900},
    }
    (tmp_path / "request.json").write_text(json.dumps(body))
    request = ["--cli-input-json", str(tmp_path / "request.json"), "--target-device", "host"]
    status, told = neoc("compile", *request)
    assert status == 0, told["reason"]
    assert told["artifact"] == f"s3://{bucket}/out/net-host.tar.gz"
    assert keys(client, bucket) == ["in/net.tar.gz", "out/net-host.tar.gz"]
    made = tmp_path / "made.tar.gz"
    client.download_file(bucket, "out/net-host.tar.gz", str(made))
    assert made.stat().st_size == told["size"]
    with tarfile.open(made) as archive:
        archive.extractall(tmp_path / "artifact", filter="data")
    x = np.ones((1, 8, 4, 4), np.float32)
    [got] = abi.run_apart(tmp_path / "artifact", [{"x": x}])
    np.testing.assert_array_equal(got["p"], x)
    assert not list(scratch.iterdir()) and not processes(mark)


@pytest.mark.slow
def test_the_deadline_ends_a_real_compilation(
    client: Any, bucket: str, scratch: Path, tmp_path: Path, mark: str
) -> None:
    put(client, bucket, "in/net.tar.gz", models.fetch(DEEP), tmp_path)
    places = ["--input", f"s3://{bucket}/in/net.tar.gz", "--output", f"s3://{bucket}/out"]
    options = ["--framework", "ONNX", "--target-device", "ml_c5", "--max-runtime", str(LIMIT_S)]
    status, told = neoc("compile", *places, *options)
    assert (status, told["status"]) == (2, "FAILED")
    assert told["reason"].startswith("ClientError: CompilationTimeout: the job exceeded ")
    assert LIMIT_S <= told["seconds"] < LIMIT_S + 2  # one second, and one for a busy machine
    assert told["phases"][-1]["name"] not in ("fetch", "upload")
    assert keys(client, bucket) == ["in/net.tar.gz"]
    assert not list(scratch.iterdir()) and not processes(mark)


@pytest.mark.slow
def test_what_s3_refuses_is_the_clients(client: Any, bucket: str, scratch: Path) -> None:
    options = ["--framework", "ONNX", "--target-device", "ml_c5"]
    for source, text in (
        (f"s3://{bucket}/none.tar.gz", "none.tar.gz"),
        ("s3://no-such-bucket-of-ours/net.tar.gz", "no-such-bucket-of-ours"),
    ):
        places = ["--input", source, "--output", f"s3://{bucket}/out"]
        status, told = neoc("compile", *places, *options)
        assert status == 2 and told["reason"].startswith("ClientError: InputConfiguration: ")
        assert text in told["reason"]
    assert keys(client, bucket) == [] and not list(scratch.iterdir())
