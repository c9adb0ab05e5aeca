import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import boto3
import psutil
import pytest

from compiler import job
from compiler.job import Outcome, Task
from compiler.progress import Event
from compiler.request import CompileRequest

pytest_plugins = ["tests.compiler.front_door"]

HERE = Path(__file__).parent
LIMIT_S = 8  # enough to get to the stall on a busy machine, too
LATE = (
    "ClientError: CompilationTimeout: the job exceeded StoppingCondition.MaxRuntimeInSeconds = "
    f"{LIMIT_S}. Raise the limit or simplify the model."
)
SOON = 60  # seconds: a busy machine takes a few beyond the limit, but what hangs does so for 600
COMMAND = """
import functools, signal, sys
from compiler import cli, job
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test in the background has it ignored
job.run = functools.partial(job.run, driver=sys.argv.pop(1))
cli.main()
"""


@pytest.fixture(autouse=True)
def mark(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every process a test starts has this in its environment, and finds drivers.py."""
    found = uuid4().hex
    monkeypatch.setenv("TEST_MARK", found)
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    return found


@pytest.fixture
def request_(tmp_path: Path) -> CompileRequest:
    source = tmp_path / "net.onnx"
    source.write_bytes(b"model")
    return CompileRequest(
        source=str(source), framework="ONNX", target="ml_c5", output=str(tmp_path / "out")
    )


def compile_with(driver: str, request: CompileRequest) -> tuple[Outcome, list[Event]]:
    events: list[Event] = []
    return job.run(request, events.append, driver=f"drivers:{driver}"), events


def processes(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TEST_MARK") == mark:
                found.append(process)
        except psutil.Error:
            continue
    return [p for p in found if p.pid != os.getpid()]


def wait_until_gone(mark: str, scratch: Path) -> None:
    end = time.monotonic() + SOON
    while processes(mark) or list(scratch.iterdir()):
        assert time.monotonic() < end, (processes(mark), list(scratch.iterdir()))
        time.sleep(0.02)


def test_a_job_gives_artifact_phases_and_warnings(
    request_: CompileRequest, mark: str, scratch: Path, tmp_path: Path
) -> None:
    outcome, events = compile_with("succeed", request_)
    made = tmp_path / "out" / "net-ml_c5.tar.gz"
    assert (outcome.status, outcome.reason, outcome.exit_status) == ("COMPLETED", "", 0)
    assert (outcome.uri, outcome.size) == (str(made), 1000)
    assert outcome.manifest["parity"] == {"relative": 2e-7}
    assert [name for name, _ in outcome.phases] == ["fetch", "build", "upload"]
    assert outcome.warnings == ("slow",)
    assert [e.name for e in events if e.kind == "phase"] == ["fetch", "build", "upload"]
    assert made.stat().st_size == 1000
    assert list(made.parent.iterdir()) == [made]
    assert not processes(mark)
    assert not list(scratch.iterdir())


def test_the_clients_mistake_is_the_reason(request_: CompileRequest) -> None:
    outcome, _ = compile_with("refuse", request_)
    assert outcome.reason == "ClientError: InputConfiguration: the model is a teapot."
    assert (outcome.status, outcome.exit_status) == ("FAILED", 2)


def test_an_unforeseen_error_is_ours_and_one_line(request_: CompileRequest) -> None:
    outcome, _ = compile_with("stumble", request_)
    assert outcome.reason == "ServerError: unexpected ValueError: not thought of"
    assert outcome.exit_status == 1


def test_a_crash_names_signal_and_phase(request_: CompileRequest) -> None:
    outcome, _ = compile_with("crash", request_)
    assert outcome.reason.startswith(
        "ServerError: the compiler process died of signal SIGSEGV during lower; "
    )


def test_a_driver_that_is_not_there_is_our_fault(request_: CompileRequest) -> None:
    assert compile_with("missing", request_)[0].reason.startswith("ServerError: unexpected")


def test_kept_are_intermediates_log_and_trace(request_: CompileRequest, tmp_path: Path) -> None:
    keep = tmp_path / "keep"
    compile_with("succeed", replace(request_, keep=str(keep)))
    assert (keep / "01-plan.txt").read_text() == "plan"
    assert (keep / "log.txt").read_text() == "a library talks to standard output\n"
    compile_with("stumble", replace(request_, keep=str(keep)))
    assert "Traceback" in (keep / "log.txt").read_text()


def test_at_the_limit_nothing_is_left(
    request_: CompileRequest, mark: str, scratch: Path, tmp_path: Path
) -> None:
    started = time.monotonic()
    outcome, _ = compile_with("hang", replace(request_, max_runtime_s=LIMIT_S))
    assert LIMIT_S <= time.monotonic() - started < SOON
    assert (outcome.reason, outcome.exit_status) == (LATE, 2)
    assert not processes(mark)
    assert not list(scratch.iterdir())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("driver", ["hang_in_copy", "hang_after_upload"])
def test_a_job_killed_in_its_upload_leaves_no_file(
    driver: str, request_: CompileRequest, tmp_path: Path
) -> None:
    outcome, events = compile_with(driver, replace(request_, max_runtime_s=LIMIT_S))
    assert any(event.name == "stalled" for event in events)
    assert outcome.reason == LATE
    assert not list((tmp_path / "out").iterdir())


@pytest.fixture
def bucket(s3: str) -> Iterator[str]:
    name = f"jobs-{uuid4().hex}"
    boto3.client("s3", endpoint_url=s3).create_bucket(Bucket=name)
    yield name


def assert_nothing_in(bucket: str, endpoint_url: str) -> None:
    client = boto3.client("s3", endpoint_url=endpoint_url)
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize("driver", ["hang_in_part", "hang_after_upload"])
def test_a_job_killed_in_its_upload_leaves_no_object(
    driver: str, request_: CompileRequest, bucket: str, s3: str
) -> None:
    late = replace(request_, output=f"s3://{bucket}/out", max_runtime_s=LIMIT_S)
    started = time.monotonic()
    outcome, events = compile_with(driver, late)
    assert any(event.name == "stalled" for event in events)
    assert outcome.reason == LATE
    assert time.monotonic() - started < SOON
    assert_nothing_in(bucket, s3)


def test_from_bucket_to_bucket(request_: CompileRequest, bucket: str, s3: str) -> None:
    client = boto3.client("s3", endpoint_url=s3)
    client.put_object(Bucket=bucket, Key="in/net.v1.tar.gz", Body=b"model")
    outcome, _ = compile_with(
        "succeed",
        replace(request_, source=f"s3://{bucket}/in/net.v1.tar.gz", output=f"s3://{bucket}/out/"),
    )
    assert outcome.uri == f"s3://{bucket}/out/net.v1-ml_c5.tar.gz"
    assert client.head_object(Bucket=bucket, Key="out/net.v1-ml_c5.tar.gz")["ContentLength"] == 1000


@contextmanager
def command(driver: str, request: CompileRequest) -> Iterator["subprocess.Popen[str]"]:
    """The neoc command on a driver, once that stalls; killed at the end at the latest."""
    with subprocess.Popen(
        [
            *(sys.executable, "-c", COMMAND, f"drivers:{driver}", "compile"),
            *("--input", request.source, "--framework", request.framework),
            *("--target-device", request.target, "--output", request.output),
        ],
        env={**os.environ, "PYTHONPATH": f"{HERE.parents[1]}:{HERE}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            assert any(line.rstrip().endswith("stalled") for line in process.stderr)
            yield process
        finally:
            process.kill()


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    return process.stderr.read()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_whole_job(
    number: int, status: int, request_: CompileRequest, mark: str, scratch: Path
) -> None:
    with command("hang", request_) as process:
        process.send_signal(number)
        assert process.wait(SOON) == status
        assert "Traceback" not in said(process)
    assert not processes(mark)
    assert not list(scratch.iterdir())


def test_a_job_outlives_its_parent_by_a_moment_only(
    request_: CompileRequest, mark: str, scratch: Path
) -> None:
    with command("hang", request_) as process:
        end = time.monotonic() + SOON
        while len(processes(mark)) < 5:  # command, guard, worker, and two below
            assert time.monotonic() < end, processes(mark)
            time.sleep(0.02)
        process.kill()
        wait_until_gone(mark, scratch)


def test_a_parent_killed_in_an_upload_leaves_no_object(
    request_: CompileRequest, mark: str, scratch: Path, bucket: str, s3: str
) -> None:
    with command("hang_in_part", replace(request_, output=f"s3://{bucket}/out")) as process:
        process.kill()
        wait_until_gone(mark, scratch)
    assert_nothing_in(bucket, s3)


def test_without_its_guard_a_job_ends(
    request_: CompileRequest, mark: str, scratch: Path, tmp_path: Path
) -> None:
    with command("hang_in_copy", request_) as process:
        (guard,) = psutil.Process(process.pid).children()
        guard.kill()
        assert process.wait(SOON) == 1
        assert "the compiler process died of signal SIGKILL during upload" in said(process)
    wait_until_gone(mark, scratch)
    assert not list((tmp_path / "out").iterdir())


def test_a_task_survives_its_line(request_: CompileRequest) -> None:
    task = Task(replace(request_, data_input_config='{"a": [1,\n 2]}'), "drivers:succeed", 12.5)
    line = task.to_line()
    assert line.count(b"\n") == 1
    assert Task.from_line(line) == task
