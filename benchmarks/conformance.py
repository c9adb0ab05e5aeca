"""`python -m benchmarks conformance`: the official suite of ONNX on artifacts for this machine.

Every case counts, as on the public scoreboard, by the suite's own tolerances: it passes, fails (the
answer is wrong), crashes (or hangs, or the compiler is at fault), or is refused with a reason. Each
runs in a process of its own.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import tempfile
import time
import unittest
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnx.backend.test.runner import Runner

from benchmarks import onnx_backend
from benchmarks.apart import apart
from benchmarks.artifacts import ROOT
from benchmarks.onnx_backend import NeocBackend, Prepared
from benchmarks.provenance import heading, provenance
from compiler import errors
from targets import host

TABLE = ROOT / "benchmarks" / "CONFORMANCE.md"
LIMIT_S = 300.0  # of one case
STATES = ("passed", "failed", "crashed", "refused")
SUFFIX = "_cpu"  # the suite knows a case by this device, too
REASON = 400  # characters

# Of numpy's report, what is no array.
TELLING = re.compile(r"Not equal|Mismatched|Max |Output|\(shapes|\w+ location|ACTUAL: d|DESIRED: d")
PREFIXES = re.compile(
    r"^((Client|Server)Error: |InputConfiguration: |CompilationError: |"
    r"(TVM cannot convert|Framework cannot load) ONNX model\. Please make .*? is correct\. )+"
)
NAMED = re.compile(r"^(input|output) '.*?'")
NODE = re.compile(r"^node '.*' \((?P<op>\S+), opset \d+\)(?P<rest>: .*)?$")
NO_KERNEL = "The model needs operators that no kernel computes yet: "
SHAPE = re.compile(r" \[[\d, ]*\]")


@dataclass(frozen=True)
class Outcome:
    """How a case ended. folded: the compiler knew all of its inputs, for they decide a shape or
    have no elements, so that the artifact only holds the answer."""

    kind: str
    name: str
    state: str
    reason: str = ""
    folded: bool = False
    seconds: float = 0.0


class Watched(NeocBackend):
    """Remembers the last model, for the suite's tests keep theirs to themselves."""

    last: Prepared | None = None

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> Prepared:
        cls.last = super().prepare(model, device, **kwargs)
        return cls.last


class Suite(Runner):
    """The official one, but that it compares scalars in sequences, whose lengths it would take."""

    @classmethod
    def assert_similar_outputs(
        cls, ref_outputs: Any, outputs: Any, rtol: float, atol: float, model_dir: str | None = None
    ) -> None:
        if getattr(ref_outputs, "shape", None) == () == getattr(outputs, "shape", None):
            ref_outputs, outputs = [ref_outputs], [outputs]
        super().assert_similar_outputs(ref_outputs, outputs, rtol, atol, model_dir)


@dataclass(frozen=True)
class Case:
    kind: str
    name: str
    test: unittest.TestCase


def cases(pattern: str = "") -> list[Case]:
    """The suite's cases with such a name, those for whole models first: they take longest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of answers beyond their dtype
        suites = Suite(Watched).test_cases
    found = [
        Case(kind.removeprefix("OnnxBackend").removesuffix("ModelTest"), method, suite(method))
        for kind, suite in suites.items()
        for method in sorted(vars(suite))
        if method.endswith(SUFFIX) and re.search(pattern, method)
    ]
    return sorted(found, key=lambda case: case.kind != "Real")


def judge(cases: Sequence[Case], processes: int, limit_s: float = LIMIT_S) -> list[Outcome]:
    """Runs them all, so many at once, each in a copy of this process."""
    _warm_up()
    with tempfile.TemporaryDirectory(prefix="neoc-conformance-") as name:
        folder = Path(name)
        os.environ["ONNX_MODELS"] = name  # where the suite puts whole models
        gc.collect()
        gc.freeze()  # or a look at garbage would copy every page to every child

        def work(number: int) -> dict[str, Any]:
            return asdict(attempt(cases[number]))

        found = apart(work, len(cases), processes, limit_s, folder)
    return [_outcome(case, told) for case, told in zip(cases, found, strict=True)]


def attempt(case: Case) -> Outcome:
    """Runs it here."""
    started = time.monotonic()
    state, reason = "passed", ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            case.test.debug()
        except AssertionError as error:
            state, reason = "failed", difference(str(error))
        except unittest.SkipTest as error:
            state, reason = "refused", str(error)
        except Exception as error:
            text = errors.reason(error)
            state = "refused" if text.startswith("ClientError: ") else "crashed"
            reason = cause(text)
    folded = state == "passed" and Watched.last is not None and Watched.last.folded
    seconds = time.monotonic() - started
    return Outcome(case.kind, case.name.removesuffix(SUFFIX), state, reason, folded, seconds)


def difference(text: str) -> str:
    """What numpy says of two arrays, in a line, without their values."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(line for line in lines if TELLING.match(line))[:REASON] or lines[0]


def cause(text: str) -> str:
    """The first thing that is wrong, without what differs between cases: the node's name, and the
    shapes for which there is no kernel.
    """
    first = PREFIXES.sub("", text).partition("\n")[0]
    first = NAMED.sub(r"an \1", first).partition("; these do: ")[0]
    if found := NODE.match(first):
        first = f"{found['op']}{found['rest'] or ''}"
    if first.startswith(NO_KERNEL):
        names = SHAPE.sub("", first.removeprefix(NO_KERNEL).partition(". ")[0]).split(", ")
        first = f"no kernel: {', '.join(sorted(set(names)))}"
    return first[:REASON]


def _outcome(case: Case, told: Any) -> Outcome:
    """What its process told, if only its last words."""
    if isinstance(told, str):
        return Outcome(case.kind, case.name.removesuffix(SUFFIX), "crashed", told)
    return Outcome(**told)


def _warm_up() -> None:
    """What every process needs once: children inherit it."""
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2])
    y = onnx.ValueInfoProto(name="y")
    graph = helper.make_graph([helper.make_node("Exp", ["x"], ["y"])], "warm", [x], [y])
    with tempfile.TemporaryDirectory(prefix="neoc-conformance-") as folder:
        model = helper.make_model(graph)
        onnx_backend.compiled(model, {"x": np.zeros(2, np.float32)}, Path(folder))


def score(outcomes: Iterable[Outcome]) -> str:
    counts = Counter(outcome.state for outcome in outcomes)
    ended = ", ".join(f"{counts[state]} {state}" for state in STATES)
    return f"{counts['passed'] / max(counts.total(), 1):.1%} of {counts.total()} cases: {ended}"


def table(outcomes: Sequence[Outcome], about: str) -> str:
    """Markdown: the score of every kind, and what did not pass by reason, the commonest first."""
    kinds = sorted({outcome.kind for outcome in outcomes})
    lines = ["# Conformance", "", f"The official suite of onnx {onnx.__version__}, {about}", ""]
    lines += [f"| cases | {' | '.join(STATES)} |", "|---" * (1 + len(STATES)) + "|"]
    for kind in (*kinds, "all"):
        counts = Counter(o.state for o in outcomes if kind in (o.kind, "all"))
        lines.append(f"| {kind} | {' | '.join(str(counts[state]) for state in STATES)} |")
    folded = sum(outcome.folded for outcome in outcomes)
    lines += [
        "",
        f"Of those that passed, {folded} have only inputs that the compiler must know, because "
        "they decide a shape or have no elements; their artifacts only hold the answers.",
    ]
    for state in STATES[1:]:
        if rows := groups(outcomes, state):
            lines += ["", f"## {state.capitalize()}", "", "| reason | cases |", "|---|---|"]
        lines += [f"| {_cell(reason)} | {', '.join(names)} |" for reason, names in rows]
    return "\n".join(lines) + "\n"


def groups(outcomes: Iterable[Outcome], state: str) -> list[tuple[str, list[str]]]:
    """The cases that ended so by their reasons, the commonest first."""
    found: dict[str, list[str]] = {}
    for outcome in sorted(outcomes, key=lambda outcome: outcome.name):
        if outcome.state == state:
            found.setdefault(outcome.reason, []).append(outcome.name.removeprefix("test_"))
    return sorted(found.items(), key=lambda group: (-len(group[1]), group))


def merged(
    before: Mapping[str, Any], outcomes: Sequence[Outcome], known: Mapping[str, object]
) -> list[Outcome]:
    """The outcomes of other parts, if they are of the same commit, and these."""
    same = before["commit"] == known["commit"]
    others = [Outcome(**case) for case in before["cases"]] if same else []
    return list({(o.kind, o.name): o for o in [*others, *outcomes]}.values())


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def part(text: str) -> tuple[int, int]:
    """K/N. Raises ValueError."""
    first, every = map(int, text.split("/"))
    if not 1 <= first <= every:
        raise ValueError
    return first, every


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cases", default="", metavar="PATTERN", help="a regular expression")
    parser.add_argument(
        "--part", type=part, default=(1, 1), metavar="K/N", help="every Nth case from the Kth on"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="keep every outcome here; a part's come to those of others",
    )


def run(options: argparse.Namespace) -> int:
    """The status is 1 if any answer is wrong or anything crashed."""
    started = time.monotonic()
    first, every = options.part
    found = cases(options.cases)
    outcomes = judge(found[first - 1 :: every], host.cores())
    minutes = (time.monotonic() - started) / 60
    known = provenance(host.cores(), {})
    if every > 1 and options.json and options.json.exists():
        outcomes = merged(json.loads(options.json.read_text()), outcomes, known)
    for state in STATES[1:]:
        for reason, names in groups(outcomes, state):
            print(f"{state}: {reason}: {', '.join(names)}")
    print(f"{score(outcomes)}; {minutes:.1f} minutes")
    print(heading(known))
    if options.json:
        written = known | {"cases": [asdict(outcome) for outcome in outcomes]}
        options.json.write_text(json.dumps(written, indent=1) + "\n")
    if not options.cases and len(outcomes) == len(found):
        place = f"on {known['cpu']}, {known['date'][:10]}, commit {known['commit']}."
        TABLE.write_text(table(outcomes, place))
    return int(any(outcome.state in ("failed", "crashed") for outcome in outcomes))
