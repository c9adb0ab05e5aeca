"""Keep an intermediate: a numbered path when a folder was chosen, else None.

if path := dump.slot("kernels.tir"):
    path.write_text(show(module))
"""

from pathlib import Path

_folder: Path | None = None
_count = 0


def start(folder: Path | None) -> None:
    """Number from 01 into `folder`, made if missing; None keeps nothing."""
    global _folder, _count
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    _folder, _count = folder, 0


def slot(name: str) -> Path | None:
    """The next file, `<nn>-<name>`, or None when nothing is kept."""
    global _count
    if _folder is None:
        return None
    _count += 1
    return _folder / f"{_count:02}-{name}"
