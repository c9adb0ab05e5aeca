"""Files of Keras that h5py and zipfile make: read within bounds, and nothing made of them."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from frontends.keras import files
from frontends.tensorflow.declared import Refused

CONFIG = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": []}})


def hdf5(folder: Path, fill: Callable[[Any], object] = lambda _: None, **attributes: Any) -> Path:
    path = folder / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
        fill(file)
    return path


def zipped(folder: Path, **more: bytes) -> Path:
    weights = hdf5(folder).read_bytes()
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        members = {"config.json": CONFIG.encode(), "model.weights.h5": weights, **more}
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_both_kinds(tmp_path: Path) -> None:
    made = files.read(hdf5(tmp_path, model_config=CONFIG, keras_version="2.2.4", backend="theano"))
    assert (made.kind, made.version, made.backend) == ("hdf5", "2.2.4", "theano")
    assert made.config == json.loads(CONFIG)
    assert files.read(hdf5(tmp_path, model_config=CONFIG.encode())).version == "1"
    made = files.read(zipped(tmp_path, **{"metadata.json": b'{"keras_version": "3.15.1"}'}))
    assert (made.kind, made.version) == ("zip", "3.15.1")


def bomb(file: Any) -> None:
    """Zeros that take no room."""
    file.create_dataset("w", (2**30,), "float64", chunks=(2**20,), compression="gzip")


def abroad(file: Any) -> None:
    file.create_dataset("w", (4,), "uint8", external=[("/etc/passwd", 0, 4)])


def link(file: Any) -> None:
    file["w"] = h5py.ExternalLink("/etc/passwd", "/")


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((4,), "uint8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("w", layout)


@pytest.mark.parametrize(
    ("fill", "text"),
    [
        (bomb, "expands to more than 256 MiB"),
        (abroad, "'/w' keeps its numbers in another file"),
        (link, "'w' in the HDF5 file is a link"),
        (virtual, "'/w' keeps its numbers in another file"),
    ],
)
def test_hostile_hdf5(tmp_path: Path, fill: Callable[[Any], None], text: str) -> None:
    with pytest.raises(Refused, match=text):
        files.read(hdf5(tmp_path, fill, model_config=CONFIG))
    (tmp_path / "weights").mkdir()
    weights = hdf5(tmp_path / "weights", fill).read_bytes()
    with pytest.raises(Refused, match=text):
        files.read(zipped(tmp_path, **{"model.weights.h5": weights}))


def test_a_group_that_holds_itself(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        file["w"] = np.zeros(3)
        file["again"] = file["/"]

    assert files.read(hdf5(tmp_path, fill, model_config=CONFIG)).kind == "hdf5"


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="weights without the model"):
        files.read(hdf5(tmp_path))
    with pytest.raises(Refused, match="no JSON"):
        files.read(hdf5(tmp_path, model_config="{"))
    path = hdf5(tmp_path, model_config=CONFIG)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(Refused, match="damaged"):
        files.read(path)
    path.write_bytes(b"\x80\x04 a pickle")
    with pytest.raises(Refused, match="neither HDF5 nor a zip"):
        files.read(path)


def test_other_zips(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"")
    with pytest.raises(Refused, match="no model of Keras"):
        files.read(path)
    with pytest.raises(Refused, match="expands"):
        files.read(zipped(tmp_path, padding=bytes(files.SMALL_BYTES)))
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(Refused, match="damaged"):
        files.read(path)
