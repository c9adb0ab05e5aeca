"""`neoc` whose compile command takes a fraction of a second and makes another artifact every time.

Command, guard, signals, limits, fetch and upload are neoc's own; only the driver is not.
"""

import os
import random
import time
from functools import partial
from pathlib import Path

from compiler import cli, job, progress, storage
from compiler.artifact import Artifact, digest
from compiler.request import CompileRequest

PHASE_S = 0.15  # at most
SIZES = (1000, 9 << 20)  # bytes, of one part and of two


def compile(request: CompileRequest, workdir: Path) -> Artifact:
    progress.phase("fetch")
    storage.fetch(request.source, workdir, endpoint_url=request.endpoint_url)
    for name in ("lower", "tune", "build"):
        progress.phase(name)
        time.sleep(random.uniform(0, PHASE_S))
    archive = workdir / "artifact.tar.gz"
    archive.write_bytes(os.urandom(random.choice(SIZES)))
    progress.phase("upload")
    uri = storage.artifact_uri(request.output, request.source, request.target)
    storage.upload(archive, uri, kms_key=request.kms_key, endpoint_url=request.endpoint_url)
    return Artifact(archive, digest(archive), {"parity": {"relative": 0}, "kernels": []}, uri)


if __name__ == "__main__":
    job.run = partial(job.run, driver=f"{__spec__.name}:compile")
    cli.main()
