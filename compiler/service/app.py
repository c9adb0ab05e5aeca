"""The ASGI application: bytes of HTTP to an operation's answer, and /healthz."""

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from sqlalchemy import text
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from compiler.service import api, auth, wire
from compiler.service.faults import Fault, internal
from compiler.service.keys import Keys
from compiler.service.limits import Limits
from compiler.service.tables import Database

TARGET = "SageMaker."
BODY_S = 30.0  # for a body to arrive

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Door:
    """All that a request goes through, in order."""

    keys: Keys
    limits: Limits
    service: api.Service

    def answer(self, headers: Sequence[tuple[str, str]], body: bytes) -> api.Reply:
        """Raises Fault. Blocks: it asks the database."""
        key = auth.verify(headers, body, self.keys, self.service.region)
        self.limits.take(key.id)
        target = dict(headers).get("x-amz-target", "")
        if not target.startswith(TARGET):
            raise api.unknown(target)
        operation = target.removeprefix(TARGET)
        return api.answer(self.service, key.account, operation, wire.parse(body))


def build(
    door: Door,
    database: Database,
    routes: Sequence[BaseRoute] = (),
    lifespan: Lifespan | None = None,
) -> Starlette:
    """routes: more of them, such as pages. lifespan: what lives as long as the server."""

    async def call(request: Request) -> Response:
        identity = str(uuid.uuid4())
        try:
            body = await _read(request)
            headers = [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in request.headers.raw
            ]
            reply = await run_in_threadpool(door.answer, headers, body)
            return _response(wire.dump(reply), 200, identity)
        except ClientDisconnect:
            return Response(status_code=400)  # which nobody reads
        except Fault as fault:
            return _response(wire.dump_fault(fault), fault.status, identity)
        except Exception:
            log.exception("request %s failed", identity)
            return _response(wire.dump_fault(internal()), 500, identity)

    async def health(request: Request) -> Response:
        try:
            await run_in_threadpool(_ask, database)
        except Exception:
            log.exception("the database does not answer")
            return JSONResponse({"status": "no database"}, 503)
        return JSONResponse({"status": "ok"})

    own = [Route("/", call, methods=["POST"]), Route("/healthz", health)]
    return Starlette(routes=[*own, *routes], lifespan=lifespan)


async def _read(request: Request) -> bytes:
    """The body, refused as soon as it is known to be too large or too slow."""
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                data += chunk
                if len(data) > wire.MAX_BYTES:
                    raise Fault(
                        "RequestEntityTooLargeException",
                        f"A request may have {wire.MAX_BYTES} bytes.",
                        413,
                    )
    except TimeoutError:
        raise Fault("RequestTimeoutException", "The body did not arrive in time.", 408) from None
    return bytes(data)


def _response(body: bytes, status: int, identity: str) -> Response:
    headers = {"x-amzn-RequestId": identity}
    return Response(body, status, headers, media_type=wire.CONTENT_TYPE)


def _ask(database: Database) -> None:
    with database.reading() as connection:
        connection.execute(text("SELECT 1"))
