import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from compiler.errors import ClientError
from compiler.service.tables import Database, jobs, now


def test_servers_share_a_secret(tmp_path: Path) -> None:
    one, other = (Database(f"sqlite:///{tmp_path}/new/jobs.sqlite") for _ in range(2))
    one.create()
    other.create()
    assert len(one.secret("pages")) == 32
    assert one.secret("pages") == other.secret("pages") != one.secret("cookies")
    one.close()
    other.close()


def test_a_reader_sees_one_state_and_waits_for_nobody(database: Database) -> None:
    with database.writing() as writer:
        moment = now(writer)
        with database.reading() as reader:
            assert reader.execute(select(jobs)).all() == []
    assert abs(moment - time.time()) < 5


def test_writers_take_turns(database: Database) -> None:
    """Each adds to what it read; none is lost, and none fails."""
    with database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE count (n INTEGER)")
        connection.exec_driver_sql("INSERT INTO count VALUES (0)")

    def add() -> None:
        for _ in range(20):
            with database.writing() as connection:
                n = connection.exec_driver_sql("SELECT n FROM count").scalar_one()
                connection.exec_driver_sql(f"UPDATE count SET n = {n + 1}")

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT n FROM count").scalar_one() == 80


@pytest.mark.parametrize(
    ("url", "text"),
    [("mysql://host/name", "mysql:// is not supported"), ("://", "is no URL")],
)
def test_what_is_no_database_is_told(url: str, text: str) -> None:
    with pytest.raises(ClientError, match=text):
        Database(url)
