"""The server and its workers, put together: `neoc serve` and `neoc worker`."""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import uvicorn
from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette

from compiler.errors import ClientError
from compiler.service import api, app, logs, pages, protocol, schema
from compiler.service.fleet import Fleet
from compiler.service.keys import FileKeys, Key, Keys, StoredKeys, generate
from compiler.service.limits import Limits
from compiler.service.sessions import Sessions
from compiler.service.store import Store
from compiler.service.tables import Database
from compiler.service.tokens import Tokens
from compiler.service.worker import Options

TEND_S = 0.5
HEADER_BYTES = 32 << 10
CONNECTIONS = 512
CLOSE_S = 5  # for requests under way, when the server ends


class Executor(Protocol):
    """What keeps workers running: on this machine, or on those of a cluster."""

    def tend(self) -> None: ...

    def stop(self) -> None: ...


@dataclass(frozen=True)
class Serving:
    """rate: calls a second of one key. tls_cert, tls_key: PEM files, or none for plain HTTP."""

    host: str
    port: int
    region: str
    workers: int
    credentials: Path | None
    tls_cert: Path | None
    tls_key: Path | None
    rate: float


def serve(serving: Serving, options: Options) -> None:
    """Until SIGINT or SIGTERM. What to tell a client is printed once it can connect."""
    logs.start("serve")
    if (serving.tls_cert is None) != (serving.tls_key is None):
        raise ClientError("--tls-cert and --tls-key go together.")
    database = opened(options.database)
    keys, new = _keys(serving.credentials, database)
    store = Store(database)
    service = api.Service(store, Tokens(database.secret("pages")), serving.region)
    schema.load(api.OPERATIONS)
    door = app.Door(keys, Limits(serving.rate, 2 * serving.rate), service)
    with _listening(serving.host, serving.port) as listening:
        sessions = Sessions(database.secret("sessions"), keys)
        desk = pages.Desk(door, sessions, options.storage_endpoint)
        fleet = Fleet(serving.workers, options)
        application = app.build(door, database, pages.routes(desk), _tending(fleet))
        _announce(serving, listening, new)
        uvicorn.Server(_config(application, serving)).run(sockets=[listening])
    database.close()


def work(executor: Executor, options: Options) -> None:
    """Workers alone, until SIGINT or SIGTERM."""
    logs.start("worker")
    opened(options.database).close()
    try:
        while True:
            executor.tend()
            time.sleep(TEND_S)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        executor.stop()


def opened(url: str) -> Database:
    database = Database(url)
    try:
        database.create()
    except DBAPIError as error:
        why = " ".join(str(error.orig).split())
        raise ClientError(f"--database cannot be used: {why}") from error
    return database


def _keys(credentials: Path | None, database: Database) -> tuple[Keys, Key | None]:
    """And the key that was made because there was none."""
    if credentials is not None:
        return FileKeys(credentials), None
    stored = StoredKeys(database)
    if stored.all():
        return stored, None
    new = generate()
    stored.add(new)
    return stored, new


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # By this number asyncio knows to send at once what is small, not after an ACK 40 ms later.
    listening = socket.socket(family, proto=socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise ClientError(f"{host}:{port} cannot be listened on: {error.strerror}.") from error
    return listening


def _announce(serving: Serving, listening: socket.socket, new: Key | None) -> None:
    scheme = "https" if serving.tls_cert else "http"
    host = f"[{serving.host}]" if ":" in serving.host else serving.host
    port = listening.getsockname()[1]
    print(f"neoc serves {scheme}://{host}:{port}, region {serving.region}", flush=True)
    if new is not None:
        print(f"A key pair, shown this once:\n  {new.id}\n  {new.secret}", flush=True)


def _config(application: Starlette, serving: Serving) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=protocol.Protocol,
        h11_max_incomplete_event_size=HEADER_BYTES,
        ws="none",
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=CLOSE_S,
        server_header=False,
        access_log=False,
        log_config=None,
        ssl_certfile=serving.tls_cert,
        ssl_keyfile=serving.tls_key,
    )


def _tending(fleet: Fleet) -> app.Lifespan:
    @asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(_tend(fleet))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.to_thread(fleet.stop)

    return lifespan


async def _tend(fleet: Fleet) -> None:
    while True:
        try:
            fleet.tend()
        except OSError:
            logging.getLogger(__name__).exception("a worker cannot be started")
        await asyncio.sleep(TEND_S)
