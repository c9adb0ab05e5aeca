"""One model of the zoo: what the command compiles, and what its framework says of some inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.models import cache_folder

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Sample:
    """source: a file or a folder. inputs, outputs: those of the framework, the latter in order."""

    framework: str
    source: Path
    config: str | None
    inputs: Arrays
    outputs: tuple[np.ndarray, ...]


def folder(family: str, name: str) -> Path:
    """Where a model is kept; it is not made yet."""
    place = cache_folder().parent / "zoo" / family / name
    place.parent.mkdir(parents=True, exist_ok=True)
    return place
