"""The database: its tables, and how SQLite and PostgreSQL are made to behave alike."""

import os
import secrets
import time
from pathlib import Path
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import TEXT
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError

from compiler.errors import ClientError
from compiler.service.jobs import Status

BUSY_S = 30.0  # how long SQLite waits for another writer
DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}
# Python's order on both: PostgreSQL's own depends on its language.
ORDERED = Text().with_variant(TEXT(collation="C"), "postgresql")

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("name", ORDERED, nullable=False),
    Column("arn", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("status", ORDERED, nullable=False),
    Column("created", Float(53), nullable=False),
    Column("modified", Float(53), nullable=False),
    Column("started", Float(53)),
    Column("ended", Float(53)),
    Column("reason", Text, nullable=False, default=""),
    Column("artifact", Text, nullable=False),
    Column("digest", Text),
    Column("derived", Text),
    Column("report", Text),
    # The attempt that holds the job, and until when; 0 and none while nobody does.
    Column("fence", Integer, nullable=False, default=0),
    Column("lease", Float(53)),
    Column("attempts", Integer, nullable=False, default=0),
    Column("worker", Text),
    # The attempt whose result is the job's, from when it is decided until it is published.
    Column("staged_by", Integer),
    Column("staged", Text),
    UniqueConstraint("account", "name"),
    CheckConstraint(f"status IN ({', '.join(repr(str(s)) for s in Status)})"),
    Index("jobs_by_age", "account", "created", "name"),
    Index("jobs_waiting", "status", "created"),
)

tags = Table(
    "tags",
    metadata,
    Column("job", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("key", ORDERED, primary_key=True),
    Column("value", Text, nullable=False),
)

# One row an execution, from its claim until its temporary place is empty again. The id is the
# fence: never used twice, which SQLite has to be told.
attempts = Table(
    "attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job", Integer, nullable=False),
    Column("place", Text, nullable=False),
    Column("began", Float(53), nullable=False),
    sqlite_autoincrement=True,
)

# A job's log. It outlives the job, as its artifact does.
events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", String(12), nullable=False),
    Column("name", ORDERED, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("at", Float(53), nullable=False),
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("value", Text),
    Index("events_by_job", "account", "name", "id"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("secret", Text, nullable=False),
    Column("account", String(12), nullable=False),
    Column("token", Text),
    Column("expires", Float(53)),
)

settings = Table(
    "settings",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)


class Database:
    """Short transactions: `reading` sees one state and changes nothing, `writing` is all or
    nothing and, on SQLite, alone."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(_parsed(url))

    def create(self) -> None:
        """Make the tables that are not there yet."""
        with self.writing() as connection:
            if connection.dialect.name == "postgresql":  # two servers may start at once
                connection.execute(select(func.pg_advisory_xact_lock(0x6E656F63)))
            metadata.create_all(connection)

    def reading(self) -> Any:
        return self.engine.execution_options(neoc_reading=True).connect()

    def writing(self) -> Any:
        return self.engine.begin()

    def secret(self, name: str) -> bytes:
        """Random bytes that all servers on this database share."""
        row = select(settings.c.value).where(settings.c.name == name)
        with self.reading() as connection:
            found = connection.scalar(row)
        if found is None:
            try:
                with self.writing() as connection:
                    values = {"name": name, "value": secrets.token_hex(32)}
                    connection.execute(insert(settings).values(values))
            except IntegrityError:
                pass  # another server was first
            with self.reading() as connection:
                found = connection.scalar(row)
        return bytes.fromhex(found)

    def close(self) -> None:
        self.engine.dispose()


def now(connection: Connection) -> float:
    """The database's clock: workers on many machines must agree on when a lease ends."""
    if connection.dialect.name == "sqlite":
        return time.time()
    moment = select(func.extract("epoch", func.clock_timestamp()))
    return float(connection.execute(moment).scalar_one())


def _parsed(url: str) -> URL:
    """A path alone is a file of SQLite."""
    try:
        parsed = make_url(url if "://" in url else f"sqlite:///{url}")
    except ArgumentError:
        raise ClientError("--database is no URL such as postgresql://user@host/name.") from None
    backend = parsed.get_backend_name()
    if backend not in DRIVERS:
        raise ClientError(f"--database: {backend}:// is not supported. hint: sqlite, postgresql")
    return parsed.set(drivername=DRIVERS[backend])


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        if not url.database:
            raise ClientError("--database names no file.")
        _create_file(Path(url.database).absolute())
        engine = create_engine(url, connect_args={"timeout": BUSY_S, "isolation_level": None})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=40)
    except (ImportError, NoSuchModuleError) as error:
        raise ClientError(f"--database: {error}. hint: pip install 'neoc[service]'") from error


def _create_file(path: Path) -> None:
    """Its owner's alone: keys may be in it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise ClientError(f"--database {path} cannot be opened: {error.strerror}.") from error


def _prepare_sqlite(connection: Any, record: object) -> None:
    """Readers beside one writer; names compare by case, as in PostgreSQL."""
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "case_sensitive_like=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes its lock at once: two that read first would deadlock."""
    reading = connection.get_execution_options().get("neoc_reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
