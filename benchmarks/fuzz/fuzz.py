"""`python -m benchmarks fuzz`: random graphs against ONNX Runtime.

Every graph is compiled as it is, every second one also as a twin that must give the same: in
batches, for either width of vectors, with layouts and settings that are chosen or random. What
fails is made small and written to a folder, as a model with its inputs and what they should give.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import onnx

from benchmarks.fuzz import judge, twins
from benchmarks.fuzz.draw import draw
from benchmarks.fuzz.drawing import Graph, model_of
from benchmarks.fuzz.judge import Case, Outcome
from benchmarks.fuzz.shrink import shrunk
from benchmarks.provenance import heading, provenance
from compiler import abi
from targets import host

SHRUNK = 20  # failures; the others are only counted


def again(outcome: Outcome) -> Graph:
    """The graph of an outcome."""
    if outcome.twin:
        return twins.twin(draw(outcome.seed, f"t{outcome.seed}_"))[0]
    return draw(outcome.seed, f"g{outcome.seed}_")


def ends(graph: Graph, outcome: Outcome) -> Outcome:
    """How it ends alone."""
    found = judge.apart(
        lambda _: list(judge.ended([Case(graph, outcome.twin)], outcome.variant)),
        1, 1, judge.LIMIT_S,
    )[0]  # fmt: skip
    if isinstance(found, str):
        return Outcome(graph.seed, outcome.twin, outcome.variant, "crashed", found)
    return found[0]


def smallest(outcome: Outcome) -> tuple[Graph, Outcome]:
    """The smallest graph that fails in its way, and how; the whole one if alone it does not."""
    graph = again(outcome)
    if ends(graph, outcome).state == outcome.state:
        graph = shrunk(graph, lambda part: ends(part, outcome).state == outcome.state)
    return graph, ends(graph, outcome)


def write(graph: Graph, outcome: Outcome, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model_of([graph]), folder / "model.onnx")
    abi.save(folder / "inputs.npz", graph.feed)
    abi.save(folder / "expected.npz", {n: graph.known[n] for n in graph.outputs})
    (folder / "outcome.json").write_text(json.dumps(asdict(outcome), indent=1) + "\n")


def score(outcomes: Sequence[Outcome]) -> str:
    counts = Counter(o.state for o in outcomes)
    graphs = len({o.seed for o in outcomes})
    ended = ", ".join(f"{counts[state]} {state}" for state in judge.STATES)
    return f"{graphs} graphs, {len(outcomes) - graphs} twins: {ended}"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--graphs", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the first graph")
    parser.add_argument("--processes", type=int, default=host.cores(), metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every outcome here")
    parser.add_argument("--failures", type=Path, metavar="DIR", help="small failing models")


def run(options: argparse.Namespace) -> int:
    """The status is 1 if any answer is wrong or anything crashed."""
    started = time.monotonic()
    outcomes: list[Outcome] = []
    for some in judge.judge(range(options.seed, options.seed + options.graphs), options.processes):
        outcomes += some
        for outcome in some:
            if outcome.state != "right":
                print(f"{outcome.seed} {outcome.twin}: {outcome.state}: {outcome.reason}")
        print(f"{score(outcomes)}; {time.monotonic() - started:.0f} s", file=sys.stderr)
    failed = [o for o in outcomes if o.state in ("wrong", "crashed")]
    if options.failures:
        for outcome in failed[:SHRUNK]:
            graph, last = smallest(outcome)
            words = " ".join(node.op_type for node in graph.nodes)
            print(f"{outcome.seed} {outcome.twin}: {last.state}: {last.reason}: {words}")
            write(graph, last, options.failures / f"{outcome.seed}{'-twin' * bool(outcome.twin)}")
    known = provenance(options.processes, {})
    print(f"{score(outcomes)}; {(time.monotonic() - started) / 60:.1f} minutes")
    print(heading(known))
    if options.json:
        written = known | {"outcomes": [asdict(outcome) for outcome in outcomes]}
        options.json.write_text(json.dumps(written, indent=1) + "\n")
    return int(bool(failed))
