"""Who may call: access keys with their accounts, in a file or in the database. No secret of one is
ever shown again, nor written to a log."""

import logging
import secrets
import stat
import string
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import delete, insert, select

from compiler.errors import ClientError
from compiler.service.tables import Database, keys

ACCOUNT = "000000000000"  # of keys that nobody gave another one
FRESH_S = 5.0  # how long what was read from the database counts
log = logging.getLogger(__name__)
LETTERS = string.ascii_uppercase + "234567"


@dataclass(frozen=True)
class Key:
    """token: of temporary credentials. expires: seconds of the epoch."""

    id: str
    secret: str = field(repr=False)
    account: str = ACCOUNT
    token: str | None = field(default=None, repr=False)
    expires: float | None = None


class Keys(Protocol):
    def find(self, identity: str) -> Key | None: ...


def generate(account: str = ACCOUNT) -> Key:
    """In the form of AWS's own, which clients check."""
    identity = "AKIA" + "".join(secrets.choice(LETTERS) for _ in range(16))
    return Key(identity, secrets.token_urlsafe(30), account)


class StoredKeys:
    """The database's, which all servers share."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[str, Key] = {}
        self._read = -FRESH_S

    def find(self, identity: str) -> Key | None:
        if self._clock() - self._read >= FRESH_S:
            self._known = {key.id: key for key in self.all()}
            self._read = self._clock()
        return self._known.get(identity)

    def all(self) -> list[Key]:
        with self._database.reading() as connection:
            return [Key(**row._mapping) for row in connection.execute(select(keys))]

    def add(self, key: Key) -> None:
        _check(key.__dict__, "the key")
        with self._database.writing() as connection:
            connection.execute(insert(keys).values(key.__dict__))

    def remove(self, identity: str) -> bool:
        """Whether there was one."""
        with self._database.writing() as connection:
            return bool(connection.execute(delete(keys).where(keys.c.id == identity)).rowcount)


class FileKeys:
    """A TOML file that only its owner may read, read again when it changes:

    [[keys]]
    id = "AKIA..."
    secret = "..."
    account = "123456789012"      # and, of temporary credentials, token and expires
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Key] = {}
        self._version: tuple[int, int] | None = None
        self._load()

    def find(self, identity: str) -> Key | None:
        """A file that was damaged meanwhile leaves the keys that it had."""
        try:
            self._load()
        except ClientError as error:
            log.error("%s", error)
        return self._known.get(identity)

    def _load(self) -> None:
        try:
            found = self._path.stat()
            if (version := (found.st_mtime_ns, found.st_size)) == self._version:
                return
            if stat.S_IMODE(found.st_mode) & 0o077:
                raise ClientError(
                    f"{self._path} holds secrets and others may read it. hint: chmod 600"
                )
            members = tomllib.loads(self._path.read_text())
        except OSError as error:
            raise ClientError(f"{self._path} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise ClientError(f"{self._path} is not valid TOML: {error}") from None
        self._known = {key.id: key for key in map(self._key, members.get("keys", ()))}
        self._version = version

    def _key(self, members: dict[str, Any]) -> Key:
        _check(members, f"a key in {self._path}")
        return Key(**members)


def _check(members: Any, what: str) -> None:
    known = {entry.name for entry in fields(Key)}
    if not isinstance(members, dict) or not {"id", "secret"} <= members.keys() <= known:
        raise ClientError(f"{what} has id and secret, and of {', '.join(sorted(known))} no other.")
    account = members.get("account", ACCOUNT)
    if not (isinstance(account, str) and len(account) == 12 and account.isdecimal()):
        raise ClientError(f"{what} needs an account of twelve digits, not {account!r:.20}.")
    texts = [members["id"], members["secret"], members.get("token") or "-"]
    if not all(isinstance(text, str) and text and text.isascii() for text in texts):
        raise ClientError(f"{what} needs an id, a secret and a token of ASCII letters.")
    if not isinstance(members.get("expires") or 0, int | float):
        raise ClientError(f"{what} needs expires in seconds of the epoch.")
