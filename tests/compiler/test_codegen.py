"""compiler/codegen.py: kernels as object files for the CPU of the profile."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import targets
from compiler import codegen, dump
from tests.compiler import nets


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
