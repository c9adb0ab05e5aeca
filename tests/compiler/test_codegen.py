"""compiler/codegen.py: kernels as object files for the CPU of the profile."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import targets
from compiler import codegen, dump
from compiler.kernels.elementwise import Elementwise
from compiler.kernels.template import Schedule
from tests.compiler import nets

pytest_plugins = ["tests.compiler.front_door"]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Path]:
    dump.start(tmp_path / "keep")
    yield tmp_path / "keep"
    dump.start(None)


def test_an_object_defines_every_kernel(tmp_path: Path) -> None:
    lowered = nets.lower(nets.load(nets.net(), tmp_path))
    made = codegen.compile_kernels(lowered.kernels, targets.get(nets.DEVICE), tmp_path)
    assert all(path.read_bytes().startswith(b"\x7fELF") for path in made)
    content = b"".join(path.read_bytes() for path in made)
    assert all(f"__tvm_ffi_{k.symbol}\0".encode() in content for k in lowered.kernels.values())


def test_the_same_kernels_give_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for name in ("one", "other"):
        folder = tmp_path / name
        folder.mkdir()
        lowered = nets.lower(nets.load(nets.net(), folder))
        paths = codegen.compile_kernels(lowered.kernels, targets.get(nets.DEVICE), folder)
        made.append([path.read_bytes() for path in paths])
    assert made[0] == made[1]


@pytest.mark.parametrize(("device", "vectors"), [("ml_c4", "ymm"), ("ml_c5", "zmm")])
def test_code_has_the_vectors_of_its_device(
    tmp_path: Path, keep: Path, device: str, vectors: str
) -> None:
    lowered = nets.lower(nets.load(nets.net(), tmp_path), device)
    codegen.compile_kernels(lowered.kernels, targets.get(device), tmp_path)
    [llvm, assembly] = sorted(keep.iterdir())[-2:]
    assert llvm.name.endswith("kernels.ll") and assembly.name.endswith("kernels.s")
    assert f"%{vectors}" in assembly.read_text()
    assert ("%zmm" in assembly.read_text()) == (vectors == "zmm")


def test_objects_come_out_of_the_cache_the_same(
    tmp_path: Path, fresh_knobs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    profile, made = targets.get(nets.DEVICE), []
    for name in ("new", "cached"):
        folder = tmp_path / name
        folder.mkdir()
        lowered = nets.lower(nets.load(nets.net(), folder))
        paths = codegen.compile_kernels(lowered.kernels, profile, folder)
        made.append([path.read_bytes() for path in paths])
        monkeypatch.setattr(codegen, "compile_kernel", None)
    assert made[0] == made[1]


def test_whatever_decides_the_bytes_decides_the_name(tmp_path: Path) -> None:
    [kernel, *_] = nets.lower(nets.load(nets.net(), tmp_path)).kernels.values()
    profile, other = targets.get("ml_c4"), targets.get("ml_c5")
    kernels = [kernel, replace(kernel, profile=other), replace(kernel, schedule=ANOTHER)]
    names = {codegen._made_from(k, p) for k in kernels for p in (profile, other)}
    assert len(names) == 6
    script = "import sys; sys.path.insert(0, '.')\n" + NAME_ELSEWHERE
    command = [sys.executable, "-c", script, str(tmp_path)]
    told = {
        subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


ANOTHER = Schedule(Elementwise(), {"one": 1})
NAME_ELSEWHERE = """
from pathlib import Path
import targets
from compiler import codegen
from tests.compiler import nets
kernels = nets.lower(nets.load(nets.net(), Path(sys.argv[1]))).kernels.values()
print([codegen._made_from(kernel, targets.get("ml_c4")) for kernel in kernels])
"""
