"""A database of its own for every test, and requests to put into it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compiler.service.api import Service
from compiler.service.leases import Leases
from compiler.service.store import Store
from compiler.service.tables import Database
from compiler.service.tokens import Tokens

ACCOUNT, REGION = "123456789012", "us-east-1"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(str(tmp_path / "jobs.sqlite"))
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
