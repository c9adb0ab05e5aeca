from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.service.connections import KINDS, harmful, hold, talk
from benchmarks.service.deployment import Deployment, Plan

COUNT = 30 * len(KINDS)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("connections")
    with Deployment(
        Plan(f"{folder}/site", f"{folder}/jobs.sqlite", "http://-", workers=0)
    ) as served:
        yield served


def test_what_is_said_is_a_matter_of_its_number() -> None:
    url = "http://127.0.0.1:1"
    forms = {number: talk(number, url).whole for number in range(COUNT)}
    assert forms == {number: talk(number, url).whole for number in range(COUNT)}
    assert {True, False} == set(forms.values())


def test_nobody_does_harm(served: Deployment) -> None:
    server = psutil.Process(served.pid)
    results = {number: hold(number, served.url) for number in range(COUNT)}
    assert not {number: result for number, result in results.items() if harmful(result)}
    assert {"400", "404", "413"} <= set(results.values())
    files, memory = server.num_fds(), server.memory_info().rss
    for number in range(COUNT):
        hold(number, served.url)
    assert server.num_fds() <= files + 5
    assert server.memory_info().rss < memory + (8 << 20)
    served.wait()
    assert "Traceback" not in (Path(served.plan.folder) / "log.txt").read_text()


def test_what_is_harm() -> None:
    assert [harmful(result) for result in ("500", "503", "no answer: TimeoutError")] == [True] * 3
    assert not any(map(harmful, ("400", "nothing", "hung up", "no answer: ConnectionResetError")))
