import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from compiler.service import folders

pytest_plugins = ["tests.compiler.front_door"]


def test_a_folder_is_there_for_the_block(scratch: Path) -> None:
    with folders.working() as folder:
        (folder / "file").write_text("x")
        folders.sweep()
        assert list(scratch.iterdir()) == [folder]
        assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(ValueError, match="no"), folders.working():
        raise ValueError("no")
    assert not list(scratch.iterdir())


def test_the_folder_of_a_killed_worker_is_swept(scratch: Path) -> None:
    code = (
        "from compiler.service import folders\n"
        "with folders.working() as folder:\n"
        "    (folder / 'file').write_text('x')\n"
        "    print(folder, flush=True)\n"
        "    input()\n"
    )
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as worker:
        assert worker.stdout
        folder = Path(worker.stdout.readline().strip())
        folders.sweep()
        assert (folder / "file").exists()
        worker.send_signal(signal.SIGKILL)
    folders.sweep()
    assert not list(scratch.iterdir())


def test_what_only_looks_like_one_stays(scratch: Path) -> None:
    (scratch / "other").mkdir()
    os.symlink(scratch / "other", scratch / "neoc-job-link")
    (scratch / "neoc-job-file").touch()
    folders.sweep()
    assert len(list(scratch.iterdir())) == 3
