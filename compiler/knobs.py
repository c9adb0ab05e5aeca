"""Every environment variable the compiler reads, in one frozen value read once.

boto3 reads its own (credentials, region, profile, proxies); the artifact's runtime reads
TVM_NUM_THREADS.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from compiler.errors import ClientError

GIB = 1 << 30


@dataclass(frozen=True)
class Knobs:
    trace: bool
    """NEOC_TRACE=1: the compiler process writes its log and any stack trace to stderr."""

    max_input_bytes: int
    """NEOC_MAX_INPUT_BYTES: a larger input object is refused before it is fetched; 20 GiB."""

    endpoint_url: str | None
    """AWS_ENDPOINT_URL_S3, else AWS_ENDPOINT_URL: where S3 is when it is not Amazon's."""

    cache: Path
    """The user's cache folder for what can be made again: XDG_CACHE_HOME/neoc, ~/.cache/neoc."""

    data: Path
    """The user's folder for what must be kept: XDG_DATA_HOME/neoc, ~/.local/share/neoc."""

    region: str
    """AWS_REGION, else AWS_DEFAULT_REGION: the one that the service answers for; us-east-1."""

    host: str
    """NEOC_HOST: the address that `neoc serve` listens on; 127.0.0.1."""

    records: Path
    """NEOC_RECORDS: the user's file of measurements; else records.jsonl in the data folder."""


@cache
def current() -> Knobs:
    """The knobs of this process."""
    return read(os.environ)


def read(environment: Mapping[str, str]) -> Knobs:
    """Raises ClientError for a value that does not parse."""
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    data = _folder(environment, "XDG_DATA_HOME", ".local/share")
    return Knobs(
        trace=environment.get("NEOC_TRACE", "0") not in ("", "0"),
        max_input_bytes=_count(environment, "NEOC_MAX_INPUT_BYTES", 20 * GIB),
        endpoint_url=endpoint or None,
        cache=_folder(environment, "XDG_CACHE_HOME", ".cache"),
        data=data,
        region=region or "us-east-1",
        host=environment.get("NEOC_HOST") or "127.0.0.1",
        records=Path(environment.get("NEOC_RECORDS") or data / "records.jsonl"),
    )


def _folder(environment: Mapping[str, str], name: str, usual: str) -> Path:
    """As the XDG Base Directory Specification has it; a relative path there counts as none."""
    given = Path(environment.get(name, ""))
    home = Path(environment.get("HOME") or Path.home())
    return (given if given.is_absolute() else home / usual) / "neoc"


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal():
        raise ClientError(f"{name} must be a whole number of bytes, not {text!r}.")
    return int(text)
