"""The gzip writer: readable by others, fast on weights, small on what repeats, deterministic."""

import gzip
import io
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler import deflate
from compiler.deflate import BLOCK, GzipWriter


def written(*pieces: bytes) -> bytes:
    raw = io.BytesIO()
    with GzipWriter(raw) as stream:
        for piece in pieces:
            assert stream.write(piece) == len(piece)
    return raw.getvalue()


NOISE = random.Random(0).randbytes(2 * BLOCK + 77)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 77])
def test_gzip_reads_what_was_written(size: int) -> None:
    assert gzip.decompress(written(NOISE[:size])) == NOISE[:size]


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_how_it_was_cut_does_not_matter(pieces: list[bytes]) -> None:
    assert gzip.decompress(written(*pieces)) == b"".join(pieces)
    assert written(*pieces) == written(b"".join(pieces))


def test_the_number_of_threads_does_not_change_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = written(NOISE)
    monkeypatch.setattr(deflate, "cores", lambda: 7)
    assert written(NOISE) == expected


def test_it_is_one_member_that_carries_no_time() -> None:
    reader = zlib.decompressobj(31)
    reader.decompress(written(NOISE))
    assert reader.eof and not reader.unused_data
    assert written(b"x")[4:8] == bytes(4)


def test_constant_weights_nearly_vanish() -> None:
    assert len(written(b"\x00\x00\x00\x3f" * (BLOCK // 2))) < BLOCK // 50


def test_an_error_inside_leaves_no_complete_file() -> None:
    raw = io.BytesIO()
    with pytest.raises(RuntimeError), GzipWriter(raw) as stream:
        stream.write(NOISE)
        raise RuntimeError
    with pytest.raises(EOFError):
        gzip.decompress(raw.getvalue())
