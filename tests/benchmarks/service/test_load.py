from argparse import Namespace

import pytest

from benchmarks.service import load


def test_calls_are_answered_and_measured(capsys: pytest.CaptureFixture[str]) -> None:
    options = Namespace(jobs=120, rate=40.0, seconds=1.5, database="sqlite")
    assert load.run(options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "120 jobs, 40 calls a second, sqlite"
    [calls] = [int(line.split()[1]) for line in lines if line.startswith("Describe")]
    assert 40 <= calls <= 60
    assert any(line.startswith("List ") for line in lines)
