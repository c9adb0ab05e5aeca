"""Signatures that botocore makes hold; whatever is changed afterwards does not."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from compiler.service.auth import DATE, verify
from compiler.service.faults import Fault
from compiler.service.keys import Key

KEY = Key("AKIAEXAMPLE", "secret", "123456789012")
TEMPORARY = Key("ASIAEXAMPLE", "secret", "123456789012", "session", time.time() + 3600)
STALE = Key("ASIASTALE", "secret", "123456789012", "session", time.time() - 1)
BODY = b'{"CompilationJobName": "a"}'


class Known:
    def find(self, identity: str) -> Key | None:
        return {key.id: key for key in (KEY, TEMPORARY, STALE)}.get(identity)


def signed(
    key: Key = KEY, region: str = "us-east-1", service: str = "sagemaker", body: bytes = BODY
) -> dict[str, str]:
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "SageMaker.DescribeCompilationJob",
        "User-Agent": "a   client",
    }
    request = AWSRequest("POST", "http://127.0.0.1:8080/", headers, body)
    SigV4Auth(Credentials(key.id, key.secret, key.token), service, region).add_auth(request)
    found = {name.lower(): str(value) for name, value in request.headers.items()}
    return {"host": "127.0.0.1:8080", **found}


def check(headers: dict[str, str], body: bytes = BODY, moment: float | None = None) -> Key:
    return verify(headers.items(), body, Known(), "us-east-1", moment)


def refusal(headers: dict[str, str], body: bytes = BODY, moment: float | None = None) -> Any:
    with pytest.raises(Fault) as caught:
        check(headers, body, moment)
    assert caught.value.status == 400
    assert KEY.secret not in caught.value.message.split()
    return caught.value.code, caught.value.message


def test_a_signature_of_botocore_holds() -> None:
    assert check(signed()) == KEY
    assert check(signed(TEMPORARY)) == TEMPORARY


def test_a_page_is_signed_with_its_path_and_query() -> None:
    request = AWSRequest("GET", "http://h/jobs/a/log?after=7", {})
    SigV4Auth(Credentials(KEY.id, KEY.secret), "sagemaker", "us-east-1").add_auth(request)
    headers = [(name.lower(), str(value)) for name, value in request.headers.items()]
    headers.append(("host", "h"))
    asked = "GET", "/jobs/a/log", "after=7"
    assert verify(headers, b"", Known(), "us-east-1", asked=asked) == KEY
    for other in (("GET", "/jobs/b/log", "after=7"), ("GET", "/jobs/a/log", ""), ("POST", "/", "")):
        with pytest.raises(Fault, match="does not match"):
            verify(headers, b"", Known(), "us-east-1", asked=other)


def test_what_is_not_signed_may_change() -> None:
    """And a repeated request is a request, as with AWS, until its time is over."""
    headers = signed() | {"user-agent": "other", "amz-sdk-request": "attempt=2", "accept": "*/*"}
    assert check(headers) == check(headers) == KEY


@pytest.mark.parametrize(
    "change",
    [
        {"x-amz-target": "SageMaker.DeleteCompilationJob"},
        {"content-type": "text/plain"},
        {"host": "127.0.0.1:9090"},
    ],
)
def test_what_is_signed_may_not(change: dict[str, str]) -> None:
    code, text = refusal(signed() | change)
    assert code == "InvalidSignatureException"
    assert text.startswith("The request signature we calculated does not match")


def test_a_forgery_is_refused() -> None:
    headers = signed()
    assert refusal(headers, BODY + b" ")[0] == "InvalidSignatureException"
    first = headers["authorization"][-1]
    forged = headers["authorization"][:-1] + ("0" if first != "0" else "1")
    assert refusal(headers | {"authorization": forged})[0] == "InvalidSignatureException"
    other = Key(KEY.id, "guessed")
    assert refusal(signed(other))[0] == "InvalidSignatureException"
    assert refusal(signed(Key("AKIAUNKNOWN", "secret"))) == (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    )


def test_a_session_has_its_token() -> None:
    for key in (
        Key(TEMPORARY.id, "secret"),
        Key(TEMPORARY.id, "secret", token="other"),
        Key(KEY.id, "secret", token="session"),
    ):
        assert refusal(signed(key))[0] == "UnrecognizedClientException"
    assert refusal(signed(STALE))[0] == "ExpiredTokenException"


@pytest.mark.parametrize(
    ("region", "service", "text"),
    [
        ("eu-west-1", "sagemaker", "should be scoped to a valid region, not 'eu-west-1'."),
        ("us-east-1", "s3", "should be scoped to correct service: 'sagemaker'."),
    ],
)
def test_the_scope_is_ours(region: str, service: str, text: str) -> None:
    code, message = refusal(signed(region=region, service=service))
    assert code == "InvalidSignatureException" and text in message


def test_a_signature_has_its_time() -> None:
    headers, now = signed(), time.time()
    assert check(headers, moment=now + 14 * 60) == check(headers, moment=now - 14 * 60) == KEY
    code, text = refusal(headers, moment=now + 16 * 60)
    assert code == "InvalidSignatureException" and text.startswith("Signature expired: ")
    code, text = refusal(headers, moment=now - 16 * 60)
    assert code == "InvalidSignatureException"
    assert text.startswith("Signature not yet current: ") and text.endswith("+ 15 min.)")
    date = datetime.fromtimestamp(now + 3600, UTC).strftime(DATE)
    assert refusal(headers | {"x-amz-date": date})[0] == "InvalidSignatureException"


def test_what_decides_a_request_must_be_signed() -> None:
    headers = signed()
    code, text = refusal(headers | {"x-amz-other": "1"})
    assert (code, text) == (
        "InvalidSignatureException",
        "'x-amz-other' must be a 'SignedHeader' in the AWS Authorization.",
    )
    for name in ("host", "x-amz-target", "x-amz-date"):
        value = headers["authorization"].replace(f"{name};", "").replace(f";{name},", ",")
        assert refusal(headers | {"authorization": value})[0] == "InvalidSignatureException"


AUTHORIZATION = signed()["authorization"]


@pytest.mark.parametrize(
    "value",
    [
        "Basic YTpi",
        "",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a",
        "AWS4-HMAC-SHA256 ,,,=,==",
        AUTHORIZATION.replace("SHA256", "SHA1"),
        AUTHORIZATION.replace("/aws4_request", ""),
        AUTHORIZATION.replace("content-type;host", "host;content-type"),
        AUTHORIZATION.replace("content-type;host", "host;host"),
        AUTHORIZATION[:-1],
        AUTHORIZATION.replace("Signature=", "Signature=é"),
        AUTHORIZATION.replace("AKIAEXAMPLE", "\x00"),
        AUTHORIZATION.replace("aws4_request", "aws5_request"),
    ],
)
def test_a_malformed_header_is_told(value: str) -> None:
    code, _ = refusal(signed() | {"authorization": value})
    assert code in ("IncompleteSignatureException", "InvalidSignatureException") or (
        code == "UnrecognizedClientException" and "\x00" in value
    )


def test_a_missing_header_is_told() -> None:
    headers = signed()
    assert refusal({k: v for k, v in headers.items() if k != "authorization"}) == (
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    )
    without = {k: v for k, v in headers.items() if k != "x-amz-date"}
    assert refusal(without)[0] == "IncompleteSignatureException"
    day = headers["x-amz-date"][:8]
    assert refusal(headers | {"x-amz-date": f"{day}Tnoon"})[0] == "InvalidSignatureException"
