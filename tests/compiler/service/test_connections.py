"""PostgreSQL's own: rows that others lock, connections that end, a server that goes away."""

import threading
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from benchmarks.service.postgres import Postgres, cut
from compiler.service.jobs import Status
from compiler.service.leases import Leases, Result
from compiler.service.store import New, Store
from compiler.service.tables import Database, jobs

on_postgresql = pytest.mark.parametrize("url", ["postgresql"], indirect=True)
RESULT = Result("s3://models/out/.neoc-t/x", "00", None, {})


@on_postgresql
def test_a_claim_passes_over_rows_that_another_is_taking(
    database: Database, store: Store, leases: Leases, new: New
) -> None:
    store.create(new)
    store.create(replace(new, name="b"))
    with database.writing() as other:
        other.execute(select(jobs.c.id).where(jobs.c.name == "a").with_for_update())
        claim = leases.claim("worker", "t")
        assert claim and claim.job.name == "b"
        assert leases.claim("worker", "t") is None
    claim = leases.claim("worker", "t")
    assert claim and claim.job.name == "a"


@on_postgresql
def test_idle_connections_that_were_cut_are_replaced(
    postgresql: str, store: Store, leases: Leases, new: New
) -> None:
    store.create(new)
    cut(postgresql)
    claim = leases.claim("worker", "t")
    cut(postgresql)
    assert claim and leases.decide(claim, RESULT)
    cut(postgresql)
    assert leases.complete(claim, RESULT)
    assert store.describe("1", "a").status == Status.COMPLETED


@on_postgresql
def test_a_transaction_that_was_cut_leaves_nothing(
    postgresql: str, database: Database, store: Store, new: New
) -> None:
    store.create(new)
    with pytest.raises(OperationalError), database.writing() as connection:
        connection.execute(jobs.update().values(status="STOPPING"))
        cut(postgresql)
        connection.execute(jobs.update().values(status="STOPPED"))
    assert store.describe("1", "a").status == Status.STARTING


def test_a_server_comes_back(new: New) -> None:
    """Of a crash with work under way, too: what was answered is there."""
    with Postgres() as server:
        database = Database(server.url)
        database.create()
        store, names = Store(database), [f"job-{number}" for number in range(50)]
        made: list[str] = []

        def make() -> None:
            for name in names:
                try:
                    store.create(replace(new, name=name))
                    made.append(name)
                except OperationalError:
                    return

        thread = threading.Thread(target=make)
        thread.start()
        while len(made) < 5:
            pass
        server.crash()
        thread.join()
        with pytest.raises(OperationalError):
            store.describe("1", "job-0")
        server.start()
        assert {store.describe("1", name).name for name in made} == set(made)
        assert all(store.tags("1", name) == {"team": "x"} for name in made)
        database.close()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT count(*) FROM jobs").fetchone() in (
                (len(made),),
                (len(made) + 1,),  # stored, and cut before the answer
            )
