"""compiler/choices.py: what records decide, and what is worth a measurement."""

from dataclasses import replace

import pytest

from compiler import choices, pipeline
from compiler.choices import DEPTH, Known, identity
from compiler.kernels import default, ranked
from compiler.kernels.template import Schedule
from compiler.kernels.workload import Workload
from compiler.records import NOISE, Book, Machine, Record
from tests.compiler import nets
from tests.compiler.kernels.harness import NARROW, WIDE

HERE = choices.machine(NARROW)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    """A convolution."""
    model = nets.load(nets.net(), tmp_path_factory.mktemp("net"))
    works = pipeline.workloads(pipeline.lower(model.module, NARROW))
    return next(work for work in works.values() if "conv2d" in work.operator)


def record(work: Workload, schedule: Schedule, us: float, machine: Machine = HERE) -> Record:
    name, version = schedule.template.name, schedule.template.version
    place = (machine.isa, machine.cpu, machine.threads)
    return Record(work.key, *place, name, version, schedule.point, us)


def known(work: Workload, *records: Record) -> Known:
    return Known(work, NARROW, Book(records), HERE)


def test_the_fastest_here_is_chosen(work: Workload) -> None:
    slow, fast, _, elsewhere = ranked(work, NARROW)[:4]
    found = [
        record(work, slow, 20.0),
        record(work, fast, 10.0),
        record(work, elsewhere, 1.0, replace(HERE, cpu="other")),
    ]
    best = known(work, *found).best
    assert best is not None and identity(best) == identity(fast)
    chosen = choices.choose({"name": work}, NARROW, Book(found))
    assert identity(chosen["name"]) == identity(fast)


def test_the_default_stays_unless_another_is_faster_by_more_than_noise(work: Workload) -> None:
    usual = default(work, NARROW)
    assert usual is not None
    other = next(s for s in ranked(work, NARROW) if identity(s) != identity(usual))
    for us, expected in ((100.0 / NOISE + 0.1, usual), (100.0 / NOISE - 0.1, other)):
        best = known(work, record(work, usual, 100.0), record(work, other, us)).best
        assert best is not None and identity(best) == identity(expected)


def test_a_setting_that_loses_in_the_net_leaves_the_default(work: Workload) -> None:
    usual = default(work, NARROW)
    assert usual is not None
    other = next(s for s in ranked(work, NARROW) if identity(s) != identity(usual))
    first, second = record(work, other, 50.0), record(work, usual, 100.0)
    assert known(work, first, second).rival == first
    for in_net, expected in ((NOISE - 0.01, other), (NOISE + 0.01, usual)):
        judged = known(work, replace(first, in_net=in_net), second)
        assert judged.best is not None and identity(judged.best) == identity(expected)
        assert (judged.rival is None) == (expected is usual)
    assert known(work, first).rival is None
    assert known(work, second).rival is None


def test_what_was_fast_elsewhere_decides_where_nothing_else_is_known(work: Workload) -> None:
    other = replace(HERE, cpu="other")
    last = ranked(work, NARROW)[-1]
    found = known(work, record(work, last, 1.0, other))
    assert found.best is not None and identity(found.best) == identity(last)
    assert identity(found.candidates()[1]) == identity(last)
    assert known(work, record(work, last, 1.0, replace(other, isa="neon"))).best is None


def test_nothing_is_known_of_new_templates_and_strange_points(work: Workload) -> None:
    first = ranked(work, NARROW)[0]
    old = replace(record(work, first, 1.0), version=-1)
    strange = replace(record(work, first, 1.0), point={"columns": 10**6})
    unknown = replace(record(work, first, 1.0), template="dream")
    found = known(work, old, strange, unknown)
    assert found.best is None and len(found.wanted()) == len(found.candidates()[:DEPTH])
    assert choices.choose({"name": work}, NARROW, Book([old, strange, unknown])) == {}


def test_candidates_begin_with_the_default_and_name_each_once(work: Workload) -> None:
    found = known(work).candidates()
    usual = default(work, NARROW)
    assert usual is not None and identity(found[0]) == identity(usual)
    assert len({identity(s) for s in found}) == len(found) == len(ranked(work, NARROW))


def test_a_known_workload_wants_nothing(work: Workload) -> None:
    first = known(work).candidates()[:DEPTH]
    assert [identity(s) for s in known(work).wanted()] == [identity(s) for s in first]
    half = [record(work, s, 5.0) for s in first[: len(first) // 2]]
    assert len(known(work, *half).wanted()) == len(first) - len(half)
    kept = [replace(record(work, first[-1], 5.0), best_of=len(first))]
    if len({s.template.name for s in first}) == 1:
        assert known(work, *kept).wanted() == []
    assert known(work, *[record(work, s, 5.0) for s in first]).wanted() == []


def test_neighbours_differ_by_a_step_of_one_knob(work: Workload) -> None:
    found = known(work)
    start = next(s for s in ranked(work, NARROW) if len(s.point) > 1)
    for near in found.neighbours(start):
        assert near.template is start.template
        assert sum(near.point[k] != start.point[k] for k in start.point) == 1


def test_a_device_that_is_not_here_goes_by_its_own_name() -> None:
    there = choices.machine(WIDE)
    assert there.isa == "avx512"
    assert HERE.threads <= NARROW.cores
