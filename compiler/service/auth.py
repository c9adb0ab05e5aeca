"""AWS Signature Version 4, as a server checks it.

Source: AWS General Reference, "Signature Version 4"; the texts are those of AWS's JSON services.
A request repeated within the window verifies again, as with AWS: clients sign the same request
twice in a second with the same signature, and every operation may be repeated.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from compiler.service.faults import Fault
from compiler.service.keys import Key, Keys

ALGORITHM, SERVICE, TERMINATOR = "AWS4-HMAC-SHA256", "sagemaker", "aws4_request"
WINDOW_S = 15 * 60
API = "POST", "/", ""
DATE = "%Y%m%dT%H%M%SZ"
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Claimed:
    """What an Authorization header says."""

    identity: str
    day: str
    region: str
    service: str
    terminator: str
    headers: tuple[str, ...]
    signature: str

    @property
    def scope(self) -> str:
        return f"{self.day}/{self.region}/{self.service}/{self.terminator}"


def verify(
    headers: Iterable[tuple[str, str]],
    body: bytes,
    keys: Keys,
    region: str,
    moment: float | None = None,
    asked: tuple[str, str, str] = API,
) -> Key:
    """The key that signed this. headers: names in lower case. moment: seconds of the epoch. asked:
    method, path and query as the client sent them; a query in the order that is signed.

    Raises Fault with AWS's code and text."""
    found = _merged(headers)
    claimed = _claimed(found)
    date = found.get("x-amz-date", "")
    _check_scope(claimed, region, date)
    _check_headers(claimed, found)
    key = keys.find(claimed.identity)
    if key is None or not _same(key.token or "", found.get("x-amz-security-token", "")):
        raise Fault(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )
    if not _same(signature(key, claimed, found, date, body, asked), claimed.signature):
        raise _invalid(
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. Consult the service "
            "documentation for details."
        )
    moment = time.time() if moment is None else moment
    _check_date(date, moment)
    if key.expires is not None and key.expires <= moment:
        raise Fault(
            "ExpiredTokenException", "The security token included in the request is expired"
        )
    return key


def signature(
    key: Key,
    claimed: Claimed,
    headers: dict[str, str],
    date: str,
    body: bytes,
    asked: tuple[str, str, str] = API,
) -> str:
    """In hexadecimal digits."""
    canonical = "\n".join(
        [
            *asked,
            *(f"{name}:{headers.get(name, '')}" for name in claimed.headers),
            *("", ";".join(claimed.headers), hashlib.sha256(body).hexdigest()),
        ]
    )
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join([ALGORITHM, date, claimed.scope, hashed])
    secret = f"AWS4{key.secret}".encode()
    for part in (claimed.day, claimed.region, claimed.service, claimed.terminator, text):
        secret = hmac.digest(secret, part.encode(), "sha256")
    return secret.hex()


def _merged(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Values as they are signed: of equal names joined by commas, runs of spaces as one."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(" ".join(value.split()))
    return {name: ",".join(values) for name, values in found.items()}


def _claimed(headers: dict[str, str]) -> Claimed:
    header = headers.get("authorization")
    if header is None:
        raise Fault("MissingAuthenticationTokenException", "Missing Authentication Token")
    algorithm, _, rest = header.partition(" ")
    if algorithm != ALGORITHM:
        raise _incomplete(f"Unsupported AWS 'algorithm': '{algorithm[:40]}'.")
    parts = dict(entry.strip().partition("=")[::2] for entry in rest.split(","))
    names = ("Credential", "SignedHeaders", "Signature")
    if missing := [name for name in names if not parts.get(name)]:
        raise _incomplete(
            " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
        )
    if "x-amz-date" not in headers:
        raise _incomplete("Authorization header requires existence of a 'X-Amz-Date' header.")
    scope = parts["Credential"].split("/")
    if len(scope) != 5:
        raise _incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            "keyid/date/region/service/term."
        )
    identity, day, region, service, terminator = scope
    signed = tuple(parts["SignedHeaders"].split(";"))
    return Claimed(identity, day, region, service, terminator, signed, parts["Signature"])


def _check_scope(claimed: Claimed, region: str, date: str) -> None:
    if claimed.region != region:
        raise _invalid(f"Credential should be scoped to a valid region, not '{claimed.region}'.")
    if claimed.service != SERVICE:
        raise _invalid(f"Credential should be scoped to correct service: '{SERVICE}'.")
    if claimed.terminator != TERMINATOR:
        raise _invalid(
            f"Credential should be scoped with a valid terminator: '{TERMINATOR}', not "
            f"'{claimed.terminator}'."
        )
    if claimed.day != date[:8]:
        raise _invalid(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
            f"HTTP: '{claimed.day}' != '{date[:8]}', from '{date}'."
        )


def _check_headers(claimed: Claimed, headers: dict[str, str]) -> None:
    """What decides the request must be signed, and its body be as its header says, if it does."""
    must = {"host", *(name for name in headers if name.startswith("x-amz-"))}
    if unsigned := sorted(must - set(claimed.headers)):
        raise _invalid(f"'{unsigned[0]}' must be a 'SignedHeader' in the AWS Authorization.")
    if list(claimed.headers) != sorted(set(claimed.headers)):
        raise _incomplete("SignedHeaders must be in order, each once.")
    if not DIGEST.fullmatch(claimed.signature):
        raise _incomplete("Signature must be of 64 hexadecimal digits.")


def _check_date(date: str, moment: float) -> None:
    try:
        signed = datetime.strptime(date, DATE).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise _incomplete(f"Date must be in ISO-8601 'basic format'. Got '{date[:40]}'.") from None
    for late, bound, word in (
        (signed < moment - WINDOW_S, moment - WINDOW_S, "expired: {} is now earlier than {}"),
        (
            signed > moment + WINDOW_S,
            moment + WINDOW_S,
            "not yet current: {} is still later than {}",
        ),
    ):
        if late:
            sign = "-" if bound < moment else "+"
            raise _invalid(
                f"Signature {word.format(date, _dated(bound))} ({_dated(moment)} {sign} 15 min.)"
            )


def _dated(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime(DATE)


def _same(one: str, other: str) -> bool:
    """In a time that tells nothing of where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def _invalid(message: str) -> Fault:
    return Fault("InvalidSignatureException", message)


def _incomplete(message: str) -> Fault:
    return Fault("IncompleteSignatureException", message)
