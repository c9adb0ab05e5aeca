"""compiler/build.py: what the linked libraries need, export and weigh, and that they repeat."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from compiler import build
from compiler.errors import ServerError

needs_readelf = pytest.mark.skipif(not shutil.which("readelf"), reason="reads ELF with readelf")
LIBC = {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "ld-linux-x86-64.so.2"}
EMPTY_PLAN = '#include "model.h"\nconst neoc_model_t neoc_model = {.constants = neoc_constants};\n'


def readelf(*arguments: str | Path) -> str:
    command = ["readelf", "--wide", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def needed(library: Path) -> set[str]:
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", readelf("--dynamic", library)))


def exported(library: Path) -> set[str]:
    lines = readelf("--dyn-syms", library).splitlines()
    defined = [line.split() for line in lines if re.match(r"\s*\d+:", line) and "UND" not in line]
    return {fields[-1] for fields in defined}


def glibc_versions(library: Path) -> set[tuple[int, ...]]:
    found = re.findall(r"GLIBC_([\d.]+)", readelf("--version-info", library))
    return {tuple(map(int, version.split("."))) for version in found}


@needs_readelf
def test_libdlr_exports_the_abi_and_nothing_else(affine: Path) -> None:
    listed = re.findall(r"^    (\w+);", (build.RUNTIME / "exports.map").read_text(), re.MULTILINE)
    assert exported(affine / "libdlr.so") == set(listed)


@needs_readelf
def test_a_model_exports_its_plan_and_nothing_else(affine: Path) -> None:
    assert exported(affine / "compiled.so") == {"neoc_model"}


@needs_readelf
@pytest.mark.parametrize("name", ["libdlr.so", "compiled.so"])
def test_only_an_old_libc_is_needed(affine: Path, name: str) -> None:
    assert needed(affine / name) <= LIBC
    assert max(glibc_versions(affine / name)) <= (2, 17)


@needs_readelf
def test_constants_are_mapped_read_only_on_a_page(affine: Path, tmp_path: Path, zig: str) -> None:
    (tmp_path / "constants").write_bytes(b"neoc" * 1024)
    library = build.link_model([], EMPTY_PLAN, tmp_path / "constants", zig, tmp_path)
    offset = library.read_bytes().index(b"neoc" * 1024)
    first = re.search(r"LOAD +0x0+ 0x0+ 0x0+ 0x(\w+) 0x\w+ R +0x", readelf("--segments", library))
    assert first and offset % 4096 == 0 and offset + 4096 <= int(first[1], 16)


def test_the_same_input_gives_the_same_bytes(kernels: Path, zig: str, tmp_path: Path) -> None:
    libraries = []
    for name in ("one", "a longer name"):
        folder = tmp_path / name
        folder.mkdir()
        copy = Path(shutil.copy(kernels, folder / f"{name}.o"))
        (folder / "constants").write_bytes(bytes(range(256)) * 10)
        model = build.link_model([copy], EMPTY_PLAN, folder / "constants", zig, folder)
        libraries.append((model.read_bytes(), build.link_runtime(zig, folder).read_bytes()))
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            ["compiled.so", "libdlr.so", "constants", copy.name]
        )
    assert libraries[0] == libraries[1]
    assert str(tmp_path).encode() not in libraries[0][0]


def test_other_constants_of_the_same_size_are_not_confused(zig: str, tmp_path: Path) -> None:
    for text in (b"first constants", b"other constants"):
        (tmp_path / "constants").write_bytes(text)
        model = build.link_model([], EMPTY_PLAN, tmp_path / "constants", zig, tmp_path)
        assert text in model.read_bytes()


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        ("int unused", r"^Linking compiled\.so for .* failed: plan\.c:1:"),
        ('#include "model.h"\nextern const char *missing(void);\n'
         "const neoc_model_t neoc_model = {.error = missing};", "undefined symbol: missing"),
        ("static int unused;", "unused"),
    ],
)  # fmt: skip
def test_what_does_not_link_says_why(zig: str, tmp_path: Path, plan: str, text: str) -> None:
    (tmp_path / "constants").touch()
    with pytest.raises(ServerError, match=text):
        build.link_model([], plan, tmp_path / "constants", zig, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["constants"]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["aarch64-linux-gnu.2.17", "arm-linux-gnueabihf.2.17"])
def test_the_runtime_links_for_other_processors(tmp_path: Path, target: str) -> None:
    assert build.link_runtime(target, tmp_path).stat().st_size < 100_000
    assert build.link_bench(target, tmp_path).stat().st_size < 100_000
