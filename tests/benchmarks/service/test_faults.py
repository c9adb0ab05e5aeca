import subprocess
import sys

import pytest


@pytest.mark.slow
def test_jobs_survive_faults() -> None:
    """As a process of its own, since it adopts what its own processes leave."""
    command = [sys.executable, "-m", "benchmarks", "faults", "--faults", "12", "--jobs", "4"]
    options = ["--gap", "0.4", "--database", "postgresql", "--seed", "7"]
    ended = subprocess.run([*command, *options], capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "jobs: 4 COMPLETED" in ended.stdout
    assert all(kind in ended.stdout for kind in ("server", "worker", "pause", "crash", "cut"))
