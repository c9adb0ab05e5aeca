"""Any file of a Booster, whatever its name is."""

import json
import random

import pytest

from frontends.model import ModelError
from frontends.xgboost import booster, document
from tests.frontends.xgboost.files import NAMES, case


@pytest.mark.parametrize("name", NAMES)
def test_every_form_is_read(name: str) -> None:
    found = document.read(case(name).data)
    assert found["learner"]["objective"]["name"] in booster.OBJECTIVES


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"{}", b'{"a": 1}', b"[]", b"\x80\x04N.", b"x" * 500, b"CONFIG-offset:", b"{L"],
)
def test_no_booster_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError):
        document.read(data)


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_file_is_refused_or_read(name: str) -> None:
    data = case(name).data
    rng = random.Random(name)
    for _ in range(30):
        broken = bytearray(data[: rng.randrange(len(data))] if rng.random() < 0.5 else data)
        for _ in range(min(3, len(broken))):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            booster.of(document.read(bytes(broken)))
        except ModelError:
            continue


def test_json_of_a_learner_alone() -> None:
    with pytest.raises(ModelError, match="incomplete"):
        booster.of(document.read(json.dumps({"learner": {}}).encode()))
