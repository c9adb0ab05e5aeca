import os
import tempfile
from pathlib import Path

import psycopg
import pytest

from benchmarks.service.postgres import Postgres, cut, schema


def value(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row and row[0]


def test_a_server_lives_and_leaves_nothing() -> None:
    before = set(Path(tempfile.gettempdir()).glob("neoc-postgres-*"))
    with Postgres() as server:
        pid = server.pid
        assert pid and str(value(server.url, "SELECT version()")).startswith("PostgreSQL 16")
        with psycopg.connect(server.url) as connection:
            cut(server.url)
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        server.crash()
        with pytest.raises(psycopg.OperationalError):
            value(server.url, "SELECT 1")
        server.start()
        with schema(server.url) as one, schema(server.url) as other:
            for url in (one, other):
                with psycopg.connect(url) as connection:
                    connection.execute("CREATE TABLE t (n integer)")
            assert value(one, "SELECT count(*) FROM t") == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert set(Path(tempfile.gettempdir()).glob("neoc-postgres-*")) <= before
