"""compiler/forked.py: tasks in processes of their own, that end whatever they do."""

import gc
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from compiler import forked


def test_every_task_runs_apart(tmp_path: Path) -> None:
    def task(number: int) -> None:
        (tmp_path / str(number)).write_text(str(os.getpid()))

    assert forked.run(task, 5, processes=2) == []
    assert len({(tmp_path / str(n)).read_text() for n in range(5)} - {str(os.getpid())}) == 5


def test_what_fails_or_hangs_harms_nobody_else(tmp_path: Path) -> None:
    def task(number: int) -> None:
        if number == 0:
            os.kill(os.getpid(), signal.SIGSEGV)
        if number == 1:
            raise ValueError("not this one")
        if number == 2:
            time.sleep(600)
        (tmp_path / str(number)).touch()

    assert sorted(forked.run(task, 5, processes=2, limit_s=1)) == [0, 1, 2]
    assert {path.name for path in tmp_path.iterdir()} == {"3", "4"}


def test_an_exception_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch, children: Callable[[], list[psutil.Process]]
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(forked, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        forked.run(lambda _: time.sleep(600), 2, processes=2)
    assert not children()


def test_garbage_of_the_parent_stays(tmp_path: Path) -> None:
    class Ends:
        def __del__(self) -> None:
            (tmp_path / str(os.getpid())).touch()

    def collect(_: int) -> None:
        gc.collect()

    gc.disable()
    try:
        one = Ends()
        one.__dict__["itself"] = one
        del one
        assert forked.run(collect, 1, processes=1) == []
        gc.collect()
    finally:
        gc.enable()
    assert {path.name for path in tmp_path.iterdir()} == {str(os.getpid())}
