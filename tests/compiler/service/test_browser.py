"""The pages in a real browser, while a job goes on."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from starlette.testclient import TestClient

from compiler.service.leases import Leases, Result
from compiler.service.store import Event, New, Store
from tests.compiler.service import chromium
from tests.compiler.service.chromium import Chromium
from tests.compiler.service.conftest import ACCOUNT, PAIR

pytestmark = pytest.mark.skipif(not chromium.PROGRAM, reason="there is no Chromium here")
REPORT = {
    "size": 12_340_000,
    "parity": {"relative": 2.5e-7, "oracle": "onnxruntime"},
    "warnings": [],
    "layers": [
        {"layers": f"conv{n} + relu", "template": "conv2d", "calls": 1, "output": [1, 64, 56, 56],
         "share": 0.4 / n} for n in range(1, 9)
    ],
}  # fmt: skip


@pytest.fixture
def url(browser: TestClient) -> Iterator[str]:
    """The same application behind a socket."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(browser.app, log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Chromium]:
    with Chromium(tmp_path / "profile") as found:
        yield found


def sign_in(window: Chromium, url: str) -> None:
    window.visit(f"{url}/jobs/a")
    window.until("location.pathname === '/sign-in'")
    for name, value in (("id", PAIR.id), ("secret", PAIR.secret)):
        window.evaluate(f"document.querySelector('[name={name}]').value = '{value}'")
    window.evaluate("document.querySelector('.sign-in button').click()")
    window.until("location.pathname === '/jobs/a'")


def test_a_job_is_watched_until_it_ends(
    window: Chromium, url: str, store: Store, leases: Leases, new: New, tmp_path: Path
) -> None:
    store.create(replace(new, account=ACCOUNT))
    claim = leases.claim("host/1", "t")
    assert claim
    now = time.time()
    leases.log(claim, [Event(now + n, "phase", name) for n, name in enumerate(("fetch", "tune"))])
    sign_in(window, url)
    window.until("document.querySelector('.state strong')?.innerText === 'tune'")
    assert window.evaluate("document.cookie") == ""  # which no script may read
    points = [(n, 9 / (n + 1)) for n in range(20)]
    told = [{"ms": ms, "trials": trials, "left_s": 9} for trials, ms in points]
    leases.log(claim, [Event(now, "value", "tuning", value) for value in told])
    window.until("document.querySelector('.curve polyline')")
    result = Result("s3://models/out/.neoc-t/x", "ab" * 64, None, REPORT)
    assert leases.decide(claim, result) and leases.complete(claim, result)
    window.until("document.querySelector('[data-final]')")
    assert window.evaluate("document.querySelectorAll('.bar rect').length") == 8
    paints = {window.picture(tmp_path / f"{dark}.png", dark).read_bytes() for dark in (False, True)}
    assert len(paints) == 2 and min(map(len, paints)) > 20_000
    window.visit(url)
    assert "COMPLETED" in window.evaluate("document.body.innerText")
    assert window.evaluate("getComputedStyle(document.querySelector('table')).width") > "300"
    assert not complaints(window)


def test_the_policy_lets_no_other_script_run(window: Chromium, url: str) -> None:
    window.visit(f"{url}/sign-in")
    window.evaluate(
        "document.body.appendChild(Object.assign(document.createElement('script'),"
        " {textContent: 'window.ran = 1'}))"
    )
    assert window.evaluate("window.ran") is None
    assert complaints(window)


def complaints(window: Chromium) -> list[str]:
    """What the browser wrote to its console."""
    window.evaluate("0")
    entries = [told["params"] for told in window.said if told.get("method") == "Log.entryAdded"]
    return [entry["entry"]["text"] for entry in entries if entry["entry"]["level"] == "error"]
