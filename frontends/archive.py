"""The client's archive: unpacked with nothing trusted, and the model file found in it.

A gzip tar from a stranger comes in. Only regular files and folders come out, all below the folder
given, within bounds that are checked while streaming. What the archive must hold, and the texts
when it does not, are Neo's: users search for them, so each cause is added behind.
"""

import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Self

from frontends.model import ModelError

MAX_MEMBERS = 20_000
MAX_BYTES = 16 * 2**30
# Untrained weights compress well, so small archives may expand freely up to SMALL_BYTES.
MAX_RATIO = 100
SMALL_BYTES = 256 * 2**20
MAX_NAME_BYTES, MAX_PATH_BYTES, MAX_HEADER_BYTES = 255, 1024, 2**20

_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
# What tarfile and gzip raise for damaged bytes. Not OSError: a full disk is no fault of the client.
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, RecursionError)


def unpack(archive: Path, into: Path) -> None:
    """A .tar.gz, a bare model file or a folder -> its files below `into`; hidden ones are left out.

    Raises ModelError for anything but regular files and folders that stay inside and within bounds.
    """
    into.mkdir(parents=True, exist_ok=True)
    if archive.is_dir():
        for path in _files(archive):
            _place(path, into / path.relative_to(archive))
    elif _is_gzip(archive):
        _untar(archive, into)
    elif archive.name.lower().endswith(BARE):
        _place(archive, into / archive.name)
    else:
        raise _not_an_archive(f"{archive.name} is not a gzip file")
    if not _files(into):
        raise _error("No model file found.")


def find_model(framework: str, folder: Path) -> Path:
    """The one model file (for a SavedModel: folder) of the framework. Raises ModelError."""
    return RULES[framework](_Listing(folder, _files(folder)))


# --- unpacking


class _Bounded(gzip.GzipFile):
    """A gzip stream that refuses to give more bytes than `limit`."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(path, "rb")
        self._left, self._limit = limit, limit

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self._left -= len(data)
        if self._left < 0:
            raise _error(
                f"The archive expands to more than {self._limit >> 20} MiB. Archive only the model."
            )
        return data


class _Member(tarfile.TarInfo):
    """Long names and pax records are read into memory whole: here their size is bounded first."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.type in _HEADERS and member.size > MAX_HEADER_BYTES:
            raise _error("The archive has a member header of more than 1 MiB.")
        return member


def _untar(archive: Path, into: Path) -> None:
    limit = min(MAX_BYTES, max(SMALL_BYTES, MAX_RATIO * archive.stat().st_size))
    seen: set[PurePosixPath] = set()
    with _Bounded(archive, limit) as stream:
        try:
            # "r|" reads forward only, so a forged size cannot send it back into a loop.
            with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as tar:
                for count, member in enumerate(tar):
                    if count >= MAX_MEMBERS:
                        raise _error(f"The archive has more than {MAX_MEMBERS} members.")
                    _extract(tar, member, into, seen)
            while stream.read(_CHUNK):  # to the end, where gzip keeps its checksum
                pass
        except _DAMAGED as problem:
            raise _not_an_archive(str(problem)) from None


def _extract(
    tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path, seen: set[PurePosixPath]
) -> None:
    path = _inside(member.name)
    if not path.name or path.name.startswith("."):
        return
    if member.isdir():
        _make(into, path, lambda place: place.mkdir(mode=0o700, parents=True, exist_ok=True))
        return
    if not member.isreg() or member.issparse():
        kind = "a link" if member.issym() or member.islnk() else "neither a file nor a folder"
        raise _error(f'The archive\'s member "{path}" is {kind}. Archive only regular files.')
    if path in seen:
        raise _error(f'The archive holds "{path}" twice. Keep one of them.')
    seen.add(path)
    _make(into, path.parent, lambda place: place.mkdir(mode=0o700, parents=True, exist_ok=True))
    source = tar.extractfile(member)
    assert source is not None  # a regular file has content
    _make(into, path, lambda place: _write(source, place))


def _inside(name: str) -> PurePosixPath:
    """The member's path without its `.` parts, or a ModelError if it does not stay inside."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise _error(f'The archive\'s member "{_shorten(name)}" lies outside of the archive.')
    raw = os.fsencode(path)
    if len(raw) > MAX_PATH_BYTES or any(len(os.fsencode(p)) > MAX_NAME_BYTES for p in path.parts):
        raise _error(f'The archive\'s member "{_shorten(name)}" has too long a name.')
    return path


def _make(into: Path, path: PurePosixPath, create: Callable[[Path], None]) -> None:
    try:
        create(into / path)
    except (FileExistsError, NotADirectoryError):
        raise _error(f'The archive holds "{path}" both as a file and as a folder.') from None


def _write(source: IO[bytes], place: Path) -> None:
    # "x": nothing that exists is opened, so no name can be used to write through another.
    with open(place, "xb") as file:
        shutil.copyfileobj(source, file, _CHUNK)


def _place(source: Path, place: Path) -> None:
    """A local file, linked where the file system can: models are large, and nobody writes here."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), place)
    except OSError:
        shutil.copyfile(source, place)


def _is_gzip(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == _GZIP


def _files(folder: Path) -> list[Path]:
    """All regular files below, sorted, without those whose name starts with a dot."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))


# --- finding the model

_FRAMEWORK = " Please make sure the framework you select is correct."


@dataclass(frozen=True)
class _Listing:
    folder: Path
    files: list[Path]

    def ending(self, *suffixes: str) -> list[Path]:
        return [path for path in self.files if path.name.lower().endswith(suffixes)]

    def refuse(self, text: str, found: Iterable[Path] | None = None) -> ModelError:
        """Neo's text, then what is there."""
        names = [str(p.relative_to(self.folder)) for p in (self.files if found is None else found)]
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        return _error(f"{text} The archive holds: {shown or 'nothing'}.")


Rule = Callable[[_Listing], Path]


def _one(suffixes: tuple[str, ...], none: str, many: str) -> Rule:
    """Exactly one file with one of the suffixes. {files} in a text is their list."""

    def rule(listing: _Listing) -> Path:
        found = listing.ending(*suffixes)
        if len(found) == 1:
            return found[0]
        text, shown = (many, found) if found else (none, listing.files)
        raise listing.refuse(text.format(files=[path.name for path in shown]), shown)

    return rule


def _usual(suffixes: tuple[str, ...], word: str, model: str) -> Rule:
    """Neo's usual pair of texts."""
    return _one(
        suffixes,
        f"No {word} file found for {model} model.{_FRAMEWORK}",
        f"Exactly one {word} file is allowed for {model} models.",
    )


def _darknet(listing: _Listing) -> Path:
    """The folder: a model is two files, wherever they lie."""
    for suffix in (".weights", ".cfg"):
        _usual((suffix,), suffix, "DarkNet")(listing)
    return listing.folder


def _xgboost(listing: _Listing) -> Path:
    found = listing.files
    if len(found) > 1:
        found = [path for path in found if path.name.endswith("xgboost-model-0")]
    if len(found) == 1:
        return found[0]
    raise listing.refuse(
        f"Invalid XGBoost model: only one XGBoost model file is allowed.{_FRAMEWORK}"
    )


def _tensorflow(listing: _Listing) -> Path:
    """A SavedModel's folder wins over a frozen graph."""
    saved = {p.parent for p in listing.files if p.name in ("saved_model.pb", "saved_model.pbtxt")}
    if len(saved) == 1:
        return saved.pop()
    if saved:
        raise listing.refuse("Exactly one saved model is allowed for TensorFlow models.", saved)
    if not listing.ending(".pb", ".pbtxt") and any(p.name == "checkpoint" for p in listing.files):
        raise listing.refuse(f"TF Checkpoints are not supported.{_FRAMEWORK}")
    return _one(
        (".pb", ".pbtxt"),
        f"No valid TensorFlow model found in input files.{_FRAMEWORK}",
        "Exactly one .pb or .pbtxt file is allowed for TensorFlow models.",
    )(listing)


# Files that travel with a model and are no model; the first three are copied to the output.
AUXILIARY = ("model-shapes.json", "hyperparams.json", "amba_config.json")
_NO_SYMBOL = (*AUXILIARY, "model-metadata.json")


def _mxnet(listing: _Listing) -> Path:
    """The symbol file; the parameters beside it start with the same prefix."""
    symbols = [p for p in listing.ending(".json") if p.name not in _NO_SYMBOL]
    if len(symbols) > 1:
        symbols = [p for p in symbols if p.name.startswith("model0")] or symbols
    if not symbols:
        raise listing.refuse(f"No symbol file found for MXNet model.{_FRAMEWORK}")
    if len(symbols) > 1:
        raise listing.refuse(f"Only one symbol file is allowed for MXNet model.{_FRAMEWORK}")
    parameters = listing.ending(".params")
    if not parameters:
        raise listing.refuse(f"No parameter file found for MXNet model.{_FRAMEWORK}")
    symbol = symbols[0]
    prefix = symbol.name.removesuffix(".json").removesuffix("-symbol")
    if not any(path.name.startswith(prefix) for path in parameters):
        raise listing.refuse(
            f"No parameter file found for MXNet model: {symbol.relative_to(listing.folder)} "
            "Please make sure the prefix of params file match the prefix of symbol file."
        )
    return symbol


RULES: dict[str, Rule] = {
    "ONNX": _usual((".onnx",), ".onnx", "ONNX"),
    "PYTORCH": _one(
        (".pth", ".pt", ".pt2"),
        f"No pth file found for PyTorch model.{_FRAMEWORK}",
        "Exactly one .pth file is allowed for PyTorch models.",
    ),
    "KERAS": _one(
        (".h5", ".hdf5", ".keras"),
        "No h5 file provided in {files}.",
        "Multiple h5 files provided, {files}, when only one is allowed.",
    ),
    "TFLITE": _one(
        (".tflite",),
        "No valid TFLite model found in input file."
        " Please make sure the framework you selected is correct.",
        "Exactly one .tflite file is allowed for TFLite models.",
    ),
    "SKLEARN": _usual((".joblib",), ".joblib", "Scikit-Learn"),
    "TENSORFLOW": _tensorflow,
    "MXNET": _mxnet,
    "DARKNET": _darknet,
    "XGBOOST": _xgboost,
}

# Names that a model file may have when it comes alone, not in an archive.
BARE = (
    *(".onnx", ".pth", ".pt", ".pt2", ".h5", ".hdf5", ".keras", ".tflite", ".joblib"),
    *(".pb", ".pbtxt", ".json", ".ubj", ".model", ".pkl", "xgboost-model"),
)


# --- words


def _not_an_archive(cause: str) -> ModelError:
    return _error(
        "Unable to untar input model. Please confirm the model is a tar.gz file "
        f"({_shorten(cause)})."
    )


def _shorten(text: str) -> str:
    plain = text.encode("utf-8", "backslashreplace").decode()
    return plain if len(plain) <= 100 else plain[:97] + "..."


def _error(text: str) -> ModelError:
    return ModelError(f"InputConfiguration: {text}")
