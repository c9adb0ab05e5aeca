"""Drivers that the tests of jobs run in place of the real one."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, NoReturn

import boto3

from compiler import dump, progress, storage
from compiler.artifact import Artifact, digest
from compiler.errors import ClientError
from compiler.request import CompileRequest


def succeed(request: CompileRequest, workdir: Path, size: int = 1000) -> Artifact:
    progress.phase("fetch")
    storage.fetch(request.source, workdir, endpoint_url=request.endpoint_url)
    progress.phase("build")
    print("a library talks to standard output")
    progress.warning("slow")
    dump.start(Path(request.keep) if request.keep else None)
    if path := dump.slot("plan.txt"):
        path.write_text("plan")
    archive = workdir / "artifact.tar.gz"
    archive.write_bytes(os.urandom(size))
    progress.phase("upload")
    uri = storage.artifact_uri(request.output, request.source, request.target)
    storage.upload(archive, uri, kms_key=request.kms_key, endpoint_url=request.endpoint_url)
    kernel = {"template": "t" * 100, "output": [1], "flops": 1, "bytes": 1, "calls": [["layer"]]}
    manifest = {"parity": {"relative": 2e-7}, "kernels": [kernel] * 2000}
    return Artifact(archive, digest(archive), manifest, uri)


def refuse(request: CompileRequest, workdir: Path) -> NoReturn:
    progress.phase("frontend")
    raise ClientError("InputConfiguration: the model is a teapot.")


def stumble(request: CompileRequest, workdir: Path) -> NoReturn:
    raise ValueError("not thought of\nsecond line")


def crash(request: CompileRequest, workdir: Path) -> NoReturn:
    progress.phase("lower")
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def perish(request: CompileRequest, workdir: Path) -> NoReturn:
    """As when memory runs out."""
    progress.phase("lower")
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def hang(request: CompileRequest, workdir: Path) -> NoReturn:
    """With a file, a child, and a grandchild that left for a session of its own."""
    progress.phase("build")
    (workdir / "half").write_bytes(b"made")
    subprocess.Popen(["sh", "-c", "setsid sleep 600 & sleep 600"])
    _stall()


def hang_in_copy(request: CompileRequest, workdir: Path) -> NoReturn:
    """Killed while the artifact is written to a local folder."""
    setattr(shutil, "copyfileobj", _stall)  # noqa: B010  mypy forbids the plain assignment
    succeed(request, workdir)
    raise AssertionError


def hang_after_upload(request: CompileRequest, workdir: Path) -> NoReturn:
    """Killed when the artifact just got its final name."""
    succeed(request, workdir)
    _stall()


def hang_in_part(request: CompileRequest, workdir: Path) -> NoReturn:
    """Killed in the middle of a multipart upload."""
    boto3.setup_default_session()
    boto3.DEFAULT_SESSION.events.register("before-call.s3.UploadPart", _stall)
    succeed(request, workdir, size=9 << 20)
    raise AssertionError


def _stall(*_: object, **__: object) -> NoReturn:
    progress.note("stalled")
    while True:
        time.sleep(600)


def hang_in_tuning(request: CompileRequest, workdir: Path) -> Artifact:
    """The first workload is measured; the kernel of the next never ends."""
    from compiler import driver, kernels, tune
    from tests.compiler.wild import NEVER_ENDS, Wild

    measured = tune.by_turns

    def first_only(meter: Any, trials: Any) -> Any:
        setattr(tune, "by_turns", endless)  # noqa: B010
        return measured(meter, trials)

    def endless(meter: Any, trials: Any) -> Any:
        progress.note("stalled")
        return measured(meter, trials)

    setattr(tune, "by_turns", first_only)  # noqa: B010
    setattr(tune, "FIRST_LIMIT_S", 600.0)  # noqa: B010
    sums = Wild(NEVER_ENDS, operator="relax.sum")
    setattr(kernels, "FAMILIES", ((sums,), *kernels.FAMILIES))  # noqa: B010
    return driver.compile(request, workdir)
