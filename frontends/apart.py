"""The process of a framework: without credentials, for a limited time, confined by confined.py."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from frontends.model import Array, ModelError

PYTHON = sys.executable
LIMIT_S = 600.0
INHERITED = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "LANG", "LC_ALL")


@dataclass(frozen=True)
class Framework:
    """name: of the API. title: for people. script: what runs, a `confined.Script`. cannot_load,
    cannot_convert: Neo's words, before the cause. extra: what installs it.
    """

    name: str
    title: str
    script: Path
    cannot_load: str
    cannot_convert: str
    extra: str


class Process:
    """folder: what it writes, beside the model's file."""

    def __init__(
        self, framework: Framework, path: Path, needed: Sequence[str], **about: Any
    ) -> None:
        """needed: modules. about: what the script's `load` is told of the file. Raises ModelError
        where a module lacks.
        """
        if missing := [name for name in needed if not _is_there(name)]:
            raise ModelError(
                f"{framework.name} models need {' and '.join(missing)}, which this installation "
                f"lacks: pip install 'neoc[{framework.extra}]'"
            )
        self.framework = framework
        self.folder = path.with_name(f"{path.name}.apart").resolve()
        self.folder.mkdir()
        self._about = {"model": str(path.resolve()), "script": str(framework.script), **about}

    def run(self, step: str, **job: Any) -> dict[str, Any]:
        """What it said. Raises ModelError where it died."""
        said = self.folder / "said.json"
        said.unlink(missing_ok=True)
        (self.folder / "job.json").write_text(json.dumps({**self._about, "step": step, **job}))
        script = Path(__file__).with_name("confined.py")
        try:
            done = subprocess.run(
                [PYTHON, "-P", str(script), str(self.folder)],
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env=self._environment(),
                timeout=LIMIT_S,
            )
        except subprocess.TimeoutExpired:
            raise self._died(f"did not end within {LIMIT_S:g} s") from None
        if not said.exists():
            how = signal.Signals(-done.returncode).name if done.returncode < 0 else "early"
            raise self._died(f"ended: {how}")
        found: dict[str, Any] = json.loads(said.read_text())
        return found

    def answers(
        self, runs: Sequence[Sequence[Array]], tensors: Sequence[str] = ()
    ) -> list[list[Array]]:
        """The framework's own outputs of each run, or those tensors. Raises ModelError."""
        arrays = {f"{run} {n}": a for run, given in enumerate(runs) for n, a in enumerate(given)}
        np.savez(self.folder / "given.npz", allow_pickle=False, **arrays)
        said = self.run("answer", runs=len(runs), inputs=len(runs[0]), tensors=list(tensors))
        if "failed" in said:
            raise ModelError(f"{self.framework.title} cannot run the model: {said['why']}")
        with np.load(self.folder / "answers.npz") as made:
            return [[made[f"{r} {n}"] for n in range(said["outputs"])] for r in range(len(runs))]

    def warnings(self, said: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(
            f"This machine's kernel could not keep the model's own code from {what} while "
            f"{self.framework.title} read it."
            for what in said["free"]
        )

    def _died(self, how: str) -> ModelError:
        return ModelError(
            f"{self.framework.cannot_load} The process of {self.framework.title} {how}."
        )

    def _environment(self) -> dict[str, str]:
        own = {name: os.environ[name] for name in INHERITED if name in os.environ}
        place = str(self.folder)
        return {**own, "HOME": place, "TMPDIR": place, "USER": "neoc", "PYTHONHASHSEED": "0"}


def _is_there(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
