"""The real thing: `neoc serve` as a user starts it, driven by boto3 with another endpoint_url."""

import ipaddress
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.compiler import nets

pytest_plugins = ["tests.compiler.front_door"]

ROOT = Path(__file__).parents[3]
FINAL = ("COMPLETED", "FAILED", "STOPPED")


@dataclass
class Server:
    process: "subprocess.Popen[str]"
    url: str
    lines: list[str]


Start = Callable[..., Server]


@pytest.fixture
def start(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """`neoc serve` on a port of its own and a data folder of this test; ended afterwards."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    started: list[Server] = []

    def run(*options: str) -> Server:
        command = [sys.executable, "-m", "compiler", "serve", "--port", "0", "--no-tune", *options]
        process = subprocess.Popen(
            [*command, "--storage-endpoint", s3], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        line = process.stdout.readline()
        found = re.search(r"https?://\S+:\d+", line)
        assert found, line
        started.append(Server(process, found[0], [line]))
        return started[-1]

    yield run
    for server in started:
        server.process.terminate()
        server.process.wait(30)
        assert server.process.stdout
        server.process.stdout.close()


def client_of(server: Server) -> Any:
    """With the key pair that the first start prints."""
    assert server.process.stdout
    said, identity, secret = (server.process.stdout.readline().strip() for _ in range(3))
    assert "this once" in said
    return boto3.client(
        "sagemaker",
        endpoint_url=server.url,
        aws_access_key_id=identity,
        aws_secret_access_key=secret,
    )


def check_reply(client: Any, told: dict[str, Any]) -> None:
    """DescribeCompilationJob's, against the shape that botocore has of it, patterns included."""
    shape = client.meta.service_model.operation_model("DescribeCompilationJob").output_shape
    members = {name: value for name, value in told.items() if name != "ResponseMetadata"}
    assert not (errors := ParamValidator().validate(members, shape).generate_report()), errors
    assert members.keys() <= shape.members.keys()
    assert told["CompilationJobStatus"] in shape.members["CompilationJobStatus"].enum
    pattern = shape.members["CompilationJobArn"].metadata["pattern"]
    assert re.fullmatch(pattern, told["CompilationJobArn"])


def ended(client: Any, name: str) -> dict[str, Any]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        told: dict[str, Any] = client.describe_compilation_job(CompilationJobName=name)
        check_reply(client, told)
        if told["CompilationJobStatus"] in FINAL:
            return told
        time.sleep(0.1)
    raise AssertionError(told)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    return paths


def children(pid: int, count: int) -> list[psutil.Process]:
    """Once there are so many."""
    end = time.monotonic() + 20
    found: list[psutil.Process] = []
    while len(found) < count and time.monotonic() < end:
        time.sleep(0.05)
        found = psutil.Process(pid).children(recursive=True)
    assert len(found) == count
    return found


def put(s3: str, folder: Path) -> Any:
    client = boto3.client("s3", endpoint_url=s3)
    client.create_bucket(Bucket="serve")
    model = nets.save(nets.net(), folder)
    with tarfile.open(folder / "net.tar.gz", "w:gz") as tar:
        tar.add(model, model.name)
    client.upload_file(str(folder / "net.tar.gz"), "serve", "in/net.tar.gz")
    return client


@pytest.mark.slow
def test_jobs_from_s3_to_s3(start: Start, s3: str, body: dict[str, Any], tmp_path: Path) -> None:
    """One that completes, fails, is stopped, exceeds its limit, is deleted."""
    storage, server = put(s3, tmp_path), start()
    client = client_of(server)
    body["InputConfig"] = {
        "S3Uri": "s3://serve/in/net.tar.gz",
        "DataInputConfig": "{'x': [1, 8, 4, 4]}",  # as in AWS's own examples
        "Framework": "ONNX",
    }
    body["OutputConfig"] = {"S3OutputLocation": "s3://serve/out/", "TargetDevice": "ml_c5"}
    jobs = {
        "good": body,
        "bad": {**body, "InputConfig": {**body["InputConfig"], "S3Uri": "s3://serve/in/none"}},
        "late": {**body, "StoppingCondition": {"MaxRuntimeInSeconds": 1}},
        "stopped": body,
    }
    for name, request in jobs.items():
        client.create_compilation_job(**{**request, "CompilationJobName": name})
    client.stop_compilation_job(CompilationJobName="stopped")
    told = {name: ended(client, name) for name in jobs}
    assert {name: job["CompilationJobStatus"] for name, job in told.items()} == {
        "good": "COMPLETED", "bad": "FAILED", "late": "FAILED", "stopped": "STOPPED",
    }  # fmt: skip
    artifact = told["good"]["ModelArtifacts"]["S3ModelArtifacts"]
    assert artifact == "s3://serve/out/net-ml_c5.tar.gz"
    listed = storage.list_objects_v2(Bucket="serve")["Contents"]
    assert [item["Key"] for item in listed] == ["in/net.tar.gz", "out/net-ml_c5.tar.gz"]
    assert told["bad"]["FailureReason"].startswith("ClientError: InputConfiguration: S3 object")
    assert "CompilationTimeout" in told["late"]["FailureReason"]
    pages = client.get_paginator("list_compilation_jobs").paginate(
        SortBy="Name", PaginationConfig={"PageSize": 1}
    )
    names = [job["CompilationJobName"] for page in pages for job in page["CompilationJobSummaries"]]
    assert names == sorted(jobs)
    client.delete_compilation_job(CompilationJobName="bad")
    with pytest.raises(ClientError, match="Could not find compilation job 'bad'"):
        client.describe_compilation_job(CompilationJobName="bad")


def test_a_server_ends_with_all_that_is_below_it(start: Start) -> None:
    server = start("--workers", "2")
    below = children(server.process.pid, 2)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) == 143
    assert not [child for child in below if child.is_running()]


def test_workers_end_with_a_server_that_is_killed(start: Start) -> None:
    server = start()
    below = children(server.process.pid, 1)
    server.process.kill()
    _, alive = psutil.wait_procs(below, timeout=20)
    assert not alive


def test_workers_alone(tmp_path: Path) -> None:
    """`neoc worker` on a database, until it is told to end."""
    command = [sys.executable, "-m", "compiler", "worker", "--workers", "2", "--no-tune"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [*command, "--database", str(tmp_path / "jobs.sqlite")], env=environment
    ) as process:
        below = children(process.pid, 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
    assert not [child for child in below if child.is_running()]


def test_a_second_start_makes_no_key(start: Start, tmp_path: Path) -> None:
    first = start("--workers", "0")
    client = client_of(first)
    assert client.list_compilation_jobs()["CompilationJobSummaries"] == []
    first.process.terminate()
    first.process.wait(20)
    second = start("--workers", "0")
    second.process.terminate()
    assert second.process.stdout and second.process.stdout.read() == ""
    kept = tmp_path / "data" / "neoc" / "service.sqlite"
    assert kept.stat().st_mode & 0o777 == 0o600


def test_https(start: Start, tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    server = start("--workers", "0", "--tls-cert", str(cert), "--tls-key", str(key))
    assert server.url.startswith("https://")
    assert server.process.stdout
    _, identity, secret = (server.process.stdout.readline().strip() for _ in range(3))
    client = boto3.client(
        "sagemaker",
        endpoint_url=server.url,
        aws_access_key_id=identity,
        aws_secret_access_key=secret,
        verify=str(cert),
    )
    assert client.list_compilation_jobs()["CompilationJobSummaries"] == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--tls-cert", "a.pem"], "--tls-cert and --tls-key go together."),
        (["--database", "mysql://a/b"], "mysql:// is not supported"),
        (["--database", "/proc/none/a"], "cannot be opened"),
        (["--database", "postgresql://a@127.0.0.1:1/b"], "--database cannot be used: connection f"),
        (["--credentials", "/none"], "/none cannot be read: No such file or directory."),
        (["--host", "192.0.2.1"], "192.0.2.1:0 cannot be listened on"),
    ],
)
def test_a_mistake_costs_one_sentence(options: list[str], text: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "compiler", "serve", "--port", "0", *options],
        env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_DATA_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 2
    [line] = ended.stderr.splitlines()
    assert line.startswith("ClientError: ") and text in line
