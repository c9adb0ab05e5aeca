"""The ASGI application: bytes of HTTP to an operation's answer, /healthz and /metrics."""

import asyncio
import logging
import time
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
from compiler.service.keys import Key, Keys
from compiler.service.limits import Limits
from compiler.service.metrics import CONTENT_TYPE, Metrics
from compiler.service.tables import Database

TARGET = "SageMaker."
BODY_S = 30.0  # for a body to arrive

Asked = tuple[str, str, str]  # method, path, query
Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Door:
    """All that a request goes through, in order."""

    keys: Keys
    limits: Limits
    service: api.Service

    def admit(self, headers: Sequence[tuple[str, str]], body: bytes, asked: Asked) -> Key:
        """Whose request it is. Raises Fault. Blocks: it asks the database."""
        key = auth.verify(headers, body, self.keys, self.service.region, asked=asked)
        self.limits.take(key.id)
        return key

    def answer(self, account: str, target: str, body: bytes) -> api.Reply:
        """Raises Fault. Blocks likewise."""
        if not target.startswith(TARGET):
            raise api.unknown(target)
        return api.answer(self.service, account, target.removeprefix(TARGET), wire.parse(body))


def build(
    door: Door,
    database: Database,
    routes: Sequence[BaseRoute] = (),
    lifespan: Lifespan | None = None,
) -> Starlette:
    """routes: more of them, such as pages. lifespan: what lives as long as the server."""

    metrics = Metrics(database)

    async def call(request: Request) -> Response:
        began, identity = time.monotonic(), str(uuid.uuid4())
        target = request.headers.get("x-amz-target", "")
        account = code = ""
        try:
            body = await read(request, wire.MAX_BYTES)
            key = await run_in_threadpool(door.admit, signed(request), body, auth.API)
            account = key.account
            reply = await run_in_threadpool(door.answer, account, target, body)
            response = _response(wire.dump(reply), 200, identity)
        except ClientDisconnect:
            return Response(status_code=400)  # which nobody reads
        except Exception as error:
            fault = error if isinstance(error, Fault) else internal()
            if fault is not error:
                log.exception("request failed", extra={"request": identity})
            code = fault.code
            response = _response(wire.dump_fault(fault), fault.status, identity)
        operation = target.removeprefix(TARGET)
        operation = operation if operation in api.OPERATIONS else "other"
        seconds = time.monotonic() - began
        metrics.answered(operation, response.status_code, code, seconds)
        told = {
            "request": identity,
            "operation": operation,
            "account": account,
            "status": response.status_code,
            "code": code,
            "seconds": round(seconds, 4),
        }
        log.info("request", extra=told)
        return response

    async def measured(request: Request) -> Response:
        return Response(await run_in_threadpool(metrics.text), media_type=CONTENT_TYPE)

    async def health(request: Request) -> Response:
        try:
            await run_in_threadpool(_ask, database)
        except Exception:
            log.exception("the database does not answer")
            return JSONResponse({"status": "no database"}, 503)
        return JSONResponse({"status": "ok"})

    own = [
        Route("/", call, methods=["POST"]),
        Route("/healthz", health),
        Route("/metrics", measured),
    ]
    return Starlette(routes=[*own, *routes], lifespan=lifespan)


def signed(request: Request) -> list[tuple[str, str]]:
    """The headers, as a signature goes over them."""
    return [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw
    ]


async def read(request: Request, limit: int) -> bytes:
    """The body, refused as soon as it is known to be too large or too slow."""
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                data += chunk
                if len(data) > limit:
                    what = f"A request may have {limit} bytes."
                    raise Fault("RequestEntityTooLargeException", what, 413)
    except TimeoutError:
        raise Fault("RequestTimeoutException", "The body did not arrive in time.", 408) from None
    return bytes(data)


def _response(body: bytes, status: int, identity: str) -> Response:
    headers = {"x-amzn-RequestId": identity}
    return Response(body, status, headers, media_type=wire.CONTENT_TYPE)


def _ask(database: Database) -> None:
    with database.reading() as connection:
        connection.execute(text("SELECT 1"))
