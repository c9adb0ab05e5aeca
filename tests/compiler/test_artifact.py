import hashlib
from pathlib import Path

from compiler.artifact import digest


def test_digest_is_blake2b_512_in_hex(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"bytes")
    assert digest(path) == hashlib.blake2b(b"bytes").hexdigest()
    assert len(digest(path)) == 128
