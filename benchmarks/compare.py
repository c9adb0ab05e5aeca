"""`python -m benchmarks cpu` and `models`: networks compiled for this machine, beside neoc's peers.

A network's answers are compared first, for times of wrong answers mean nothing: with those of
ONNX Runtime. Every rival is a process of its own, and they take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import artifacts, models, suite
from benchmarks.artifacts import How, Network, Wrong, compiled
from benchmarks.provenance import heading, provenance
from benchmarks.runners import RUNNERS, Arrays
from benchmarks.timing import Times, interleaved
from benchmarks.worker import Worker, WorkerError
from compiler import bench, verify
from compiler import run as runner
from compiler.errors import ServerError

ORACLE = "ort"
SECONDS = 5.0
LOADING_S = 0.1  # enough for the runner to tell how long loading took, and its memory
REAL = ("resnet50", "light_resnet50", "light_squeezenet")
BEHIND = ("best peer / neoc", "compile, s", "archive, MB", "load, ms")


@dataclass(frozen=True)
class Rival:
    """load_ms: until the first run can begin. memory_bytes: of neoc, the whole process of the C
    runner at its peak; of others, what their process took beyond the imported library."""

    times: Times
    load_ms: float
    memory_bytes: int


@dataclass(frozen=True)
class Row:
    """One network's figures. relative: neoc's largest error, of the output's scale."""

    net: str
    rivals: Mapping[str, Rival]
    relative: float
    compile_s: float
    archive_bytes: int

    def ratio(self, of: str) -> float:
        """The best peer's time over neoc's. of: the field of Times."""
        found = {kind: float(getattr(r.times, of)) for kind, r in self.rivals.items()}
        ours = found.pop("neoc")
        return min(found.values()) / ours if found else float("nan")

    def cells(self) -> Iterator[str]:
        yield self.net
        for rival in self.rivals.values():
            yield f"{rival.times.median_ms:.3g} ({rival.times.min_ms:.3g})"
        neoc = self.rivals["neoc"]
        yield f"{self.ratio('median_ms'):.2f} ({self.ratio('min_ms'):.2f})"
        yield from (f"{self.compile_s:.1f}", f"{self.archive_bytes / 1e6:.1f}")
        yield f"{neoc.load_ms:.1f}"
        yield " | ".join(f"{r.memory_bytes / 1e6:.0f}" for r in self.rivals.values())


def run(options: argparse.Namespace) -> int:
    """Prints the table row by row. 1: a network has no figures."""
    how = artifacts.how(options)
    kinds = ["neoc", *options.peers]
    rows: list[Row] = []
    failed = 0
    versions: dict[str, str] = {}
    head = ["network", *(f"{RUNNERS[kind].title}, ms" for kind in kinds), *BEHIND]
    head += [f"{RUNNERS[kind].title}, MB" for kind in kinds]
    print(_line(head), _line("---" for _ in head), sep="\n")
    for name in options.nets:
        try:
            row = measure(options.source(name), how, kinds, options.seconds, versions)
        except (Wrong, WorkerError, ServerError, models.FetchError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed += 1
            continue
        rows.append(row)
        print(_line(row.cells()), flush=True)
    known = provenance(how.threads, versions) | {"tune_s": how.tune_s, "records": how.records}
    print(f"\n{mean(rows)}\n{heading(known)}; {how.label}; medians (minima)")
    if options.json:
        ratios = [{"ratio": row.ratio("median_ms")} for row in rows]
        members = [asdict(row) | ratio for row, ratio in zip(rows, ratios, strict=True)]
        written = known | {"rows": members, "summary": mean(rows)}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(written, indent=1) + "\n")
    return 1 if failed else 0


def measure(
    net: Network, how: How, kinds: Sequence[str], seconds: float, versions: dict[str, str]
) -> Row:
    """Raises Wrong where the network does not compile, ServerError where answers differ."""
    archive, said = compiled(net, how)
    with runner.unpack(archive) as artifact, ExitStack() as stack:
        workers = {}
        for kind in dict.fromkeys((*kinds, ORACLE)):
            model = artifact.folder if kind == "neoc" else net.path
            python = str(suite.torch_python()) if kind == "torch" else sys.executable
            worker = Worker(kind, model, net.feed, how.threads, python)
            workers[kind] = stack.enter_context(worker)
            if worker.ready.version:
                versions[worker.title] = worker.ready.version
        expected = workers[ORACLE].answers()
        errors = {kind: compare(worker.answers(), expected) for kind, worker in workers.items()}
        times = interleaved([workers[kind].run for kind in kinds], seconds)
        link = artifact.manifest["target"]["link"]
        alone = bench.bench(artifact.folder, link, how.threads, LOADING_S)
        rivals = {
            kind: Rival(found, workers[kind].ready.load_ms, workers[kind].peak_bytes())
            for kind, found in zip(kinds, times, strict=True)
        }
    rivals["neoc"] = Rival(rivals["neoc"].times, alone.load_ms, alone.peak_rss_bytes)
    size = archive.stat().st_size
    return Row(net.name, rivals, errors["neoc"], float(said["seconds"]), size)


def compare(ours: Arrays, theirs: Arrays) -> float:
    """The largest relative error. Raises ServerError for an output that is beyond the bound."""
    if ours.keys() != theirs.keys():
        raise Wrong(f"the outputs are {[*ours]}, ONNX Runtime's {[*theirs]}")
    return max(verify.compare(name, ours[name], theirs[name])["relative"] for name in ours)


def mean(rows: Sequence[Row]) -> str:
    """The last line: how much faster than the best peer, over all networks."""
    if not rows:
        return "no figures"
    by = [statistics.geometric_mean(row.ratio(f) for row in rows) for f in ("median_ms", "min_ms")]
    return f"geometric mean of best peer / neoc, {len(rows)} networks: {by[0]:.3f} ({by[1]:.3f})"


def add_options(parser: argparse.ArgumentParser, known: Mapping[str, Any], usual: str) -> None:
    """known: the networks by name. usual: those measured if none are named, and `all` is all."""

    def nets(text: str) -> list[str]:
        names = list(known) if text == "all" else text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"no such network: {', '.join(unknown)}")
        return names

    def peers(text: str) -> list[str]:
        names = [name for name in text.split(",") if name]
        if unknown := [name for name in names if name not in RUNNERS or name == "neoc"]:
            raise argparse.ArgumentTypeError(f"no such peer: {', '.join(unknown)}")
        return names

    artifacts.add_options(parser)
    names = f"names with commas between, or all: {', '.join(known)}"
    parser.add_argument("--nets", type=nets, default=usual, help=names)
    parser.add_argument("--peers", type=peers, default="ort,openvino", help="of ort,openvino,torch")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="to time each one for")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")


def _line(cells: Iterator[str] | Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
