import pytest
from jinja2 import UndefinedError
from starlette.testclient import TestClient

from compiler.service import render
from compiler.service.store import Event


def test_values_are_escaped_and_none_may_be_missing() -> None:
    answer = render.page("error.html", 404, key=None, code="<b>", message="a & b")
    assert answer.status_code == 404
    assert b"&lt;b&gt;" in answer.body and b"a &amp; b" in answer.body
    with pytest.raises(UndefinedError):
        render.page("error.html", 404, key=None, code="a")


def test_nothing_from_elsewhere_gets_in(browser: TestClient) -> None:
    headers = browser.get("/sign-in").headers
    rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert rules["default-src"] == "'none'" and rules["frame-ancestors"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_files_are_few(browser: TestClient) -> None:
    assert browser.get("/static/style.css").headers["content-type"].startswith("text/css")
    assert browser.get("/static/page.js").headers["content-type"].startswith("text/javascript")
    for name in ("job.html", "..%2Frender.py", "%2e%2e/render.py"):
        assert browser.get(f"/static/{name}").status_code == 404


def test_a_line_of_a_log_is_one_line() -> None:
    events = (
        Event(0.5, "phase", "fetch"),
        Event(1.0, "warning", "a\nb\x1b[2Jc"),
        Event(2, "note", "n"),
    )
    assert [render.line(event) for event in events] == [
        "1970-01-01T00:00:00.500Z fetch",
        "1970-01-01T00:00:01.000Z   warning: a b [2Jc",
        "1970-01-01T00:00:02.000Z   n",
    ]


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"TargetDevice": "ml_c5"}, "ml_c5"),
        ({"CompilationTargetDevice": "ml_c5"}, "ml_c5"),
        ({"TargetPlatform": {"Os": "LINUX", "Arch": "ARM64"}}, "LINUX/ARM64"),
        ({"CompilationTargetPlatformOs": "A", "CompilationTargetPlatformArch": "X86"}, "A/X86"),
    ],
)  # fmt: skip
def test_targets(members: dict[str, object], text: str) -> None:
    assert render.target(members) == text
