"""`python -m benchmarks`: networks compiled for this machine, then neoc beside ONNX Runtime.

A network's answers are compared first, for times of wrong answers mean nothing. The networks of
onnx's own (light_*) have constants for weights, in the file, for both.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import targets
from benchmarks import models
from benchmarks.runners import Arrays, Neoc, OnnxRuntime
from benchmarks.timing import Times, interleaved
from compiler import bench, verify
from compiler import run as runner
from compiler.errors import ServerError

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".cache" / "benchmarks"
NETS = ("resnet50", "light_resnet50", "light_squeezenet")
SECONDS = 5.0
LOADING_S = 0.1  # enough for the runner to tell how long loading took
SOURCES = ("*.py", "*.c", "*.h", "*.map")
HEAD = (
    "network", "neoc, ms", "(min)", "ONNX Runtime, ms", "(min)", "ratio",
    "compile, s", "archive, MB", "model, MB", "load, ms",
)  # fmt: skip


class Wrong(Exception):
    """A network has no figures; the text says why."""


@dataclass(frozen=True)
class Row:
    """One network's figures. compile_s: the job from end to end, by the command. load_ms: of the
    unpacked artifact, its files in memory. relative: the largest error, of the output's scale."""

    net: str
    neoc: Times
    onnxruntime: Times
    relative: float
    compile_s: float
    artifact_bytes: int
    model_bytes: int
    load_ms: float

    @property
    def ratio(self) -> float:
        return self.neoc.median_ms / self.onnxruntime.median_ms

    def cells(self) -> Iterator[str]:
        yield self.net
        for times in (self.neoc, self.onnxruntime):
            yield from (f"{times.median_ms:.2f}", f"{times.min_ms:.2f}")
        yield from (f"{self.ratio:.2f}", f"{self.compile_s:.1f}")
        yield from (f"{size / 1e6:.2f}" for size in (self.artifact_bytes, self.model_bytes))
        yield f"{self.load_ms:.1f}"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    rows, failed = [], 0
    print(_line(HEAD), _line("---" for _ in HEAD), sep="\n")
    for net in _nets(options.nets):
        try:
            row = measure(net, options.threads, options.seconds)
        except (Wrong, ServerError, models.FetchError) as error:
            print(f"{net}: {error}", file=sys.stderr)
            failed += 1
            continue
        rows.append(row)
        print(_line(row.cells()), flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report(rows, options.threads), indent=1) + "\n")
    return 1 if failed else 0


def measure(net: str, threads: int, seconds: float) -> Row:
    """Raises Wrong where the network does not compile, ServerError where its answers differ."""
    model, archive = models.fetch(net), FOLDER / f"{net}-host.tar.gz"
    compile_s = _compiled(net, model, archive)
    feed = models.ROWS[net].feed()
    with runner.unpack(archive) as artifact:
        ours, theirs = Neoc(artifact.folder, feed, threads), OnnxRuntime(model, feed, threads)
        ours.run()
        theirs.run()
        relative = compare(ours.answers(), theirs.answers())
        our_times, their_times = interleaved([ours.run, theirs.run], seconds)
        link = artifact.manifest["target"]["link"]
        load_ms = bench.bench(artifact.folder, link, threads, LOADING_S).load_ms
    sizes = archive.stat().st_size, model.stat().st_size
    return Row(net, our_times, their_times, relative, compile_s, *sizes, load_ms)


def compare(ours: Arrays, theirs: Arrays) -> float:
    """The largest relative error. Raises ServerError for an output that is beyond the bound."""
    if ours.keys() != theirs.keys():
        raise Wrong(f"the artifact has the outputs {[*ours]}, ONNX Runtime {[*theirs]}")
    return max(verify.compare(name, ours[name], theirs[name])["relative"] for name in ours)


def report(rows: Sequence[Row], threads: int) -> dict[str, Any]:
    """All that somebody needs to repeat the measurement, and its results."""
    manifests = [_result(FOLDER / f"{row.net}-host.tar.gz")["versions"] for row in rows]
    return {
        "cpu": targets.get("host").title,
        "cpus": len(os.sched_getaffinity(0)),
        "threads": threads,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "versions": manifests[0] if manifests else {},
        "tuned": False,
        "rows": [asdict(row) | {"ratio": row.ratio} for row in rows],
    }


def _compiled(net: str, model: Path, archive: Path) -> float:
    """Compile, unless there is an artifact younger than the compiler. Seconds it took."""
    if archive.exists() and archive.stat().st_mtime > _changed():
        return float(_result(archive)["seconds"])
    row = models.ROWS[net]
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "compiler", "compile", "--input", str(model)]
    command += ["--framework", "ONNX", "--data-input-config", json.dumps(row.inputs)]
    command += ["--target-device", "host", "--output", str(FOLDER), "--no-tune", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    result = json.loads(done.stdout or "{}")
    if done.returncode:
        raise Wrong(result.get("reason") or f"the compiler ended with status {done.returncode}")
    with runner.unpack(archive) as artifact:
        result["versions"] = artifact.manifest["versions"]
    _beside(archive).write_text(json.dumps(result))
    return float(result["seconds"])


def _result(archive: Path) -> dict[str, Any]:
    """What the command said of the artifact when it was made."""
    found: dict[str, Any] = json.loads(_beside(archive).read_text())
    return found


def _beside(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.json")


def _changed() -> float:
    """When the compiler's sources changed last."""
    rooms = [ROOT / name for name in ("compiler", "frontends", "targets")]
    files = (path for room in rooms for pattern in SOURCES for path in room.rglob(pattern))
    return max((path.stat().st_mtime for path in files), default=time.time())


def _commit() -> str:
    """`+` behind it: there are changes beside it. Empty outside of a repository."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--abbrev=12"]
    return subprocess.run(git, capture_output=True, text=True).stdout.strip()


def _nets(text: str) -> list[str]:
    names = list(models.ROWS) if text == "all" else text.split(",")
    if unknown := [name for name in names if name not in models.ROWS]:
        raise SystemExit(f"no such network: {', '.join(unknown)}; known: {', '.join(models.ROWS)}")
    return names


def _line(cells: Iterator[str] | Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--nets", default=",".join(NETS), help="names with commas between, or all")
    parser.add_argument("--threads", type=int, default=2, help="of both (default: 2)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="to time each one for")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
