"""What is in a file of Keras: its configuration and version, its bounds checked before all else.

HDF5 for .h5 files, a zip with HDF5 in it for .keras files. Both expand; links lead elsewhere. For a
script of confined.py.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontends.tensorflow.declared import Refused

HDF5, ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
# As of archives: what is small may expand freely.
SMALL_BYTES, MAX_RATIO = 256 * 2**20, 100
MAX_OBJECTS, MAX_CONFIG_BYTES = 200_000, 64 * 2**20
WHOLE = "Save the whole model: model.save('model.h5') or model.save('model.keras')."


@dataclass(frozen=True)
class Contents:
    """kind: `hdf5` or `zip`. version: of Keras. backend: what it ran on, where that is told."""

    kind: str
    config: Any
    version: str
    backend: str


def read(path: Path) -> Contents:
    """Raises Refused for what is no whole model, or not within bounds."""
    with open(path, "rb") as file:
        head = file.read(8)
    if head.startswith(HDF5):
        return _hdf5(path)
    if head.startswith(ZIP):
        return _zip(path)
    raise Refused(f"{path.name} is neither HDF5 nor a zip. {WHOLE}")


def _hdf5(path: Path) -> Contents:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            check(file, path.stat().st_size)
            attributes = {k: _text(file.attrs[k]) for k in NAMES if k in file.attrs}
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise Refused(f"the HDF5 file is damaged: {error}") from None
    if "model_config" not in attributes:
        raise Refused(f"the file holds weights without the model. {WHOLE}")
    version = attributes.get("keras_version", "1")  # the first did not say
    config = _json(attributes["model_config"])
    return Contents("hdf5", config, version, attributes.get("backend", ""))


NAMES = ("model_config", "keras_version", "backend")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _zip(path: Path) -> Contents:
    import h5py

    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            whole = sum(member.file_size for member in archive.infolist())
            _bounded(whole, size)
            names = archive.namelist()
            if "config.json" not in names or "model.weights.h5" not in names:
                raise Refused(f"the zip holds no model of Keras. {WHOLE}")
            config = _json(_member(archive, "config.json"))
            told = _json(_member(archive, "metadata.json")) if "metadata.json" in names else {}
            with h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r") as weights:
                check(weights, size)
    except (zipfile.BadZipFile, OSError, RuntimeError, KeyError, EOFError) as error:
        raise Refused(f"the file is damaged: {error}") from None
    version = told.get("keras_version", "3") if isinstance(told, dict) else "3"
    return Contents("zip", config, str(version), "")


def _member(archive: zipfile.ZipFile, name: str) -> str:
    if archive.getinfo(name).file_size > MAX_CONFIG_BYTES:
        raise Refused(f"{name} has more than {MAX_CONFIG_BYTES >> 20} MiB")
    return archive.read(name).decode(errors="replace")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"the model's configuration is no JSON: {error}") from None


def check(file: Any, size: int) -> None:
    """Raises Refused where the datasets are larger than such a file has them, or lie elsewhere."""
    whole = 0
    for dataset in _datasets(file):
        if dataset.external or dataset.is_virtual:
            raise Refused(f"the dataset '{dataset.name}' keeps its numbers in another file")
        whole += dataset.size * dataset.dtype.itemsize
        _bounded(whole, size)


def _datasets(file: Any) -> Iterator[Any]:
    """All of them once; a group may hold itself."""
    import h5py

    seen, waiting = set(), [file]
    while waiting:
        group = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise Refused(f"'{name}' in the HDF5 file is a link. Save the model without links.")
            one = group[name]
            place = h5py.h5o.get_info(one.id).addr
            if place in seen:
                continue
            seen.add(place)
            if len(seen) > MAX_OBJECTS:
                raise Refused(f"the HDF5 file holds more than {MAX_OBJECTS} objects")
            if isinstance(one, h5py.Dataset):
                yield one
            elif isinstance(one, h5py.Group):
                waiting.append(one)


def _bounded(whole: int, size: int) -> None:
    limit = max(SMALL_BYTES, MAX_RATIO * size)
    if whole > limit:
        raise Refused(f"the file of {size} bytes expands to more than {limit >> 20} MiB")
