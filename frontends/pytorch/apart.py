"""The process that torch runs in: without credentials, for a limited time."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from frontends.model import Array, ModelError

PYTHON = sys.executable
LIMIT_S = 600.0
NEEDED = {"script": ("torch",), "program": ("torch", "onnxscript")}
INHERITED = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "LANG", "LC_ALL")


class Process:
    """folder: what it writes, beside the model's file. Raises ModelError where the extra lacks."""

    def __init__(self, path: Path, kind: str) -> None:
        if missing := [name for name in NEEDED[kind] if not _is_there(name)]:
            raise ModelError(
                f"PYTORCH models need {' and '.join(missing)}, which this installation lacks: "
                "pip install 'neoc[pytorch]'"
            )
        self.folder = path.with_name(f"{path.name}.torch").resolve()
        self.folder.mkdir()
        self._about = {"model": str(path.resolve()), "kind": kind}

    def run(self, step: str, **job: Any) -> dict[str, Any]:
        """What it said. Raises ModelError where it died."""
        said = self.folder / "said.json"
        said.unlink(missing_ok=True)
        (self.folder / "job.json").write_text(json.dumps({**self._about, "step": step, **job}))
        script = Path(__file__).with_name("export.py")
        try:
            done = subprocess.run(
                [PYTHON, "-P", str(script), str(self.folder)],
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env=self._environment(),
                timeout=LIMIT_S,
            )
        except subprocess.TimeoutExpired:
            raise ModelError(
                f"Framework cannot load PyTorch model. torch did not end within {LIMIT_S:g} s."
            ) from None
        if not said.exists():
            how = signal.Signals(-done.returncode).name if done.returncode < 0 else "early"
            raise ModelError(f"Framework cannot load PyTorch model. torch's process ended: {how}.")
        found: dict[str, Any] = json.loads(said.read_text())
        return found

    def answers(self, runs: Sequence[Sequence[Array]]) -> list[list[Array]]:
        """torch's own outputs of each run. Raises ModelError."""
        arrays = {f"{run} {n}": a for run, given in enumerate(runs) for n, a in enumerate(given)}
        np.savez(self.folder / "given.npz", allow_pickle=False, **arrays)
        said = self.run("answer", runs=len(runs), inputs=len(runs[0]))
        if "failed" in said:
            raise ModelError(f"torch cannot run the model: {said['why']}")
        with np.load(self.folder / "answers.npz") as made:
            return [[made[f"{r} {n}"] for n in range(said["outputs"])] for r in range(len(runs))]

    def _environment(self) -> dict[str, str]:
        own = {name: os.environ[name] for name in INHERITED if name in os.environ}
        place = str(self.folder)
        return {**own, "HOME": place, "TMPDIR": place, "USER": "neoc", "PYTHONHASHSEED": "0"}


def _is_there(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
