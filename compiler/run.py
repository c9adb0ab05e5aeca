"""An artifact and .npy files in; a folder to load and arrays that fit it out."""

import json
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compiler.abi import Array
from compiler.errors import ClientError
from targets import host


@dataclass(frozen=True)
class Unpacked:
    """An artifact as files that can be loaded."""

    folder: Path
    manifest: Mapping[str, Any]


@contextmanager
def unpack(artifact: Path) -> Iterator[Unpacked]:
    """artifact: the archive, or the folder somebody unpacked it to."""
    if artifact.is_dir():
        yield Unpacked(artifact, _manifest(artifact))
        return
    with tempfile.TemporaryDirectory(prefix="neoc-run-") as folder:
        try:
            with tarfile.open(artifact, "r:gz") as archive:
                _extract(archive, Path(folder))
        except FileNotFoundError as error:
            raise ClientError(f"{artifact} does not exist.") from error
        except (tarfile.TarError, EOFError, OSError) as error:
            raise ClientError(f"{artifact} is not an artifact: {error}.") from error
        yield Unpacked(Path(folder), _manifest(Path(folder)))


def check_cpu(artifact: Unpacked) -> None:
    """Raises ClientError when this CPU cannot execute the artifact's code."""
    target = artifact.manifest["target"]
    if missing := sorted(set(target["features"]) - host.features()):
        raise ClientError(
            f"the artifact is for {target['name']} and this CPU lacks {', '.join(missing)}. "
            "hint: run it there, or compile for --target-device host"
        )


def read_inputs(artifact: Unpacked, files: Mapping[str, Path]) -> dict[str, Array]:
    """The .npy files as the model's inputs, name, type and shape checked."""
    known = {tensor["name"]: tensor for tensor in artifact.manifest["inputs"]}
    if unknown := sorted(files.keys() - known.keys()):
        raise ClientError(f"no such input: {', '.join(unknown)}; the model has {_list(known)}.")
    if missing := sorted(known.keys() - files.keys()):
        raise ClientError(f"input missing: {', '.join(missing)}; the model has {_list(known)}.")
    return {name: _read(path, known[name]) for name, path in files.items()}


def _extract(archive: tarfile.TarFile, folder: Path) -> None:
    """An artifact is flat; anything but plain files of plain names is not one."""
    for member in archive:
        if not member.isfile() or Path(member.name).name != member.name:
            raise ClientError(f"the archive is not an artifact: it holds {member.name!r}.")
        archive.extract(member, folder, set_attrs=False)


def _manifest(folder: Path) -> Mapping[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "manifest").read_text())
    except (OSError, ValueError) as error:
        raise ClientError(f"{folder} is not an artifact: no readable manifest.") from error
    return found


def _list(tensors: Mapping[str, Any]) -> str:
    return ", ".join(f"{t['name']} {t['dtype']}{t['shape']}" for t in tensors.values())


def _read(path: Path, tensor: Mapping[str, Any]) -> Array:
    try:
        array: Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ClientError(f"{path} is not a readable .npy file: {error}") from error
    free = -1 in tensor["shape"]  # then the library says what does not fit
    if array.dtype.name != tensor["dtype"] or not (free or list(array.shape) == tensor["shape"]):
        raise ClientError(
            f"{path} holds {array.dtype.name}{list(array.shape)}; "
            f"input {tensor['name']} takes {tensor['dtype']}{tensor['shape']}."
        )
    return array
