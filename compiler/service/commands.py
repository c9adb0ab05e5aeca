"""`neoc serve`, `worker`, `keys`: arguments in. What they need is an extra, and imported late."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compiler import knobs
from compiler.errors import ClientError

if TYPE_CHECKING:
    from compiler.service.keys import StoredKeys
    from compiler.service.worker import Options

FILE = "service.sqlite"  # in the user's data folder

Database = Annotated[
    str | None,
    typer.Option(metavar="URL", help="postgresql://user@host/name, or a file; the user's own."),
]
Workers = Annotated[int, typer.Option(min=0, help="Worker processes, each with one job.")]
Endpoint = Annotated[
    str | None, typer.Option(metavar="URL", help="An S3 server that is not Amazon's.")
]
Targets = Annotated[
    str | None, typer.Option(metavar="NAME,...", help="Take jobs for these devices alone.")
]
NoTune = Annotated[bool, typer.Option("--no-tune", help="Measure nothing, as neoc compile.")]


class Executor(StrEnum):
    LOCAL = "local"
    RAY = "ray"


def serve(
    host: Annotated[
        str | None, typer.Option(help="The address to listen on; NEOC_HOST, 127.0.0.1.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8080,
    database: Database = None,
    workers: Workers = 1,
    credentials: Annotated[
        Path | None, typer.Option(help="Keys in a file of mode 0600; else in the database.")
    ] = None,
    storage_endpoint: Endpoint = None,
    region: Annotated[
        str | None, typer.Option(help="The region that clients sign for; AWS_REGION, us-east-1.")
    ] = None,
    rate: Annotated[float, typer.Option(min=1, help="Calls a second of one key.")] = 100,
    tls_cert: Annotated[Path | None, typer.Option(help="A PEM file: serve HTTPS.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key, a PEM file.")] = None,
    no_tune: NoTune = False,
) -> None:
    """Serve SageMaker's CompilationJob API."""
    _check_extra()
    from compiler.service import serve as server

    serving = server.Serving(
        host=host or knobs.current().host,
        port=port,
        region=region or knobs.current().region,
        workers=workers,
        credentials=credentials,
        tls_cert=tls_cert,
        tls_key=tls_key,
        rate=rate,
    )
    server.serve(serving, _options(database, storage_endpoint, None, no_tune))


def worker(
    database: Database = None,
    workers: Workers = 1,
    targets: Targets = None,
    storage_endpoint: Endpoint = None,
    no_tune: NoTune = False,
    executor: Annotated[
        Executor, typer.Option(help="Processes here, or on the nodes of a Ray cluster.")
    ] = Executor.LOCAL,
) -> None:
    """Run jobs of a server that is elsewhere, on its database."""
    _check_extra()
    from compiler.service import serve as server
    from compiler.service.fleet import Fleet
    from compiler.service.placement import Placement

    options = _options(database, storage_endpoint, targets, no_tune)
    on_ray = executor is Executor.RAY
    server.work(Placement(options) if on_ray else Fleet(workers, options), options)


def add_key(
    database: Database = None,
    account: Annotated[str, typer.Option(help="Twelve digits: whose jobs it sees.")] = "0" * 12,
) -> None:
    """Make a key pair and show it, this once."""
    from compiler.service.keys import generate

    new = generate(account)
    with _stored(database) as keys:
        keys.add(new)
    print(f"{new.id}\n{new.secret}")


def list_keys(database: Database = None) -> None:
    """List the keys of the database, without their secrets."""
    with _stored(database) as keys:
        for key in keys.all():
            print(f"{key.id}\t{key.account}")


def remove_key(
    key: Annotated[str, typer.Argument(help="Its id.")], database: Database = None
) -> None:
    """Remove a key; within seconds no server takes it any more."""
    with _stored(database) as keys:
        if not keys.remove(key):
            raise ClientError(f"there is no key {key}.")


@contextmanager
def _stored(database: str | None) -> "Iterator[StoredKeys]":
    _check_extra()
    from compiler.service.keys import StoredKeys
    from compiler.service.serve import opened

    found = opened(_url(database))
    yield StoredKeys(found)
    found.close()


def _url(database: str | None) -> str:
    return database or str(knobs.current().data / FILE)


def _options(
    database: str | None, endpoint: str | None, targets: str | None, no_tune: bool
) -> "Options":
    from compiler.service.worker import Options

    names = tuple(targets.split(",")) if targets else None
    return Options(_url(database), endpoint, names, no_tune)


def _check_extra() -> None:
    try:
        import itsdangerous
        import jinja2
        import prometheus_client
        import psycopg
        import pythonjsonlogger
        import regex
        import sqlalchemy
        import starlette
        import uvicorn
    except ImportError as error:
        raise ClientError(f"{error}. hint: pip install 'neoc[service]'") from error
    _ = itsdangerous, jinja2, prometheus_client, psycopg, pythonjsonlogger
    _ = regex, sqlalchemy, starlette, uvicorn
