import json
import os
import resource
import sys
import time
from pathlib import Path

import pytest

from compiler.service.child import Child, Order, environment
from compiler.service.store import Event

COMMAND = (sys.executable, str(Path(__file__).with_name("command.py")))


def order(folder: Path, name: str, *options: str) -> Order:
    return Order((*COMMAND, name, *options), {"a": "é"}, folder, "http://127.0.0.1:1")


def test_a_child_is_given_no_more_than_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "secret")
    monkeypatch.setenv("NEOC_TRACE", "1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "storage")
    with Child(order(tmp_path, "tell", "--json")) as child:
        lines = []
        while child.running:
            lines += child.events(5)
        lines += child.events(0)
        outcome = child.result()
        assert child.status == 0
    assert outcome
    told = outcome["told"]
    assert told["arguments"] == ["--json"] and told["request"] == {"a": "é"}
    assert told["folder"] == told["environment"]["TMPDIR"] == str(tmp_path)
    assert told["environment"]["AWS_ACCESS_KEY_ID"] == "storage"
    assert told["environment"]["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:1"
    assert not {"PGPASSWORD", "NEOC_TRACE"} & told["environment"].keys()
    assert told["limits"]["RLIMIT_CORE"] == [0, 0]
    assert told["limits"]["RLIMIT_NOFILE"][1] <= 4096
    assert told["limits"]["RLIMIT_DATA"][1] != resource.RLIM_INFINITY
    assert [(line.kind, line.text) for line in lines] == [("note", "a library talks")]


def test_the_environment_of_a_child_is_chosen(tmp_path: Path) -> None:
    found = environment({"PATH": "/bin", "SECRET": "x"}, Order((), {}, tmp_path))
    assert found.keys() == {"PATH", "PYTHONPATH", "PYTHONSAFEPATH", "TMPDIR"}


def test_steps_arrive_while_it_runs_and_nothing_survives_the_block(tmp_path: Path) -> None:
    with Child(order(tmp_path, "hang")) as child:
        lines: list[Event] = []
        end = time.monotonic() + 20
        while not lines and time.monotonic() < end:
            lines = child.events(1)
        assert [(line.kind, line.text) for line in lines] == [("phase", "build")]
        assert abs(lines[0].at - time.time()) < 5
        child.terminate()
        time.sleep(0.1)
        assert child.running  # it is deaf to that
        pid = child._process.pid
    assert not os.path.exists(f"/proc/{pid}")


def test_a_killed_child_leaves_no_word(tmp_path: Path) -> None:
    with Child(order(tmp_path, "die")) as child:
        assert child.status == -9
        assert child.result() is None


@pytest.mark.parametrize("said", ["", "{", "[]", "{}", '{"reason": 1}'])
def test_what_is_no_outcome_is_none(said: str, tmp_path: Path) -> None:
    command = (sys.executable, "-c", f"print({said!r})")
    with Child(Order(command, {}, tmp_path)) as child:
        assert child.status == 0
        assert child.result() is None


def test_a_child_that_says_too_much_is_cut(tmp_path: Path) -> None:
    code = "import sys; sys.stderr.write('x' * 300_000 + '\\n' + 'end\\n')"
    with Child(Order((sys.executable, "-c", code), {}, tmp_path)) as child:
        lines = []
        while child.running:
            lines += child.events(5)
        lines += child.events(0)
    assert lines[-1].text == "end"
    assert json.dumps([line.text for line in lines]).__sizeof__() < 400_000
