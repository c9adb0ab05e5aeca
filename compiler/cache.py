"""Object files kept under the user's cache folder, named by the hash of all that they are made
from. Nothing depends on it: where it cannot be read or written, objects are made anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from compiler import knobs

LIMIT_BYTES = 1 << 30
KEPT = 0.8  # of the limit, after the oldest were removed
MAGIC = b"\x7fELF"


def name(parts: Iterable[str]) -> str:
    """The name of what is made from these texts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


def fetch(name: str, into: Path) -> bool:
    """Copies the object to `into`, if there is one."""
    path = _path(name)
    try:
        data = path.read_bytes()
        if not data.startswith(MAGIC):  # a machine that lost its power left it empty
            return False
        into.write_bytes(data)
        os.utime(path)
    except OSError:
        return False
    return True


def store(name: str, made: Path) -> None:
    """Whole or not at all, whoever else stores the same."""
    path = _path(name)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            partial = Path(file.name)
        try:
            shutil.copyfile(made, partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def trim(limit: int = LIMIT_BYTES) -> None:
    """Removes what was not used for longest when all is larger than the limit."""
    found: list[tuple[float, int, Path]] = []
    for path in _folder().glob("*/*"):
        with suppress(OSError):
            facts = path.stat()
            found.append((facts.st_mtime, facts.st_size, path))
    size = sum(nbytes for _, nbytes, _ in found)
    if size <= limit:
        return
    for _, nbytes, path in sorted(found):
        if size <= limit * KEPT:
            break
        path.unlink(missing_ok=True)
        size -= nbytes


def _folder() -> Path:
    return knobs.current().cache / "objects"


def _path(name: str) -> Path:
    return _folder() / name[:2] / f"{name}.o"
