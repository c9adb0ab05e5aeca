"""Artifacts of hand-written kernels and plans, for tests of the runtime alone."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from compiler import build

NATIVE = Path(__file__).parent / "native"
ZIG = "x86_64-linux-gnu.2.17"
META = {"Requirements": {"TargetDevice": "ML_C5", "TargetDeviceType": "cpu"}}
BIAS = np.arange(6, dtype=np.float32)

Artifact = Callable[..., Path]


@pytest.fixture
def children() -> Callable[[], list[psutil.Process]]:
    """Of this process, since the test began: a server that other tests share is none of them."""
    before = psutil.Process().children()
    return lambda: [child for child in psutil.Process().children() if child not in before]


@pytest.fixture(scope="session")
def zig() -> str:
    return ZIG


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """native/kernels.c as an object file."""
    path = tmp_path_factory.mktemp("kernels") / "kernels.o"
    command = [sys.executable, "-m", "ziglang", "cc", "-target", ZIG, *build.C_FLAGS, "-c"]
    command += [f"-I{build.RUNTIME}", str(NATIVE / "kernels.c"), "-o", str(path)]
    subprocess.run(command, check=True, timeout=120)
    return path


@pytest.fixture(scope="session")
def make_artifact(kernels: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A folder as users unpack it, of native/<name>.plan.c and C definitions such as VERSION."""

    def make(name: str, **definitions: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        constants = tmp_path_factory.mktemp("constants") / "bias.bin"
        BIAS.tofile(constants)
        lines = [f"#define {key} {value}\n" for key, value in definitions.items()]
        plan = "".join(lines) + (NATIVE / f"{name}.plan.c").read_text()
        build.link_model([kernels], plan, constants, ZIG, folder)
        build.link_runtime(ZIG, folder)
        shutil.copy(build.HEADER, folder)
        (folder / "compiled.meta").write_text(json.dumps(META))
        return folder

    return make


@pytest.fixture(scope="session")
def affine(make_artifact: Artifact) -> Path:
    """x float32 (2, 3), y int32 (4) -> scaled = 2 x + [0..5], total = sum(y)."""
    return make_artifact("affine")


@pytest.fixture(scope="session")
def rows(make_artifact: Artifact) -> Path:
    """data float32 (any, 3) -> count (any, 2): missing numbers, and the rows of the plan."""
    return make_artifact("rows")


@pytest.fixture(scope="session")
def times(make_artifact: Artifact) -> Path:
    """a float32 (2, 3), b int32 () -> product = a b."""
    return make_artifact("times")
