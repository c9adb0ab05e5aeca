"""What a compilation gives: one archive, its digest, and the manifest that describes it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Artifact:
    """path: the local tar.gz. manifest: JSON-able. uri: where it was put, once it was."""

    path: Path
    digest: str
    manifest: Mapping[str, Any]
    uri: str | None = None


def digest(path: Path) -> str:
    """BLAKE2b-512 of the file's bytes, in hex: ModelDigests.ArtifactDigest of the API."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
