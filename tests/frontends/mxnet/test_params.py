"""Parameter files of every age, and bytes of strangers."""

import random
import struct

import numpy as np
import pytest

from frontends.model import ModelError
from frontends.mxnet import params
from tests.frontends.mxnet.conftest import stored

ARRAYS: dict[str, np.ndarray] = {
    "arg:w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "aux:m": np.array([1, 2], np.int64),
    "arg:h": np.array([[0.5]], np.float16),
}


@pytest.mark.parametrize("form", [0, params.WIDE, params.STORED, params.SCALARS])
def test_every_form(form: int) -> None:
    made = params.parse(stored(ARRAYS, form))
    assert list(made) == ["w", "m", "h"]
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(made[name[4:]], array)
        assert made[name[4:]].dtype == array.dtype


def test_a_scalar() -> None:
    made = params.parse(stored({"arg:s": np.array(2.5, np.float32)}, params.SCALARS))
    assert made["s"].shape == () and made["s"] == 2.5


def test_keys_of_save_parameters_name_the_way_out() -> None:
    with pytest.raises(ModelError, match=r"Please use HybridBlock.export\(\) or gluoncv"):
        params.parse(stored({"dense0.weight": np.zeros(2, np.float32)}))


def test_a_name_twice() -> None:
    same = {"arg:w": np.zeros(1, np.float32), "aux:w": np.zeros(1, np.float32)}
    with pytest.raises(ModelError, match="'w' twice"):
        params.parse(stored(same))


def test_sparse_arrays_name_the_way_out() -> None:
    sparse = bytearray(stored(ARRAYS))
    sparse[28:32] = struct.pack("<i", 1)
    with pytest.raises(ModelError, match="tostype"):
        params.parse(bytes(sparse))


@pytest.mark.parametrize("form", [0, params.STORED])
def test_broken_files_are_refused_or_read(form: int) -> None:
    data = stored(ARRAYS, form)
    rng = random.Random(form)
    for _ in range(400):
        broken = bytearray(data[: rng.randrange(len(data))] if rng.random() < 0.5 else data)
        for _ in range(min(3, len(broken))):
            broken[rng.randrange(len(broken))] = rng.choice([0, 255, rng.randrange(256)])
        try:
            params.parse(bytes(broken))
        except ModelError:
            continue


@pytest.mark.parametrize(
    "data", [b"", b"\x12\x01", b"x" * 64, struct.pack("<QQQ", 0x112, 0, 1 << 60)]
)
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        params.parse(data)
