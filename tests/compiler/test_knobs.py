import pytest

from compiler import knobs
from compiler.errors import ClientError
from compiler.knobs import Knobs


def test_defaults() -> None:
    assert knobs.read({}) == Knobs(trace=False, max_input_bytes=20 << 30, endpoint_url=None)


def test_what_is_set_is_read() -> None:
    found = knobs.read(
        {"NEOC_TRACE": "1", "NEOC_MAX_INPUT_BYTES": "500", "AWS_ENDPOINT_URL": "http://a:1"}
    )
    assert found == Knobs(trace=True, max_input_bytes=500, endpoint_url="http://a:1")


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
