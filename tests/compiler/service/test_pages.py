"""Pages as a browser gets them, without one."""

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from starlette.testclient import TestClient

from compiler.service.leases import Claim, Leases, Result
from compiler.service.limits import Limits
from compiler.service.store import Event, New, Store
from tests.compiler.service.conftest import ACCOUNT, OTHER, PAIR

REPORT: dict[str, Any] = {
    "size": 12_340_000,
    "parity": {"relative": 2.5e-7, "oracle": "onnxruntime"},
    "warnings": ["<old> opset"],
    "layers": [
        {
            "layers": "conv1 + relu",
            "template": "conv2d",
            "calls": 2,
            "output": [1, 8],
            "share": 0.75,
        }
    ],
}
pytest_plugins = ["tests.compiler.front_door"]
FILES = ("style.css", "page.js")


@pytest.fixture
def new(new: New) -> New:
    return replace(new, account=ACCOUNT)


@pytest.fixture
def claim(store: Store, leases: Leases, new: New) -> Claim:
    """Of a job under way, which said some things."""
    store.create(new)
    claim = leases.claim("host/1", "t")
    assert claim
    tuning = [
        Event(claim.job.created + n, "value", "tuning", {"ms": 9 - n, "trials": n, "left_s": 1})
        for n in range(4)
    ]
    lines = [Event(claim.job.created, "phase", "fetch"), Event(claim.job.created, "phase", "tune")]
    leases.log(claim, [*lines, *tuning, Event(claim.job.created, "warning", "<script>")])
    return claim


def test_strangers_see_nothing(browser: TestClient, claim: Claim) -> None:
    for path in ("/", "/list", "/jobs/a", "/jobs/a/live", "/jobs/a/log", "/jobs/a/artifact"):
        answer = browser.get(path)
        assert answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")
        answer = browser.get(path, headers={"Accept": "*/*"})
        assert (answer.status_code, answer.text) == (401, "Sign in, or sign the request.\n")


def test_an_account_sees_its_jobs(signed_in: TestClient, store: Store, new: New) -> None:
    assert "No jobs." in signed_in.get("/").text
    for name in ("job-1", "job-2", "other"):
        store.create(replace(new, name=name))
    store.create(replace(new, name="foreign", account=OTHER.account))
    text = signed_in.get("/").text
    assert [text.index(f'href="/jobs/{name}"') for name in ("other", "job-2", "job-1")]
    assert "foreign" not in text and "STARTING" in text and "ml_c5" in text
    assert "<!doctype" not in signed_in.get("/list").text
    assert "other" not in signed_in.get("/?NameContains=job").text
    assert "No jobs." in signed_in.get("/?StatusEquals=FAILED").text
    for path in ("/jobs/foreign", "/jobs/foreign/log", "/jobs/foreign/artifact", "/jobs/none"):
        assert signed_in.get(path).status_code == 404
    wrong = signed_in.get("/?NameContains=<b>")
    assert wrong.status_code == 400 and "&lt;b&gt;" in wrong.text and "<b>" not in wrong.text


def test_older_jobs_are_a_page_away(signed_in: TestClient, store: Store, new: New) -> None:
    for n in range(51):
        store.create(replace(new, name=f"job-{n}"))
    text = signed_in.get("/?NameContains=job").text
    assert text.count("<tr>") == 51 and '/jobs/job-0"' not in text
    older = text.split('<a href="/?')[1].split('"')[0].replace("&amp;", "&")
    text = signed_in.get(f"/?{older}").text
    assert '/jobs/job-0"' in text and "Older jobs" not in text and text.count("<tr>") == 2


def test_a_job_under_way(signed_in: TestClient, claim: Claim) -> None:
    text = signed_in.get("/jobs/a").text
    for part in ("INPROGRESS", "<strong>tune</strong>", "of at most 24 h 0 min", "host/1",
                 "6 ms after 3 trials", "<polyline", "&lt;script&gt;"):  # fmt: skip
        assert part in text
    assert "<script>" not in text and "data-final" not in text
    assert '<script src="/static/page.js" defer></script>' in text
    live = signed_in.get("/jobs/a/live").text
    assert "<!doctype" not in live and "<polyline" in live


def test_a_job_that_waits(signed_in: TestClient, store: Store, new: New) -> None:
    store.create(new)
    text = signed_in.get("/jobs/a").text
    assert "waits for a worker" in text and "Phases" not in text and "Nothing yet." in text


def test_a_job_that_completed(
    signed_in: TestClient, claim: Claim, leases: Leases, s3: str, new: New
) -> None:
    result = Result("s3://models/out/.neoc-t/x", "ab" * 64, None, REPORT)
    assert leases.decide(claim, result) and leases.complete(claim, result)
    text = signed_in.get("/jobs/a").text
    for part in (
        *("COMPLETED", "data-final", "75.0 %", "conv1 + relu", "<td>1x8", "12.3 MB", "ab" * 64),
        *("within 2.5e-07", "&lt;old&gt; opset", 'href="/jobs/a/artifact"'),
    ):
        assert part in text
    answer = signed_in.get("/jobs/a/artifact")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{s3}/models/out/net-ml_c5.tar.gz?X-Amz-Alg")


def test_a_job_that_failed(signed_in: TestClient, claim: Claim, leases: Leases) -> None:
    assert leases.fail(claim, "ClientError: <no> model")
    text = signed_in.get("/jobs/a").text
    assert "FAILED" in text and "ClientError: &lt;no&gt; model" in text
    answer = signed_in.get("/jobs/a/artifact")
    assert answer.status_code == 404 and "has no artifact: it is FAILED" in answer.text


def test_the_log_is_text_or_json(
    signed_in: TestClient, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compiler.service.pages.LOG_PAGE", 2)
    answer = signed_in.get("/jobs/a/log")
    assert answer.headers["content-type"].startswith("text/plain")
    assert [line.split("Z ")[1] for line in answer.text.splitlines()] == [
        "fetch", "tune", "  warning: <script>",
    ]  # fmt: skip
    headers = {"Accept": "application/x-ndjson"}
    lines = [json.loads(x) for x in signed_in.get("/jobs/a/log", headers=headers).text.splitlines()]
    assert [line["kind"] for line in lines] == ["phase"] * 2 + ["value"] * 4 + ["warning"]
    assert lines[2]["value"]["trials"] == 0 and lines[0]["attempt"] == claim.fence
    after = f"/jobs/a/log?after={lines[-2]['number']}"
    assert json.loads(signed_in.get(after, headers=headers).text) == lines[-1]
    assert signed_in.get("/jobs/a/log?after=-1").status_code == 400


def test_a_log_outlives_its_job(
    signed_in: TestClient, claim: Claim, leases: Leases, store: Store
) -> None:
    assert leases.fail(claim, "ClientError: no")
    store.delete(ACCOUNT, "a")
    assert signed_in.get("/jobs/a").status_code == 404
    assert signed_in.get("/jobs/a/log").status_code == 200


def test_a_program_signs_its_question(browser: TestClient, claim: Claim) -> None:
    def signed(path: str, key: Any) -> dict[str, str]:
        request = AWSRequest("GET", f"http://testserver{path}", {})
        SigV4Auth(Credentials(key.id, key.secret), "sagemaker", "us-east-1").add_auth(request)
        return {name: str(value) for name, value in request.headers.items()}

    path = "/jobs/a/log?after=0"
    assert browser.get(path, headers=signed(path, PAIR)).status_code == 200
    assert browser.get(path, headers=signed(path, OTHER)).status_code == 404
    assert browser.get(path, headers=signed("/jobs/b/log", PAIR)).status_code == 400


def test_looking_is_limited_as_calling_is(signed_in: TestClient, limits: Limits) -> None:
    limits._rate, limits._burst = 0.0, 0.0
    limits._buckets.clear()
    answer = signed_in.get("/")
    assert answer.status_code == 400 and "ThrottlingException" in answer.text


def test_pages_need_nothing_from_elsewhere(signed_in: TestClient, claim: Claim) -> None:
    """Nor what their policy forbids: scripts and styles within the page."""
    pages = [signed_in.get(path).text for path in ("/", "/jobs/a", "/sign-in")]
    for text in (*pages, *(signed_in.get(f"/static/{name}").text for name in FILES)):
        assert "://" not in text.replace("s3://", "")
        assert " style=" not in text and "<style" not in text and " on" + "click" not in text
