"""benchmarks/apart.py: work whose processes may die."""

import ctypes
import time
from pathlib import Path

from benchmarks.apart import apart


def test_what_dies_or_hangs_harms_nothing_else(tmp_path: Path) -> None:
    def work(number: int) -> list[int]:
        if number == 1:
            ctypes.string_at(0)
        if number == 2:
            time.sleep(60)
        return [number]

    found = apart(work, 3, 2, 2.0, tmp_path)
    assert found == [[0], "Fatal Python error: Segmentation fault", "Timeout (0:00:02)!"]
