"""Universal Binary JSON."""

import numpy as np
import pytest

from frontends.model import ModelError
from frontends.xgboost import ubjson


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"i\xff", -1),
        (b"U\xff", 255),
        (b"I\x01\x00", 256),
        (b"d\x3f\x80\x00\x00", 1.0),
        (b"SU\x02ab", "ab"),
        (b"Ca", "a"),
        (b"[TFZ]", [True, False, None]),
        (b"[#U\x02U\x01U\x02", [1, 2]),
        (b"{U\x01aU\x05U\x01b{}}", {"a": 5, "b": {}}),
        (b"{#U\x01U\x01aU\x05", {"a": 5}),
    ],
)
def test_values(data: bytes, value: object) -> None:
    assert ubjson.parse(data) == value


def test_numbers_of_one_type_are_an_array() -> None:
    made = ubjson.parse(b"[$I#U\x02\x00\x01\x00\x02")
    np.testing.assert_array_equal(made, np.array([1, 2], np.int16))


@pytest.mark.parametrize(
    "data",
    [b"", b"i", b"?", b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff", b"[" * 100, b"{U", b"SU\x09a"],
)
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(ModelError):
        ubjson.parse(data)
