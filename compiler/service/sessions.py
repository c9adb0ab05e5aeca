"""Who looks at the pages: a key pair shown once becomes a signed cookie for some hours."""

import hmac
import time

from itsdangerous import BadData, URLSafeTimedSerializer

from compiler.service.keys import Key, Keys

COOKIE = "neoc-session"
LIFE_S = 12 * 3600


class Sessions:
    """secret: shared by all servers of a database. A session ends when its key does, or changes."""

    def __init__(self, secret: bytes, keys: Keys) -> None:
        self._secret = secret
        self._signer = URLSafeTimedSerializer(secret, salt="session")
        self._keys = keys

    def enter(self, identity: str, secret: str, token: str) -> Key | None:
        """The key, if this is its pair and, of temporary ones, its token; found out in a time that
        tells nothing."""
        key = self._keys.find(identity)
        known = key or Key(identity, "no such key", token="")
        right = _same(secret, known.secret) & _same(token, known.token or "")
        return key if right and key and not _expired(key) else None

    def cookie(self, key: Key) -> str:
        return str(self._signer.dumps([key.id, self._mark(key)]))

    def read(self, cookie: str) -> Key | None:
        """None for one that is forged, old, or of a key that is no more."""
        try:
            identity, mark = self._signer.loads(cookie, max_age=LIFE_S)
        except BadData:
            return None
        key = self._keys.find(identity)
        known = key is not None and _same(mark, self._mark(key)) and not _expired(key)
        return key if known else None

    def _mark(self, key: Key) -> str:
        """Changes with the pair, and tells nothing of it."""
        return hmac.digest(self._secret, f"{key.secret} {key.token}".encode(), "sha256").hex()


def _same(one: str, other: str) -> bool:
    """In a time that tells nothing of where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def _expired(key: Key) -> bool:
    return key.expires is not None and key.expires <= time.time()
