"""Networks compiled for this machine by the command, kept until the compiler changes."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import models, suite
from compiler import knobs

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".cache" / "benchmarks"
TUNE_S = 600
SOURCES = ("*.py", "*.c", "*.h", "*.map", "*.jsonl")


class Wrong(Exception):
    """A network has no figures; the text says why."""


@dataclass(frozen=True)
class Network:
    """A model's file and what it is fed with. booster: what neoc compiles in its stead, with no
    word of the shapes.
    """

    name: str
    path: Path
    feed: dict[str, np.ndarray]
    booster: Path | None = None

    @property
    def arguments(self) -> list[str]:
        """Of the command that compiles it."""
        if self.booster:
            return ["--input", str(self.booster), "--framework", "XGBOOST"]
        shapes = json.dumps({name: list(array.shape) for name, array in self.feed.items()})
        return ["--input", str(self.path), "--framework", "ONNX", "--data-input-config", shapes]


@dataclass(frozen=True)
class How:
    """threads: as many CPUs the compiler sees. tune_s: to measure kernels for at most; 0: none is
    measured. records: whether earlier measurements count."""

    threads: int
    tune_s: int
    records: bool

    @property
    def label(self) -> str:
        kind = f"tuned{self.tune_s}" if self.tune_s else "default"
        return f"{self.threads}-{kind}" + ("" if self.records else "-fresh")

    @property
    def arguments(self) -> list[str]:
        tune = ["--tune", str(self.tune_s)] if self.tune_s else ["--no-tune"]
        return tune if self.records else [*tune, "--no-records"]

    @property
    def changed(self) -> float:
        """When last something changed that makes another artifact."""
        records = knobs.current().records
        reads_only = self.records and not self.tune_s and records.exists()
        return max(_changed(), records.stat().st_mtime) if reads_only else _changed()


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, default=2, help="to run on (default: 2)")
    tuning = parser.add_mutually_exclusive_group()
    tuning.add_argument(
        "--tune", type=int, default=TUNE_S, metavar="S", help="measure kernels for so long at most"
    )
    tuning.add_argument("--no-tune", action="store_true", help="measure no kernels")
    parser.add_argument("--no-records", action="store_true", help="know no earlier measurements")


def how(options: argparse.Namespace) -> How:
    return How(options.threads, 0 if options.no_tune else options.tune, not options.no_records)


def of_suite(name: str) -> Network:
    """Raises FetchError where it cannot be exported."""
    return Network(name, suite.fetch(name), suite.feed(name))


def real(name: str) -> Network:
    """One of the real models. Raises FetchError if it cannot be had."""
    return Network(name, models.fetch(name), models.ROWS[name].feed())


def compiled(net: Network, how: How) -> tuple[Path, dict[str, Any]]:
    """The archive, and what the command said of it. Raises Wrong where it does not compile."""
    folder = FOLDER / how.label / net.path.parent.name  # two networks may have one name
    archive = folder / f"{net.path.stem}-host.tar.gz"
    said = archive.with_name(f"{archive.name}.json")
    if not archive.exists() or archive.stat().st_mtime < how.changed:
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "compiler", "compile", *net.arguments, "--json"]
        command += ["--target-device", "host", "--output", str(folder)]
        said.write_text(_run(command + how.arguments, how.threads))
    found: dict[str, Any] = json.loads(said.read_text())
    return archive, found


def _run(command: list[str], cpus: int) -> str:
    """The command's JSON. It has so many CPUs to work on and to compile for."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:cpus])
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    finally:
        os.sched_setaffinity(0, allowed)
    if done.returncode:
        result = json.loads(done.stdout or "{}")
        raise Wrong(result.get("reason") or f"the compiler ended with status {done.returncode}")
    return done.stdout


def _changed() -> float:
    """When the compiler's sources changed last."""
    rooms = [ROOT / name for name in ("compiler", "frontends", "targets")]
    files = (path for room in rooms for pattern in SOURCES for path in room.rglob(pattern))
    return max((path.stat().st_mtime for path in files), default=time.time())
