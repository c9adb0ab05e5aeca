"""compiler/records.py: measurements in files that people merge and processes share."""

import errno
import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler import records
from compiler.records import Book, Machine, Record

ONE = Record("f32[8]: relu(p0)", "avx2", "znver3", 2, "elementwise", 1, {"b": 2, "a": 1}, 12.5)
OTHER = replace(ONE, point={"a": 2, "b": 2}, us=11.0)


def test_a_file_is_sorted_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    records.write(Book([OTHER, ONE]), path)
    assert path.read_text().splitlines()[0] == (
        '{"work":"f32[8]: relu(p0)","isa":"avx2","cpu":"znver3","threads":2,'
        '"template":"elementwise","version":1,"point":{"a":1,"b":2},"us":12.5,"best_of":1,'
        '"format":1}'
    )
    assert list(records.read(path)) == list(Book([ONE, OTHER]))
    assert [path.name for path in tmp_path.iterdir()] == ["records.jsonl"]


def test_a_book_has_the_fastest_first_whatever_the_order() -> None:
    again = replace(ONE, us=10.0)
    for order in ([ONE, OTHER, again], [again, OTHER, ONE]):
        book = Book(order)
        assert [r.us for r in book.of(ONE.work)] == [10.0, 11.0]
    assert book.of("other work") == []
    assert ONE.machine == Machine("avx2", "znver3", 2)


def test_a_torn_line_and_other_formats_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    wrong = [OTHER.line()[:40], "[]\n", '{"work": 1}\n', replace(OTHER, format=2).line()]
    path.write_text(ONE.line() + wrong[0])
    records.append([OTHER], path)
    assert list(records.read(path)) == [ONE, OTHER]
    path.write_text("".join(wrong[1:]) + ONE.line())
    assert list(records.read(path)) == [ONE]


def _write_many(path: Path, number: int) -> None:
    for n in range(50):
        records.append([replace(ONE, point={"writer": number, "n": n})], path)


def test_several_processes_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "records.jsonl"
    forked = multiprocessing.get_context("fork")
    writers = [forked.Process(target=_write_many, args=(path, n)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(set(r.setting for r in records.read(path))) == 200


def test_a_full_disk_leaves_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "records.jsonl"
    records.append([ONE], path)

    class Full:
        """A file on a disk with room for ten more bytes."""

        def __init__(self, file: Any) -> None:
            self._file, self._room = file, 10

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def write(self, data: bytes) -> int:
            if not self._room:
                raise OSError(errno.ENOSPC, "No space left on device")
            written = self._file.write(data[: self._room])
            self._room = 0
            return int(written)

    with monkeypatch.context() as patched:
        patched.setattr(records, "open", lambda *a, **k: Full(open(*a, **k)), raising=False)
        with pytest.raises(OSError, match="No space"):
            records.append([OTHER], path)
    assert path.read_text() == ONE.line()


def test_what_a_net_says_of_a_setting_is_kept_beside_its_time(tmp_path: Path) -> None:
    lost, won = replace(ONE, in_net=1.2), replace(ONE, us=20.0, in_net=0.9)
    for order in ([ONE, lost, won], [won, ONE, lost]):
        assert list(Book(order)) == [replace(ONE, in_net=0.9)]
    records.append([lost, OTHER], tmp_path / "records.jsonl")
    assert list(records.read(tmp_path / "records.jsonl")) == [lost, OTHER]
    assert list(records.summary([OTHER, replace(ONE, us=10.0, in_net=1.2)])) == [
        replace(ONE, us=10.0, in_net=1.2, best_of=2)
    ]


def test_a_summary_keeps_the_best_of_every_template() -> None:
    elsewhere = replace(ONE, cpu="haswell")
    old = replace(ONE, version=0, us=1.0)
    kept = list(records.summary([ONE, OTHER, elsewhere, old]))
    assert {(r.cpu, r.version, r.us, r.best_of) for r in kept} == {
        ("znver3", 1, 11.0, 2),
        ("haswell", 1, 12.5, 1),
        ("znver3", 0, 1.0, 1),
    }
    assert list(records.summary([*kept, *kept])) == kept


def test_a_summary_keeps_what_noise_cannot_tell_from_the_best() -> None:
    close = replace(ONE, us=OTHER.us * records.NOISE)
    slow = replace(ONE, point={"a": 3, "b": 2}, us=50.0)
    kept = list(records.summary([OTHER, close, slow]))
    assert [(r.us, r.best_of) for r in kept] == [(close.us, 1), (OTHER.us, 2)]
    assert list(records.summary([*kept, close, OTHER])) == kept


def test_shipped_records_are_sorted_and_all_are_read() -> None:
    for path in records.SHIPPED.glob("*.jsonl"):
        found = list(records.read(path))
        assert [r.line() for r in Book(found)] == path.read_text().splitlines(keepends=True)
