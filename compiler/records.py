"""What was measured: the time that one setting of a template takes for one workload on one kind of
machine.

Files of records are JSON lines, sorted, so that they can be kept in git and merged line by line.
The user's own file grows by whole lines under a lock; a line that a crash tore is passed over.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from compiler import knobs
from compiler.kernels.template import Point

FORMAT = 1
NOISE = 1.05  # settings whose times differ by less may take turns in winning
SHIPPED = Path(__file__).parent / "kernels" / "records"


@dataclass(frozen=True)
class Machine:
    """cpu: the micro-architecture, in LLVM's words."""

    isa: str
    cpu: str
    threads: int


@dataclass(frozen=True)
class Record:
    """us: microseconds of one call. best_of: how many settings of the template were measured, of
    which this is the fastest. in_net: its time in a running net as a multiple of the default's in
    the same net, where they were compared; a ratio, as runs of a net differ more than that.
    """

    work: str
    isa: str
    cpu: str
    threads: int
    template: str
    version: int
    point: Point
    us: float
    best_of: int = 1
    format: int = FORMAT
    in_net: float | None = None

    @property
    def machine(self) -> Machine:
        return Machine(self.isa, self.cpu, self.threads)

    @property
    def setting(self) -> tuple[Any, ...]:
        """All but what was measured; also the order in a file."""
        place = (self.work, self.isa, self.cpu, self.threads, self.template, self.version)
        return (*place, tuple(sorted(self.point.items())))

    def line(self) -> str:
        members = {**asdict(self), "point": dict(sorted(self.point.items()))}
        if self.in_net is None:
            del members["in_net"]
        return json.dumps(members, separators=(",", ":")) + "\n"


class Book:
    """Records at hand, by workload."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._found: dict[str, dict[tuple[Any, ...], Record]] = defaultdict(dict)
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        known = self._found[record.work]
        before = known.get(record.setting)
        known[record.setting] = _better(before, record) if before else record

    def of(self, work: str) -> list[Record]:
        """Fastest first; the order depends on the records alone."""
        return sorted(self._found.get(work, {}).values(), key=lambda r: (r.us, r.setting))

    def __iter__(self) -> Iterator[Record]:
        found = (record for known in self._found.values() for record in known.values())
        return iter(sorted(found, key=lambda r: r.setting))


def at_hand() -> Book:
    """The shipped records and the user's."""
    return Book(r for path in (*sorted(SHIPPED.glob("*.jsonl")), user_file()) for r in read(path))


def user_file() -> Path:
    return knobs.current().records


def read(path: Path) -> Iterator[Record]:
    """A file that is not there has no records. Lines that are none are passed over."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        record = _parsed(line)
        if record is not None:
            yield record


def append(records: Iterable[Record], path: Path) -> None:
    """Whole lines, whoever else appends. Raises OSError, and leaves the file as it was, when there
    is no room.
    """
    data = "".join(record.line() for record in records).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end = file.seek(0, os.SEEK_END)
        if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
            data = b"\n" + data  # somebody died in the middle of a line
        try:
            while data:
                data = data[file.write(data) :]
        except OSError:
            file.truncate(end)
            raise


def write(book: Book, path: Path) -> None:
    """All of the book in place of the file, which is never seen half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text("".join(record.line() for record in book))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def summary(records: Iterable[Record]) -> Book:
    """Of each workload, machine and template the fastest setting and those that noise may have
    kept from being it: what is worth to be kept.
    """
    groups: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for record in Book(records):
        groups[record.setting[:-1]].append(record)
    kept = []
    for group in groups.values():
        first, *others = sorted(group, key=_order)
        close = [r for r in others if r.us <= NOISE * first.us]
        slower = sum(r.best_of for r in others if r not in close)
        kept += [replace(first, best_of=first.best_of + slower), *close]
    return Book(kept)


def _order(record: Record) -> tuple[Any, ...]:
    return record.us, record.setting


def _better(one: Record, other: Record) -> Record:
    """Of two records of one setting. Where nets disagree, the one in which it does well counts."""
    in_net = min((r.in_net for r in (one, other) if r.in_net is not None), default=None)
    best_of = max(one.best_of, other.best_of)
    return replace(min(one, other, key=_order), best_of=best_of, in_net=in_net)


def _parsed(line: str) -> Record | None:
    try:
        members = json.loads(line)
        record = Record(**members)
        point = {str(name): int(value) for name, value in record.point.items()}
        us = float(record.us)
        in_net = None if record.in_net is None else float(record.in_net)
    except (ValueError, TypeError, AttributeError):
        return None
    known = record.format == FORMAT and us > 0
    return replace(record, point=point, us=us, in_net=in_net) if known else None
