import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from compiler.service import protocol, serve

PATIENCE_S = 0.3
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], socket.socket]]:
    """To a server with little patience, whose / reads a body and whose /deaf reads none."""
    monkeypatch.setattr(protocol, "PATIENCE_S", PATIENCE_S)

    async def listen(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    async def ignore(request: Request) -> PlainTextResponse:
        return PlainTextResponse("no")

    routes = [Route("/", listen, methods=["POST"]), Route("/deaf", ignore, methods=["POST"])]
    config = uvicorn.Config(Starlette(routes=routes), http=protocol.Protocol, log_config=None)
    server = uvicorn.Server(config)
    with serve._listening("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield lambda: socket.create_connection(listening.getsockname(), timeout=10)
        server.should_exit = True
        thread.join()


def answer(connection: socket.socket) -> int:
    """Its status, when all of it is read."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    response.read()
    return response.status


def dropped(connection: socket.socket, trickle: bytes = b"") -> bool:
    """Whether the server hangs up while it gets a letter every now and then."""
    end = time.monotonic() + 10
    connection.settimeout(0.02)
    while time.monotonic() < end:
        try:
            connection.sendall(trickle)
            if not connection.recv(4096):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


@pytest.mark.parametrize("said", [b"", b"POST", HEAD + b"A: "])
def test_slow_headers(said: bytes, connect: Any) -> None:
    with connect() as connection:
        connection.sendall(said)
        assert dropped(connection, b"a" if said else b"")


def test_slow_headers_of_a_second_request(connect: Any) -> None:
    with connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\nab")
        assert answer(connection) == 200
        time.sleep(2 * PATIENCE_S)
        connection.sendall(HEAD)
        assert dropped(connection, b"a")


def test_the_rest_of_a_body_that_is_answered(connect: Any) -> None:
    with connect() as connection:
        connection.sendall(HEAD.replace(b"/ ", b"/deaf ") + b"Content-Length: 1000000\r\n\r\nab")
        assert answer(connection) == 200
        assert dropped(connection, b"a")


def test_a_body_may_take_longer(connect: Any) -> None:
    """Its reader says how long."""
    with connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 4\r\n\r\n")
        for letter in (b"a", b"b", b"c", b"d"):
            time.sleep(PATIENCE_S / 2)
            connection.sendall(letter)
        assert answer(connection) == 200
        time.sleep(2 * PATIENCE_S)
        connection.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
        assert answer(connection) == 200


def test_answers_are_sent_at_once(connect: Any) -> None:
    """Headers and body on a connection that is kept, without an ACK of 40 ms in between."""
    with connect() as connection:
        took = []
        for _ in range(20):
            begun = time.perf_counter()
            connection.sendall(HEAD + b"Content-Length: 2\r\n\r\nab")
            assert answer(connection) == 200
            took.append(time.perf_counter() - begun)
        assert sorted(took)[10] < 0.02
