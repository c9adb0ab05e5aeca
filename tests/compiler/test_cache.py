"""compiler/cache.py: objects by the hash of what they are made from."""

import os
from pathlib import Path

import pytest

from compiler import cache

pytest_plugins = ["tests.compiler.front_door"]

OBJECT = b"\x7fELF and code"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, fresh_knobs: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "neoc" / "objects"


def stored(name: str, tmp_path: Path, content: bytes = OBJECT) -> Path:
    (tmp_path / "made.o").write_bytes(content)
    cache.store(name, tmp_path / "made.o")
    return tmp_path / "copy.o"


def test_texts_do_not_run_into_each_other() -> None:
    assert cache.name(["ab", "c"]) != cache.name(["a", "bc"]) != cache.name(["abc"])


def test_what_was_stored_comes_back(tmp_path: Path) -> None:
    name = cache.name(["kernel"])
    assert not cache.fetch(name, tmp_path / "copy.o")
    copy = stored(name, tmp_path)
    assert cache.fetch(name, copy) and copy.read_bytes() == OBJECT


def test_an_empty_file_is_none(tmp_path: Path) -> None:
    name = cache.name(["kernel"])
    assert not cache.fetch(name, stored(name, tmp_path, b""))


def test_without_a_folder_nothing_is_kept(tmp_path: Path, folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")
    name = cache.name(["kernel"])
    assert not cache.fetch(name, stored(name, tmp_path))
    cache.trim()


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, folder: Path) -> None:
    names = [cache.name([str(n)]) for n in range(4)]
    for age, name in enumerate(reversed(names)):
        stored(name, tmp_path)
        os.utime(folder / name[:2] / f"{name}.o", (1000 + age, 1000 + age))
    assert cache.fetch(names[3], tmp_path / "copy.o")  # the oldest, used just now
    cache.trim(limit=len(OBJECT) * 3)
    left = {name for name in names if cache.fetch(name, tmp_path / "copy.o")}
    assert left == {names[0], names[3]}
