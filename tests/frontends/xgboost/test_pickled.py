"""Pickles: the booster's bytes, and nothing that a file wants to run."""

import os
import pickle
import zlib
from pathlib import Path

import pytest

from frontends.model import ModelError
from frontends.xgboost import pickled
from tests.frontends.xgboost.files import case

OLD = case("0.90_reg-gamma_dart.pkl").data


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_the_bytes_of_a_booster() -> None:
    assert b"reg:gamma" in pickled.model_in(OLD)
    assert pickled.decompressed(zlib.compress(OLD)) == OLD


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_is_run(tmp_path: Path, protocol: int) -> None:
    data = pickle.dumps({"handle": Hostile(tmp_path / "made")}, protocol)
    assert pickled.is_pickle(data)
    with pytest.raises(ModelError, match="mkdir, which is no part of an XGBoost model"):
        pickled.model_in(data)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02cbuiltins\neval\n(S'1'\ntR.",
        b"\x80\x02cos\nsystem\n(S'true'\ntR.",
        b"\x80\x02cnumpy.core\nload\n(S'x'\ntR.",
        pickle.dumps([1, 2, 3], 4),
        OLD[:40],
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError):
        pickled.model_in(data)
