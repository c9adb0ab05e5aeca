from pathlib import Path

import pytest

from compiler import knobs
from compiler.errors import ClientError
from compiler.knobs import Knobs

HOME = {"HOME": "/home/me"}


def test_defaults() -> None:
    assert knobs.read(HOME) == Knobs(
        trace=False,
        max_input_bytes=20 << 30,
        endpoint_url=None,
        cache=Path("/home/me/.cache/neoc"),
        data=Path("/home/me/.local/share/neoc"),
        region="us-east-1",
        host="127.0.0.1",
        records=Path("/home/me/.local/share/neoc/records.jsonl"),
    )


def test_what_is_set_is_read() -> None:
    found = knobs.read(
        {
            "XDG_DATA_HOME": "/d",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "NEOC_TRACE": "1",
            "NEOC_MAX_INPUT_BYTES": "500",
            "AWS_ENDPOINT_URL": "http://a:1",
            "XDG_CACHE_HOME": "/c",
            "NEOC_HOST": "::",
            "NEOC_RECORDS": "/r.jsonl",
        }
    )
    places = Path("/c/neoc"), Path("/d/neoc"), "eu-west-1", "::", Path("/r.jsonl")
    assert found == Knobs(True, 500, "http://a:1", *places)


def test_folders_are_absolute_and_found_without_a_home() -> None:
    found = knobs.read({**HOME, "XDG_CACHE_HOME": "here", "XDG_DATA_HOME": "/d"})
    assert found.cache == Path("/home/me/.cache/neoc")
    assert found.records == Path("/d/neoc/records.jsonl")
    assert knobs.read({}).cache.is_absolute()


def test_the_endpoint_of_s3_alone_comes_first() -> None:
    environment = {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_S3": "http://s3"}
    assert knobs.read(environment).endpoint_url == "http://s3"


@pytest.mark.parametrize("text", ["0", ""])
def test_trace_can_be_switched_off(text: str) -> None:
    assert not knobs.read({"NEOC_TRACE": text}).trace


@pytest.mark.parametrize("text", ["20G", "-1", "1.5"])
def test_a_bad_number_is_the_users_mistake(text: str) -> None:
    with pytest.raises(ClientError, match="NEOC_MAX_INPUT_BYTES must be a whole number"):
        knobs.read({"NEOC_MAX_INPUT_BYTES": text})
