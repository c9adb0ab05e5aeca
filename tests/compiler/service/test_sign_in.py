"""Signing in and out as a browser does, and as a page of another site would."""

from http.cookies import SimpleCookie

import pytest
from starlette.testclient import TestClient

from compiler.service import sign_in
from compiler.service.limits import Limits
from compiler.service.sessions import COOKIE
from tests.compiler.service.conftest import PAIR

FORM = {"id": PAIR.id, "secret": PAIR.secret, "token": ""}


def test_a_pair_gets_a_cookie_and_the_page_it_came_for(browser: TestClient) -> None:
    answer = browser.get("/jobs/a")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Fjobs%2Fa")
    assert (
        '<input type="hidden" name="next" value="/jobs/a">'
        in browser.get(answer.headers["location"]).text
    )
    answer = browser.post("/sign-in", data={**FORM, "next": "/jobs/a"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs/a")
    [cookie] = SimpleCookie(answer.headers["set-cookie"]).values()
    assert cookie.key == COOKIE and PAIR.secret not in cookie.value
    assert cookie["httponly"] and cookie["samesite"] == "strict" and cookie["path"] == "/"
    assert not cookie["secure"]
    assert browser.get("/").status_code == 200
    answer = browser.post("/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert browser.get("/").status_code == 303


def test_over_https_the_cookie_goes_nowhere_else(browser: TestClient) -> None:
    browser.base_url = "https://testserver"
    answer = browser.post("/sign-in", data=FORM)
    [cookie] = SimpleCookie(answer.headers["set-cookie"]).values()
    assert cookie["secure"]


@pytest.mark.parametrize(
    "after",
    ["https://evil.example/", "//evil.example", "/\\evil", "/jobs/a/../../x", "/sign-in", "x"],
)
def test_a_sign_in_leads_nowhere_else(after: str, browser: TestClient) -> None:
    answer = browser.post("/sign-in", data={**FORM, "next": after})
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("change", [{"secret": "x"}, {"id": "AKIANONE"}, {"token": "x"}])
def test_a_wrong_pair_gets_the_form_again(change: dict[str, str], browser: TestClient) -> None:
    answer = browser.post("/sign-in", data={**FORM, **change, "next": "/jobs/a"})
    assert answer.status_code == 403 and "set-cookie" not in answer.headers
    assert "This key pair is not known" in answer.text and 'value="/jobs/a"' in answer.text
    assert "x" not in [part for part in answer.text.split('"') if part == change.get("secret")]


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://testserver"}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://proxy"}, 303),
        ({}, 303),
    ],
)
def test_another_site_signs_nobody_in_or_out(
    headers: dict[str, str], status: int, path: str, browser: TestClient
) -> None:
    answer = browser.post(path, data=FORM, headers=headers)
    assert answer.status_code == status
    assert ("set-cookie" in answer.headers) == (status == 303)


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 403), (b"\xff", 400), (b"id=%ff", 400), (b"&".join([b"a=b"] * 20), 400),
     (b"x" * (sign_in.FORM_BYTES + 1), 413)],
)  # fmt: skip
def test_what_no_form_sends_is_refused(body: bytes, status: int, browser: TestClient) -> None:
    assert browser.post("/sign-in", content=body).status_code == status


def test_guessing_is_slow(browser: TestClient, limits: Limits) -> None:
    limits._rate, limits._burst = 0.0, 2.0
    guess = {**FORM, "secret": "guess"}
    found = [browser.post("/sign-in", data=guess).status_code for _ in range(3)]
    assert found == [403, 403, 400]
