"""compiler/tune.py: the best of what was measured, whatever some candidates do."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

import targets
from compiler import clock, in_net, knobs, pipeline, progress, records, tune
from compiler.kernels.template import Schedule
from compiler.records import Record
from compiler.request import CompileRequest
from tests.compiler import nets, wild

pytest_plugins = ["tests.compiler.front_door"]

HERE = Path(__file__).parent
HOST = targets.get("host")
NET = nets.text("(float[64] x) => (float[64] y)", "y = Relu(x)")
TWO = nets.text("(float[64] x) => (float[64] y, float[1] s)", "y = Relu(x) s = ReduceSum(y)")

Tune = Callable[..., dict[str, Schedule]]


@pytest.fixture
def file(tmp_path: Path, fresh_knobs: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's records; there are no others."""
    path = tmp_path / "data" / "records.jsonl"
    monkeypatch.setenv("NEOC_RECORDS", str(path))
    monkeypatch.setattr(records, "SHIPPED", tmp_path / "none")
    return path


@pytest.fixture
def events() -> Iterator[list[progress.Event]]:
    seen: list[progress.Event] = []
    progress.listen(seen.append)
    yield seen
    progress.listen(None)


@pytest.fixture
def request_(tmp_path: Path) -> CompileRequest:
    return CompileRequest(
        source="net.onnx", framework="ONNX", target="host", output="out", tune_s=60
    )


@pytest.fixture
def tuned(
    tmp_path: Path,
    file: Path,
    events: list[progress.Event],
    request_: CompileRequest,
    monkeypatch: pytest.MonkeyPatch,
    children: Callable[[], list[psutil.Process]],
) -> Iterator[Tune]:
    """Tunes a net whose element-wise work has just these settings."""
    monkeypatch.setattr(tune, "FIRST_LIMIT_S", 0.5)
    monkeypatch.setattr(in_net, "ROUND_S", 0.01)

    def run(*deeds: int, net: str = NET, **changes: Any) -> dict[str, Schedule]:
        if deeds:
            monkeypatch.setattr("compiler.kernels.FAMILIES", ((wild.Wild(*deeds),),))
        model = nets.load(net, tmp_path)
        graph = pipeline.lower(model.module, HOST)
        changed = replace(request_, **changes)
        return tune.choose(graph, model.signature, HOST, changed, tmp_path)

    yield run
    assert not children()
    assert not list(tmp_path.glob("tune-*"))


def kept(file: Path) -> list[Record]:
    return list(records.read(file))


def test_the_fastest_is_chosen_and_all_are_recorded(tuned: Tune, file: Path) -> None:
    [schedule] = tuned(wild.GOOD, wild.BETTER).values()
    assert schedule.point == {"deed": wild.BETTER}
    times = {record.point["deed"]: record.us for record in kept(file)}
    assert times[wild.BETTER] < times[wild.GOOD]
    assert {(r.isa, r.template, r.version) for r in kept(file)} == {(HOST.isa.name, "wild", 1)}


def test_what_loses_in_the_net_is_dropped_and_stays_so(
    tuned: Tune, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> list[dict[str, float]]:
        [work] = {record.work for record in kept(file)}
        return [{work: 1.0}, {work: 2.0}]

    with monkeypatch.context() as patched:
        patched.setattr(in_net, "call_times", slow)
        [schedule] = tuned(wild.GOOD, wild.BETTER).values()
    assert schedule.point == {"deed": wild.GOOD}
    assert [(r.point["deed"], r.in_net) for r in kept(file) if r.in_net] == [(wild.BETTER, 2.0)]
    [schedule] = tuned(wild.GOOD, wild.BETTER, tune_s=0).values()
    assert schedule.point == {"deed": wild.GOOD}


def test_what_leaves_no_time_for_it_is_not_judged_in_the_net(
    tuned: Tune, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_net, "judge", None)
    [schedule] = tuned(wild.GOOD, wild.BETTER, tune_s=5).values()
    assert schedule.point == {"deed": wild.BETTER}


def test_what_is_known_costs_no_measurement(
    tuned: Tune, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tuned(wild.GOOD, wild.BETTER)
    before = file.read_text()
    monkeypatch.setattr(tune, "Meter", None)
    monkeypatch.setattr(in_net, "judge", None)
    again = tuned(wild.GOOD, wild.BETTER)
    assert [s.point for s in again.values()] == [s.point for s in first.values()]
    assert file.read_text() == before
    assert [s.point for s in tuned(tune_s=0).values()] == [{"deed": wild.BETTER}]
    assert tuned(tune_s=0, records=False) == {}


def test_bad_candidates_are_passed_over(
    tuned: Tune, file: Path, events: list[progress.Event]
) -> None:
    bad = (wild.CRASHES, wild.NEVER_ENDS, wild.RAISES, wild.KILLS_THE_COMPILER)
    [schedule] = tuned(wild.NEVER_ENDS, *bad, wild.GOOD, wild.BETTER).values()
    assert schedule.point == {"deed": wild.BETTER}
    assert {record.point["deed"] for record in kept(file)} == {wild.GOOD, wild.BETTER}
    notes = [event.name for event in events if event.kind == "note"]
    assert any("status -11" in note for note in notes)
    assert any("no end within" in note for note in notes)
    assert "2 trials" in notes[-1]


def test_where_all_fail_nothing_is_chosen(tuned: Tune, file: Path) -> None:
    assert tuned(wild.CRASHES, wild.RAISES) == {}
    assert tuned(wild.RAISES) == {}
    assert not file.exists()


def test_an_interruption_keeps_what_was_measured(
    tuned: Tune, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = tune.by_turns
    done: list[bool] = []

    def interrupted(*arguments: Any) -> Any:
        if done:
            raise KeyboardInterrupt
        done.append(True)
        return measured(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(tune, "by_turns", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tuned(net=TWO)
    before = kept(file)
    assert before and len({record.work for record in before}) == 1
    tuned(net=TWO)
    assert kept(file)[: len(before)] == before
    assert len({record.work for record in kept(file)}) == 2


def test_a_full_disk_stops_the_records_and_not_the_tuning(
    tuned: Tune, file: Path, events: list[progress.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records, "append", full)
    [schedule] = tuned(wild.GOOD, wild.BETTER).values()
    assert schedule.point == {"deed": wild.BETTER}
    [warning] = [event.name for event in events if event.kind == "warning"]
    assert "No space left on device" in warning


def test_no_records_are_written_where_none_are_wanted(tuned: Tune, file: Path) -> None:
    [schedule] = tuned(wild.GOOD, wild.BETTER, records=False).values()
    assert schedule.point == {"deed": wild.BETTER}
    assert not file.exists()


def test_the_end_of_the_job_leaves_time_for_the_rest(tuned: Tune, file: Path) -> None:
    clock.start(time.monotonic() + tune.RESERVE_S - 1)
    try:
        assert tuned(wild.GOOD, wild.BETTER) == {}
    finally:
        clock.start(None)
    assert not file.exists()


def test_a_limit_inside_the_tuning_ends_it_with_the_best_so_far(
    tuned: Tune, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured, passed = tune.by_turns, [0.0]

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return time.monotonic() + passed[0]

    def long(*arguments: Any) -> Any:
        times = measured(*arguments)
        passed[0] = 120.0
        return times

    monkeypatch.setattr(tune, "time", Clock)
    monkeypatch.setattr(tune, "by_turns", long)
    clock.start(time.monotonic() + 100)
    try:
        chosen = tuned(net=TWO, tune_s=None)
    finally:
        clock.start(None)
    assert len(chosen) == 1
    assert len({record.work for record in kept(file)}) == 1


def test_what_cannot_run_here_is_not_measured(
    tmp_path: Path,
    file: Path,
    request_: CompileRequest,
    events: list[progress.Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(targets, "runs_here", lambda isa: False)
    model = nets.load(NET, tmp_path)
    graph = pipeline.lower(model.module, HOST)
    assert tune.choose(graph, model.signature, HOST, request_, tmp_path) == {}
    assert [event.kind for event in events] == ["warning"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_tuning_leaves_records_and_no_process(
    number: int, tmp_path: Path, scratch: Path, file: Path
) -> None:
    source = nets.save(TWO, tmp_path)
    command = [sys.executable, "-c", SIGNALLED, "compile", "--input", str(source)]
    command += ["--framework", "ONNX", "--target-device", "host", "--output", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": f"{HERE.parents[1]}:{HERE}"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        seen = ""
        while "stalled" not in seen:
            seen = process.stderr.readline()
            assert seen, "it ended too early"
        below = psutil.Process(process.pid).children(recursive=True)
        assert any(child.name() == "measure" for child in below)
        process.send_signal(number)
        assert process.wait(60) == 128 + number
    assert not psutil.wait_procs(below, timeout=30)[1]
    assert len(kept(file)) > 0 and json.loads(file.read_text().splitlines()[-1])
    assert not list(scratch.iterdir())
    assert knobs.read(environment).records == file


SIGNALLED = """
import functools, signal
from compiler import cli, job
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test in the background has it ignored
job.run = functools.partial(job.run, driver="drivers:hang_in_tuning")
cli.main()
"""
