"""Connections that speak HTTP badly, slowly or not at all: no 5xx, no crash, no memory.

Each is made of a number, so that one that does harm can be made again. Of those that say a whole
request an answer is expected, and none that starts with a 5; the others hang up, or just wait.
"""

import argparse
import random
import socket
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import psutil

from benchmarks.service.deployment import Deployment, Plan
from benchmarks.service.load import signed

ANSWER_S = 10.0
BODY = b'{"CompilationJobName": "none"}'
PART = 1000  # connections between two looks at the memory
CLIENTS = 8


@dataclass(frozen=True)
class Talk:
    """What is said, piece by piece. whole: whether an answer is due."""

    pieces: Sequence[bytes]
    whole: bool


Kind = Callable[[random.Random, dict[str, str]], Talk]


def noise(chance: random.Random, headers: dict[str, str]) -> Talk:
    hello = (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    data = chance.choice([*hello, b"\x05\x01\0", b"\r\n" * 9, b"\0" * 9, chance.randbytes(2000)])
    return Talk([data], False)


def request_line(chance: random.Random, headers: dict[str, str]) -> Talk:
    method = chance.choice(["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "post"])
    path = chance.choice(
        ["/", "*", "//", "/../../etc/passwd", "/%00", "/%ff%fe", "/jobs/%2e%2e", "http://x/", "x:1"]
    )
    version = chance.choice(["1.1", "1.0", "0.9", "2.0", "1.10", "9.9"])
    length = chance.choice([1, 1, 1, 40_000])
    line = f"{method} {path}{'?a=' + 'b' * length if length > 1 else ''} HTTP/{version}"
    return Talk([f"{line}\r\n".encode() + _lines({"Host": "x"})], True)


def too_many_headers(chance: random.Random, headers: dict[str, str]) -> Talk:
    count, size = chance.choice([(1, 100_000), (5000, 20), (200, 200), (1, 31_000)])
    more = {f"X-{number}": "a" * size for number in range(count)}
    return Talk([b"POST / HTTP/1.1\r\n" + _lines({**headers, **more}), BODY], True)


def odd_headers(chance: random.Random, headers: dict[str, str]) -> Talk:
    odd = chance.choice(
        [b"Content-Length: -1", b"Content-Length: 9" + b"9" * 30, b"Content-Length: 1, 2",
         b"Content-Length: 3\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked",
         b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Host: a\r\nHost: b",
         b" folded: x", b"no colon", b": no name", b"Na me: x", b"Nul: \0", b"High: \xff\xfe",
         b"Expect: 200-maybe", b"Upgrade: websocket\r\nConnection: upgrade",
         b"Upgrade: h2c\r\nConnection: upgrade", b"X-Amz-Target: " + b"S" * 9000]
    )  # fmt: skip
    return Talk([b"POST / HTTP/1.1\r\n" + odd + b"\r\n" + _lines(headers), BODY], False)


def chunks(chance: random.Random, headers: dict[str, str]) -> Talk:
    """The body in chunks, most of them not as they should be."""
    chunked = {name: value for name, value in headers.items() if name != "Content-Length"}
    chunked["Transfer-Encoding"] = "chunked"
    good = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    body = chance.choice(
        [good, b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", b"zz\r\n", b"-1\r\n", b"f" * 20 + b"\r\n",
         b"0\r\n", b"5;" + b"e" * 20_000 + b"\r\n", b"0\r\n" + b"T: x\r\n" * 3000 + b"\r\n",
         b"1\r\na\r\n" * 2000, good * 3]
    )  # fmt: skip
    return Talk([b"POST / HTTP/1.1\r\n" + _lines(chunked), body], body is good)


def too_large(chance: random.Random, headers: dict[str, str]) -> Talk:
    size = chance.choice([(1 << 20) + 1, 3 << 20])
    large = {**headers, "Content-Length": str(size)}
    return Talk([b"POST / HTTP/1.1\r\n" + _lines(large), b"[" * size], True)


def half(chance: random.Random, headers: dict[str, str]) -> Talk:
    """The client hangs up in the middle."""
    whole = b"POST / HTTP/1.1\r\n" + _lines(headers) + BODY
    return Talk([whole[: chance.randrange(len(whole))]], False)


def in_pieces(chance: random.Random, headers: dict[str, str]) -> Talk:
    whole = b"POST / HTTP/1.1\r\n" + _lines(headers) + BODY
    cuts = sorted(chance.sample(range(1, len(whole)), 5))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    return Talk(pieces, True)


def pipelined(chance: random.Random, headers: dict[str, str]) -> Talk:
    """Several requests that wait for no answer, the last one of them cut."""
    whole = b"POST / HTTP/1.1\r\n" + _lines(headers) + BODY
    return Talk([whole * chance.choice([2, 20]) + whole[: chance.randrange(len(whole))]], True)


def forged(chance: random.Random, headers: dict[str, str]) -> Talk:
    name = chance.choice(["Authorization", "X-Amz-Date", "X-Amz-Target", "Host"])
    value = chance.choice(["", "é", "AWS4-HMAC-SHA256 " + "a=b, " * 500, "1" * 3000, "=,=,="])
    changed = {**headers, name: chance.choice([value, headers[name][:-1], headers[name] * 2])}
    return Talk([b"POST / HTTP/1.1\r\n" + _lines(changed), BODY], True)


KINDS: Sequence[Kind] = (
    *(noise, request_line, too_many_headers, odd_headers, chunks, too_large),
    *(half, in_pieces, pipelined, forged),
)


def talk(number: int, url: str) -> Talk:
    chance = random.Random(number)
    headers = signed(f"{url}/", "DescribeCompilationJob", BODY)
    return KINDS[number % len(KINDS)](chance, {**headers, "Content-Length": str(len(BODY))})


def hold(number: int, url: str) -> str:
    """What came of it: a status, or nothing where none is due."""
    said = talk(number, url)
    place = urlsplit(url)
    with socket.create_connection((place.hostname or "", place.port or 0), ANSWER_S) as connection:
        with suppress(ConnectionError):  # refused before all was said
            for piece in said.pieces:
                connection.sendall(piece)
        if not said.whole:
            connection.settimeout(0.05)
        try:
            line = connection.recv(1 << 16).partition(b"\r\n")[0]
        except (TimeoutError, ConnectionError) as error:
            return f"no answer: {type(error).__name__}" if said.whole else "nothing"
    return line[9:12].decode() if line.startswith(b"HTTP/1.1 ") else "hung up"


def harmful(result: str) -> bool:
    return result.startswith(("5", "no answer: Timeout"))


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--connections", type=int, default=10_000)


def run(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="neoc-connections-") as folder:
        plan = Plan(f"{folder}/site", f"{folder}/jobs.sqlite", "http://-", workers=0)
        with Deployment(plan) as served, ThreadPoolExecutor(CLIENTS) as clients:
            server = psutil.Process(served.pid)
            results: list[str] = []
            numbers = range(options.connections)
            for part in (numbers[at : at + PART] for at in numbers[::PART]):
                print(f"{len(results):6} connections: {_weight(server)}")
                results += clients.map(lambda number: hold(number, served.url), part)
            urlopen(f"{served.url}/healthz", timeout=ANSWER_S).close()
            print(f"{len(results):6} connections: {_weight(server)}")
        print(", ".join(f"{count} {what}" for what, count in Counter(results).most_common()))
        bad = [number for number, result in enumerate(results) if harmful(result)]
        for number in bad[:20]:
            print(
                f"HARM: number {number} ({KINDS[number % len(KINDS)].__name__}): {results[number]}"
            )
        if bad:
            print(Path(f"{folder}/site/log.txt").read_text()[-5000:])
        return 1 if bad else 0


def _weight(process: psutil.Process) -> str:
    memory = process.memory_info().rss / (1 << 20)
    return f"{memory:.1f} MB, {process.num_fds()} files, {process.num_threads()} threads"


def _lines(headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return lines.encode("utf-8") + b"\r\n"
