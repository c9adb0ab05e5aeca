"""Malformed requests by the thousand, each from a number: for tests, and by itself

    python -m tests.compiler.service.malformed http://HOST:PORT ID SECRET [--requests 10000]

against a server that runs; it prints the answers by status, and fails when one is 5xx."""

import argparse
import collections
import http.client
import json
import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from compiler.service import schema
from compiler.service.api import OPERATIONS

LEAVES: list[Callable[[random.Random], Any]] = [
    lambda chance: None,
    lambda chance: chance.choice([True, False]),
    lambda chance: chance.choice([0, -1, 1 << 31, 1 << 63, 10**400, 1.5, 1e308, -0.0]),
    lambda chance: "".join(chance.choices(string.printable, k=chance.choice([0, 1, 63, 64, 3000]))),
    lambda chance: "".join(chr(chance.choice([0, 10, 127, 0x661, 0xD800, 0x10FFFF])) for _ in "ab"),
    lambda chance: chance.choice(["s3://a/b", "arn:aws:iam::123456789012:role/a", "job", "ONNX"]),
    lambda chance: [],
    lambda chance: {},
    lambda chance: [[[[None] * 3]]],
]


@dataclass(frozen=True)
class Request:
    """body: what is signed. sent: what is sent; another for a forgery."""

    target: str
    body: bytes
    sent: bytes
    headers: dict[str, str]


def request(number: int) -> Request:
    chance = random.Random(number)
    operation = chance.choice(list(OPERATIONS))
    target = f"SageMaker.{operation}"
    body = _body(chance, operation)
    sent, headers = body, {}
    match chance.randrange(10):
        case 0:
            target = chance.choice(["", "SageMaker", "SageMaker.", "sagemaker.x", "a" * 5000])
        case 1:
            sent = _damaged(chance, body)
        case 2:
            name = chance.choice(["Authorization", "X-Amz-Date", "X-Amz-Security-Token", "Host"])
            headers[name] = chance.choice(["", "x", "AWS4-HMAC-SHA256 " + "a=b," * 500, "\xff" * 9])
    return Request(target, body, sent, headers)


def _body(chance: random.Random, operation: str) -> bytes:
    match chance.randrange(8):
        case 0:
            return chance.randbytes(chance.choice([0, 1, 100, 5000]))
        case 1:
            return chance.choice([b"[", b'{"a":']) * chance.choice([5, 100, 50_000])
        case 2:
            return b'{"a": "' + b"\\ud800" * 100 + b'"}'
    shape = schema.service().operation_model(operation).input_shape
    data = json.dumps(_value(chance, shape), ensure_ascii=chance.random() < 0.9)
    encoded = data.encode(errors="surrogatepass")
    return _damaged(chance, encoded) if chance.randrange(4) == 0 else encoded


def _value(chance: random.Random, shape: Any) -> Any:
    """Mostly of the right form, so that the errors are deep."""
    if chance.random() < 0.15:
        return chance.choice(LEAVES)(chance)
    if shape.type_name == "structure":
        return {
            name: _value(chance, member)
            for name, member in shape.members.items()
            if chance.random() < 0.8
        }
    if shape.type_name == "list":
        return [_value(chance, shape.member) for _ in range(chance.choice([0, 1, 2, 60]))]
    if "enum" in shape.metadata:
        return chance.choice(shape.metadata["enum"])
    if shape.type_name == "string":
        return chance.choice(["job", "s3://a/b", "arn:aws:iam::123456789012:role/service", "1.0"])
    return chance.choice([1, 50, 900, 7200])


def _damaged(chance: random.Random, body: bytes) -> bytes:
    if not body:
        return b"\0"
    at = chance.randrange(len(body))
    return body[:at] + chance.randbytes(chance.randrange(3)) + body[at + chance.randrange(3) :]


def signed(made: Request, url: str, key: tuple[str, str]) -> dict[str, str]:
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": made.target}
    request = AWSRequest("POST", url, headers, made.body)
    SigV4Auth(Credentials(*key), "sagemaker", "us-east-1").add_auth(request)
    found = {name: str(value) for name, value in request.headers.items()}
    return {**found, "Host": urlsplit(url).netloc, **made.headers}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("id")
    parser.add_argument("secret")
    parser.add_argument("--requests", type=int, default=10_000)
    given = parser.parse_args()
    answers: collections.Counter[str] = collections.Counter()
    for number in range(given.requests):
        made = request(number)
        connection = http.client.HTTPConnection(urlsplit(given.url).netloc, timeout=60)
        headers = signed(made, f"{given.url}/", (given.id, given.secret))
        connection.request("POST", "/", made.sent, headers)
        answer = connection.getresponse()
        data, kind = answer.read(), answer.headers.get("content-type", "")
        code = json.loads(data)["__type"] if data and "json" in kind and answer.status > 200 else ""
        answers[f"{answer.status} {code}"] += 1
        assert answer.status < 500, (number, made)
        connection.close()
    for text, count in answers.most_common():
        print(f"{count:6} {text}")


if __name__ == "__main__":
    main()
