"""Where models come from and artifacts go to: s3://, file:// and plain paths.

An upload is all or nothing. While it is under way it is announced as the progress value "upload",
so that whoever kills this process in the middle can `undo` it.
"""

import os
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from compiler import progress, s3
from compiler.errors import INPUT, OUTPUT, ClientError

ARCHIVES = (".tar.gz", ".tgz")
_AMAZON = r"s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?"
HTTPS_STYLES = (  # the two forms of an object's https address
    rf"https://(?P<bucket>[^/]+)\.{_AMAZON}/(?P<key>[^?#]*)",
    rf"https://{_AMAZON}/(?P<bucket>[^/?#]+)/?(?P<key>[^?#]*)",
)


@dataclass(frozen=True)
class Upload:
    """An upload under way. began: by the clock. inode: of the complete local file just before it
    gets its final name."""

    uri: str
    token: str
    endpoint_url: str | None
    began: float
    multipart: str | None = None
    inode: int | None = None


def parse(uri: str, endpoint_url: str | None = None) -> s3.Object | Path:
    """What a URI names; ClientError for a scheme that cannot be read or written."""
    if uri.startswith("s3://"):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if not bucket:
            raise ClientError(f"{uri!r} names no bucket.")
        return s3.Object(bucket, key, endpoint_url)
    if uri.startswith("file://"):
        parts = urlsplit(uri)
        if parts.netloc not in ("", "localhost"):
            raise ClientError(f"{uri!r} names another host; write file:///path.")
        return Path(unquote(parts.path))
    for style in HTTPS_STYLES:
        if match := re.fullmatch(style, uri):
            return s3.Object(match["bucket"], unquote(match["key"]), endpoint_url)
    if scheme := re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", uri):
        raise ClientError(
            f"{uri!r} cannot be used: {scheme[1]}:// is not supported. "
            "hint: s3://bucket/key, file:///path or a path"
        )
    return Path(uri).expanduser()


def artifact_uri(output: str, source: str, target: str) -> str:
    """<output>/<base>-<target>.tar.gz; base is the input's name without .tar.gz or suffix."""
    place = parse(source)
    if isinstance(place, Path):
        place = place.resolve()
        base = place.name if place.is_dir() else _base(place.name)
    else:
        base = _base(place.key.rpartition("/")[2])
    folder = output if output.endswith("/") else f"{output}/"
    return f"{folder}{base}-{target.replace('/', '_')}.tar.gz"


def _base(name: str) -> str:
    for suffix in ARCHIVES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return Path(name).stem


def fetch(uri: str, into: Path, *, endpoint_url: str | None = None) -> Path:
    """The input as a local file or folder. A local one is returned as it is, never written to;
    an object is downloaded into the folder `into`."""
    place = parse(uri, endpoint_url)
    if isinstance(place, s3.Object):
        return s3.download(place, into)
    if not place.exists():
        raise ClientError(f"{INPUT}{uri} does not exist.")
    if not os.access(place, os.R_OK):
        raise ClientError(f"{INPUT}{uri} cannot be read: permission denied.")
    return place


def check_output(uri: str, *, endpoint_url: str | None = None) -> None:
    """Fail before the work, not after it, when nothing could be written to the folder `uri`."""
    place = parse(uri, endpoint_url)
    if isinstance(place, s3.Object):
        s3.check_output(place)
        return
    folder = next(p for p in (place.absolute(), *place.absolute().parents) if p.exists())
    if not folder.is_dir():
        raise ClientError(f"{OUTPUT}{uri}: {folder} is a file, not a folder.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ClientError(f"{OUTPUT}{uri} cannot be written: permission denied in {folder}.")


def upload(
    path: Path, uri: str, *, kms_key: str | None = None, endpoint_url: str | None = None
) -> None:
    """Put the file under its final name; until it is complete nothing is there."""
    place = parse(uri, endpoint_url)
    begun = Upload(uri, secrets.token_hex(8), endpoint_url, time.time())
    _announce(begun)
    if isinstance(place, Path):
        _copy(path, place, begun)
        return
    s3.upload(
        path,
        place,
        token=begun.token,
        kms_key=kms_key,
        multipart_began=lambda identity: _announce(replace(begun, multipart=identity)),
    )


def undo(announced: Mapping[str, Any]) -> None:
    """Remove what an announced upload left when it was killed: the temporary file, the multipart
    upload, or the object or file itself if it was just complete."""
    begun = Upload(**announced)
    place = parse(begun.uri, begun.endpoint_url)
    if isinstance(place, s3.Object):
        s3.remove(place, token=begun.token, multipart=begun.multipart, since=begun.began)
        return
    with suppress(OSError):
        _temporary(place, begun).unlink(missing_ok=True)
        if begun.inode is not None and place.stat().st_ino == begun.inode:
            place.unlink()


def publish(
    source: str, uri: str, *, kms_key: str | None = None, endpoint_url: str | None = None
) -> None:
    """Give an artifact that lies elsewhere in the same storage its final name, and leave it where
    it is. All or nothing, and the same however often it is done."""
    place, final = parse(source, endpoint_url), parse(uri, endpoint_url)
    if isinstance(place, s3.Object) and isinstance(final, s3.Object):
        s3.copy(place, final, kms_key=kms_key)
        return
    assert isinstance(place, Path) and isinstance(final, Path)
    temporary = final.with_name(f".{final.name}.{secrets.token_hex(8)}")
    try:
        temporary.hardlink_to(place)
        temporary.replace(final)
        _sync(final.parent)
    except OSError as error:
        raise ClientError(f"{OUTPUT}{uri} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def link(uri: str, life_s: int, *, endpoint_url: str | None = None) -> str:
    """An address for a browser to fetch the artifact from, without credentials, for so long."""
    place = parse(uri, endpoint_url)
    if isinstance(place, Path):
        raise ClientError(f"{uri} is no object that a link could be made to.")
    return s3.link(place, life_s)


def clear(folder: str, *, endpoint_url: str | None = None) -> None:
    """Remove all that lies below `folder`, uploads under way included."""
    place = parse(folder, endpoint_url)
    if isinstance(place, s3.Object):
        s3.clear(place)
    else:
        shutil.rmtree(place, ignore_errors=True)


def _announce(begun: Upload) -> None:
    progress.value("upload", asdict(begun))


def _temporary(final: Path, begun: Upload) -> Path:
    """In the same folder, so that the rename is atomic; hidden, so that no listing shows it."""
    return final.with_name(f".{final.name}.{begun.token}")


def _copy(path: Path, final: Path, begun: Upload) -> None:
    temporary = _temporary(final, begun)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as source, temporary.open("xb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        _announce(replace(begun, inode=temporary.stat().st_ino))
        temporary.replace(final)
        _sync(final.parent)
    except OSError as error:
        raise ClientError(f"{OUTPUT}{begun.uri} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _sync(folder: Path) -> None:
    """Without this a power cut may lose the new name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
