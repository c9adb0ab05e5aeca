"""Work in copies of this process: what each came to, or the last words of those that died."""

from __future__ import annotations

import faulthandler
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from compiler import forked


def apart(
    work: Callable[[int], Any], count: int, processes: int, limit_s: float, folder: Path
) -> list[Any]:
    """work(n) for each n, what JSON can hold but no text; a text where its process died or took
    longer than limit_s.

    folder: for what they write, and for temporary files, which a crash would leave elsewhere.
    """

    def task(number: int) -> None:
        with open(folder / f"{number}.words", "w") as words:
            os.dup2(words.fileno(), 1)
            os.dup2(words.fileno(), 2)
            faulthandler.disable()  # or it only changes the file, and TVM hears the signal
            faulthandler.enable(words)
            faulthandler.dump_traceback_later(limit_s, exit=True, file=words)
            tempfile.tempdir = str(folder)
            found = work(number)
        (folder / f"{number}.json").write_text(json.dumps(found))

    forked.run(task, count, processes, 2 * limit_s)
    return [_told(folder, number) for number in range(count)]


def _told(folder: Path, number: int) -> Any:
    try:
        return json.loads((folder / f"{number}.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        words = (folder / f"{number}.words").read_text(errors="replace").strip().splitlines()
        fatal = [line for line in words if line.startswith(("Fatal", "Timeout"))]
        return (fatal or words or ["its process ended without a word"])[-1]
