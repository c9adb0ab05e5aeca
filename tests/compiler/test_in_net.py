"""compiler/in_net.py: settings judged in two running copies of a net."""

from dataclasses import replace
from pathlib import Path

import pytest

import targets
from compiler import choices, in_net, pipeline, progress
from compiler.bench import CallTimes, ProfileResult
from compiler.choices import Known
from compiler.errors import ServerError
from compiler.kernels import default
from compiler.kernels.workload import Workload
from compiler.records import Book, Record
from frontends.model import Model
from tests.compiler import nets, wild

HOST = targets.get("host")
HERE = choices.machine(HOST)
TWO = nets.text("(float[64] x) => (float[64] y, float[1] s)", "y = Relu(x) s = ReduceSum(y)")


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """One of its two kernels has a choice."""
    monkeypatch.setattr("compiler.kernels.FAMILIES", _families())
    return nets.load(TWO, tmp_path)


def _families() -> tuple[object, ...]:
    from compiler.kernels import FAMILIES

    return ((wild.Wild(wild.GOOD, wild.BETTER),), *FAMILIES)


def known(work: Workload) -> list[Record]:
    """The default, and another setting that is faster alone."""
    usual = default(work, HOST)
    assert usual is not None
    place = (work.key, HERE.isa, HERE.cpu, HERE.threads, usual.template.name, 1)
    return [Record(*place, usual.point, 10.0), Record(*place, {"deed": wild.BETTER}, 5.0)]


def judge(net: Model, book: Book, folder: Path) -> list[Record]:
    graph = pipeline.lower(net.module, HOST)
    return in_net.judge(graph, net.signature, HOST, book, folder)


def book_of(net: Model) -> Book:
    works = pipeline.workloads(pipeline.lower(net.module, HOST)).values()
    return Book(r for w in works if w.operator == "elementwise" for r in known(w))


def test_two_copies_of_the_net_run(
    net: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_net, "ROUND_S", 0.01)
    monkeypatch.setattr(in_net, "ROUNDS", 2)
    [judged] = judge(net, book_of(net), tmp_path)
    assert judged.in_net is not None and 0 < judged.in_net < 1
    assert judged.point == {"deed": wild.BETTER}
    assert not list(tmp_path.glob("tune-*"))
    assert judge(net, Book([*book_of(net), judged]), tmp_path) == []


def test_the_least_of_each_call_counts(
    net: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = book_of(net)
    works = pipeline.workloads(pipeline.lower(net.module, HOST))
    times = {"0": iter([5.0, 4.0]), "1": iter([6.0, 9.0])}

    def profiled(folder: Path, *_: object) -> ProfileResult:
        ms = next(times[folder.name])
        calls = tuple(
            CallTimes(name, ms if work.operator == "elementwise" else 1.0, 9.0)
            for name, work in works.items()
        )
        return ProfileResult(9.0, 9.0, 10, calls)

    monkeypatch.setattr(in_net, "ROUNDS", 2)
    monkeypatch.setattr(in_net, "_build", lambda *_: None)
    monkeypatch.setattr(in_net, "profiled", profiled)
    [judged] = judge(net, book, tmp_path)
    assert judged.in_net == 1.5
    book.add(judged)
    [work] = [w for w in works.values() if w.operator == "elementwise"]
    assert Known(work, HOST, book, HERE).best == default(work, HOST)


def test_where_nothing_was_measured_nothing_is_judged(net: Model, tmp_path: Path) -> None:
    assert judge(net, Book(), tmp_path) == []
    usual = [r for r in book_of(net) if r.point == {"deed": wild.GOOD}]
    assert judge(net, Book(usual), tmp_path) == []


def test_what_equal_kernels_differ_by_is_chance() -> None:
    one = Record("a", "avx2", "znver3", 2, "t", 1, {}, 1.0)
    usual = {"a": 1.0, "b": 10.0, "c": 10.0, "idle": 0.0}
    chosen = {"a": 1.5, "b": 12.5, "c": 8.0, "idle": 0.0}
    assert in_net.ratios(usual, chosen, {"a": one}) == {"a": pytest.approx(1.5 / 1.1375)}
    both = {"a": one, "b": replace(one, work="b"), "c": one}
    assert in_net.ratios(usual, chosen, both)["b"] == 1.25


def test_a_net_that_does_not_run_is_not_judged(
    net: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ServerError("no")

    notes: list[progress.Event] = []
    progress.listen(notes.append)
    monkeypatch.setattr(in_net, "profiled", fail)
    try:
        assert judge(net, book_of(net), tmp_path) == []
    finally:
        progress.listen(None)
    assert [event.name for event in notes] == ["Settings were not compared in the net: no"]


def test_longer_nets_and_more_constants_take_more_time() -> None:
    assert 6 < in_net.seconds(0, 100.0) < 15
    assert in_net.seconds(0, 1e6) > in_net.seconds(0, 1e5) > in_net.seconds(0, 1e3)
    assert in_net.seconds(10**9, 1e3) > in_net.seconds(0, 1e3) + 10
