import os
import time
from pathlib import Path

import pytest

from compiler.errors import ClientError
from compiler.service.keys import FileKeys, Key, StoredKeys, generate
from compiler.service.tables import Database

TEXT = """
[[keys]]
id = "AKIAONE"
secret = "s1"
account = "123456789012"

[[keys]]
id = "ASIATWO"
secret = "s2"
token = "t"
expires = 1.5e9
"""


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.touch(mode)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_new_key_looks_like_one_and_keeps_its_secret() -> None:
    one, other = generate(), generate("123456789012")
    assert one.id != other.id and one.secret != other.secret
    assert len(one.id) == 20 and one.id.startswith("AKIA") and len(one.secret) == 40
    assert other.account == "123456789012"
    assert one.secret not in repr(one)


def test_keys_of_a_file(tmp_path: Path) -> None:
    keys = FileKeys(write(tmp_path / "keys.toml", TEXT))
    assert keys.find("AKIAONE") == Key("AKIAONE", "s1", "123456789012")
    assert keys.find("ASIATWO") == Key("ASIATWO", "s2", "000000000000", "t", 1.5e9)
    assert keys.find("other") is None


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "keys.toml", TEXT)
    keys = FileKeys(path)
    path.write_text(TEXT.replace("AKIAONE", "AKIANEW"))
    os.utime(path, (time.time(), time.time() + 10))
    assert keys.find("AKIAONE") is None and keys.find("AKIANEW")
    path.chmod(0o644)
    path.write_text("[[keys")
    assert keys.find("AKIANEW")


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        (TEXT, 0o640, "others may read it. hint: chmod 600"),
        ("[[keys", 0o600, "is not valid TOML"),
        ('[[keys]]\nid = "a"', 0o600, "has id and secret"),
        ('[[keys]]\nid = "a"\nsecret = "b"\nother = 1', 0o600, "has id and secret"),
        ('[[keys]]\nid = "a"\nsecret = "b"\naccount = "12"', 0o600, "twelve digits, not '12'"),
        ('[[keys]]\nid = "a"\nsecret = ""', 0o600, "ASCII letters"),
        ('[[keys]]\nid = "a"\nsecret = 5', 0o600, "ASCII letters"),
        ('[[keys]]\nid = "a"\nsecret = "b"\nexpires = "soon"', 0o600, "seconds of the epoch"),
        ("keys = [5]", 0o600, "has id and secret"),
    ],
)
def test_a_bad_file_is_told(text: str, mode: int, why: str, tmp_path: Path) -> None:
    path = write(tmp_path / "keys.toml", text, mode)
    with pytest.raises(ClientError, match=why):
        FileKeys(path)
    with pytest.raises(ClientError, match="cannot be read: No such file"):
        FileKeys(tmp_path / "none")


def test_keys_of_the_database(database: Database) -> None:
    now = [0.0]
    keys = StoredKeys(database, lambda: now[0])
    key = generate()
    assert keys.find(key.id) is None
    StoredKeys(database).add(key)
    assert keys.find(key.id) is None  # what was read counts for some seconds
    now[0] = 10.0
    assert keys.find(key.id) == key
    assert keys.remove(key.id) and not keys.remove(key.id)
    now[0] = 20.0
    assert keys.find(key.id) is None
    with pytest.raises(ClientError, match="twelve digits"):
        keys.add(Key("a", "b", "1"))
