"""One model of the zoo: what the command compiles, and what its framework says of some inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import environments
from benchmarks.models import cache_folder

Arrays = Mapping[str, np.ndarray]
GIVEN = "given "


@dataclass(frozen=True)
class Sample:
    """source: a file or a folder. inputs, outputs: those of the framework, the latter in order.
    quantised: the framework rounds as it goes, and so the outputs tell how near the artifact comes,
    but not whether it is right: that the verification judges, tensor by tensor.
    """

    framework: str
    source: Path
    config: str | None
    inputs: Arrays
    outputs: tuple[np.ndarray, ...]
    quantised: bool = False


def folder(family: str, name: str) -> Path:
    """Where a model is kept; it is not made yet."""
    place = cache_folder().parent / "zoo" / family / name
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def made(
    family: str,
    name: str,
    python: Callable[[], Path],
    script: str,
    *arguments: str,
    imported: Sequence[str] = (),
) -> tuple[Path, Arrays, tuple[np.ndarray, ...]]:
    """The model's place, its inputs and outputs. A script of this folder makes them, if need be,
    run as `SCRIPT PLACE ARGUMENTS` in an environment. imported: other scripts that decide what the
    model is. Raises FetchError.
    """
    text = b"".join(Path(__file__).with_name(f"{s}.py").read_bytes() for s in (script, *imported))
    # Another script, another file.
    place = folder(f"{family}-{hashlib.sha256(text).hexdigest()[:8]}", name)
    if not _beside(place).exists():
        command = [str(python()), "-W", "ignore", "-m", f"benchmarks.zoo.{script}", str(place)]
        environments.run([*command, *arguments], f"{name} cannot be made")
    with np.load(_beside(place)) as arrays:
        known = {name: arrays[name] for name in arrays.files}
    inputs = {n.removeprefix(GIVEN): a for n, a in known.items() if n.startswith(GIVEN)}
    return place, inputs, tuple(a for n, a in known.items() if not n.startswith(GIVEN))


def keep(place: Path, inputs: Arrays, outputs: Iterable[np.ndarray]) -> None:
    """Beside the model that a script has made, which is whole by then."""
    arrays: dict[str, Any] = {f"{GIVEN}{name}": array for name, array in inputs.items()}
    arrays |= {f"made {n:02d}": array for n, array in enumerate(outputs)}
    np.savez(_beside(place), **arrays)  # no option: older versions take those for arrays


def _beside(place: Path) -> Path:
    return place.with_name(f"{place.name}.npz")
