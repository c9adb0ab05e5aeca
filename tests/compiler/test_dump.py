from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler import dump


@pytest.fixture(autouse=True)
def stopped() -> Iterator[None]:
    yield
    dump.start(None)


def test_nothing_is_kept_unless_asked() -> None:
    assert dump.slot("onnx.txt") is None


def test_files_are_numbered_in_order(tmp_path: Path) -> None:
    dump.start(tmp_path / "new" / "folder")
    assert dump.slot("onnx.txt") == tmp_path / "new/folder/01-onnx.txt"
    assert dump.slot("plan.txt") == tmp_path / "new/folder/02-plan.txt"
    assert (tmp_path / "new/folder").is_dir()


def test_each_start_counts_anew(tmp_path: Path) -> None:
    dump.start(tmp_path)
    dump.slot("a")
    dump.start(tmp_path)
    assert dump.slot("b") == tmp_path / "01-b"
