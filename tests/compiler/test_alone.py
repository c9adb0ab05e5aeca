import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler import knobs, progress
from compiler.alone import alone

CODE = """
import sys
from compiler.alone import alone
with alone(0) as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    knobs.current.cache_clear()
    yield
    knobs.current.cache_clear()


def test_one_process_has_the_machine_and_the_next_waits() -> None:
    notes: list[str] = []
    progress.listen(lambda event: notes.append(event.name))
    command, pipe = [sys.executable, "-c", CODE], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout and other.stdin and other.stdout.readline() == "True\n"
        started = time.monotonic()
        with alone(0.3) as mine:
            assert not mine and time.monotonic() - started >= 0.3
        assert notes == ["waits for another job's measurements"]
        os.kill(other.pid, 9)
        with alone(10) as mine:
            assert mine
    progress.listen(None)


def test_where_nothing_can_be_written_a_warning_says_so(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("a file, not a folder")
    warnings: list[str] = []
    progress.listen(lambda event: warnings.append(event.name))
    with alone(0) as mine:
        assert mine
    progress.listen(None)
    assert "cannot be written" in warnings[0]


def test_the_machine_is_free_after_the_block() -> None:
    for _ in range(2):
        with alone(0) as mine:
            assert mine
