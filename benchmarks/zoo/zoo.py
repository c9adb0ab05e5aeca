"""`python -m benchmarks zoo`: networks and forests of many frameworks, compiled and judged.

Each is compiled by the command for this machine, without measuring kernels, which verifies it. Then
the artifact's answers are compared once more, with those that the framework gave when it made the
model.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.models import FetchError
from benchmarks.provenance import provenance
from benchmarks.zoo.families import FAMILIES
from benchmarks.zoo.sample import Sample
from compiler import abi, verify
from compiler import run as runner
from compiler.errors import ServerError

ROOT = Path(__file__).parents[2]
HEAD = (
    "| family | model | compile, s | archive, MB | verified, error | framework's answers, error |"
)
SUMMARY = "| family | pass | compile, s | verified, error | framework's answers | quantised |"


@dataclass(frozen=True)
class Row:
    """verified: the largest error of scale as the job found it; error: of the kept answers, and
    quantised: nobody judges that. why: it does not pass.
    """

    family: str
    name: str
    seconds: float = 0.0
    bytes: int = 0
    verified: float = 0.0
    error: float = 0.0
    quantised: bool = False
    why: str = ""

    def line(self) -> str:
        if self.why:
            return f"| {self.family} | {self.name} | {self.why.splitlines()[0][:300]} |"
        numbers = f"{self.seconds:.1f} | {self.bytes / 1e6:.1f} | {self.verified:.0e}"
        said = ", quantised" if self.quantised else ""
        return f"| {self.family} | {self.name} | {numbers} | {self.error:.0e}{said} |"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--family", choices=[*FAMILIES], help="one of them; else all")
    parser.add_argument("--limit", type=int, help="so many of each family at most")
    parser.add_argument("--skip", type=int, default=0, help="so many of each family first")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results here")


def run(options: argparse.Namespace) -> int:
    """Prints a line for each model. 1: one does not pass."""
    print(HEAD, "|---" * 6 + "|", sep="\n", flush=True)
    rows: list[Row] = []
    for family in [options.family] if options.family else FAMILIES:
        end = None if options.limit is None else options.skip + options.limit
        for name, make in [*FAMILIES[family].items()][options.skip : end]:
            rows.append(judged(family, name, make))
            print(rows[-1].line(), flush=True)
    print("", SUMMARY, "|---" * 6 + "|", *summary(rows), sep="\n")
    failed = sum(bool(row.why) for row in rows)
    print(f"\n{len(rows) - failed} of {len(rows)} pass")
    if options.json:
        written = provenance(0, {}) | {"rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(written, indent=1) + "\n")
    return 1 if failed else 0


def summary(rows: Sequence[Row]) -> list[str]:
    """A line for each family: the range of times and the largest errors of what passes."""
    lines = []
    for family in dict.fromkeys(row.family for row in rows):
        of = [row for row in rows if row.family == family]
        good = [row for row in of if not row.why]
        times = [row.seconds for row in good] or [0.0]
        cells = [family, f"{len(good)} of {len(of)}", f"{min(times):.1f} to {max(times):.1f}"]
        errors = (
            [row.verified for row in good],
            [row.error for row in good if not row.quantised],
            [row.error for row in good if row.quantised],
        )
        cells += [f"{max(some):.0e}" if some else "" for some in errors]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def judged(family: str, name: str, make: Callable[[], Sample]) -> Row:
    try:
        sample = make()
        with tempfile.TemporaryDirectory(prefix="neoc-zoo-") as output:
            told = _compiled(sample, Path(output))
            if reason := told.get("reason"):
                return Row(family, name, why=reason)
            error = _error(sample, Path(told["artifact"]))
    except (FetchError, ServerError) as problem:
        return Row(family, name, why=str(problem))
    parity = told["parity"]["relative"]
    return Row(family, name, told["seconds"], told["size"], parity, error, sample.quantised)


def _compiled(sample: Sample, output: Path) -> dict:  # type: ignore[type-arg]  # the command's JSON
    command = [sys.executable, "-m", "compiler", "compile", "--json", "--no-tune"]
    command += ["--input", str(sample.source), "--framework", sample.framework]
    command += ["--data-input-config", sample.config] if sample.config else []
    command += ["--target-device", "host", "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    told: dict = json.loads(done.stdout or "{}")  # type: ignore[type-arg]
    if done.returncode and "reason" not in told:
        told["reason"] = f"the compiler ended with status {done.returncode}"
    return told


def _error(sample: Sample, archive: Path) -> float:
    """Of scale, the largest. Raises ServerError where it is beyond the bound."""
    with runner.unpack(archive) as artifact:
        [got] = abi.run_apart(artifact.folder, [sample.inputs])
    errors = []
    for (name, ours), theirs in zip(got.items(), sample.outputs, strict=True):
        wanted = np.asarray(theirs).astype(ours.dtype).reshape(ours.shape)
        if sample.quantised:
            apart = np.abs(ours.astype("float64") - wanted.astype("float64"))
            errors.append(float(apart.max() / np.abs(wanted.astype("float64")).max()))
        else:
            errors.append(verify.compare(name, ours, wanted)["relative"])
    return max(errors)
