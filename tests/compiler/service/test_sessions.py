import time
from dataclasses import replace

import pytest

from compiler.service import sessions
from compiler.service.keys import Key
from compiler.service.sessions import Sessions

PLAIN = Key("AKIA1", "secret", "1" * 12)
BRIEF = Key("ASIA1", "secret", "1" * 12, token="token", expires=time.time() + 600)


class Known:
    def __init__(self, *keys: Key) -> None:
        self.keys = {key.id: key for key in keys}

    def find(self, identity: str) -> Key | None:
        return self.keys.get(identity)


@pytest.fixture
def known() -> Known:
    return Known(PLAIN, BRIEF)


@pytest.fixture
def found(known: Known) -> Sessions:
    return Sessions(b"server", known)


@pytest.mark.parametrize(
    ("pair", "key"),
    [
        (("AKIA1", "secret", ""), PLAIN),
        (("ASIA1", "secret", "token"), BRIEF),
        (("ASIA1", "secret", ""), None),
        (("AKIA1", "secret", "token"), None),
        (("AKIA1", "secret ", ""), None),
        (("AKIA1", "", ""), None),
        (("AKIA2", "secret", ""), None),
        (("AKIA2", "no such key", ""), None),
        (("", "", ""), None),
        (("AKIA1", "sécret", ""), None),
    ],
)
def test_a_pair_has_to_be_right(
    pair: tuple[str, str, str], key: Key | None, found: Sessions
) -> None:
    assert found.enter(*pair) == key


def test_a_cookie_stands_for_its_key(found: Sessions) -> None:
    cookie = found.cookie(BRIEF)
    assert found.read(cookie) == BRIEF
    assert not {"secret", "token"} & set(cookie.split("."))
    assert Sessions(b"server", Known(BRIEF)).read(cookie) == BRIEF  # another server


def test_a_cookie_is_none_that_is_forged_old_or_of_a_key_that_changed(
    found: Sessions, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = found.cookie(BRIEF)
    for other in ("", "a.b.c", cookie[:-1], cookie + "a", f"a{cookie}"):
        assert found.read(other) is None
    assert Sessions(b"other", known).read(cookie) is None
    for key in (replace(BRIEF, secret="new"), replace(BRIEF, expires=time.time() - 1)):
        known.keys[BRIEF.id] = key
        assert found.read(cookie) is None
        assert found.enter(BRIEF.id, "secret", "token") is None
    del known.keys[BRIEF.id]
    assert found.read(cookie) is None
    known.keys[BRIEF.id] = BRIEF
    assert found.read(cookie) == BRIEF
    monkeypatch.setattr(sessions, "LIFE_S", -1)
    assert found.read(cookie) is None


def test_finding_out_takes_the_same_way_for_every_mistake(
    found: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both comparisons are made, whether there is such a key or not."""
    compared: list[tuple[str, ...]] = []

    def same(*pair: str) -> bool:
        compared.append(pair)
        return False

    monkeypatch.setattr(sessions, "_same", same)
    for pair in (("AKIA1", "wrong", ""), ("AKIA1", "secret", "wrong"), ("AKIA2", "x", "y")):
        found.enter(*pair)
    assert len(compared) == 6
