"""Compiles and runs graphs, many in one artifact, each batch in a process of its own, and says how
each ended.
"""

from __future__ import annotations

import gc
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.apart import apart as processes_apart
from benchmarks.conformance import cause
from benchmarks.fuzz import twins, variants
from benchmarks.fuzz.draw import draw, opset_of
from benchmarks.fuzz.drawing import Graph, model_of
from benchmarks.fuzz.oracle import Array
from benchmarks.fuzz.variants import Variant
from compiler import abi, errors

STATES = ("right", "wrong", "crashed", "refused")
BATCH = 16  # seeds in an artifact
LIMIT_S = 60.0  # of a graph
VALUE = re.compile(r"'[gt]\d+_[^']*'")


@dataclass(frozen=True)
class Outcome:
    """How the graph of a seed ended, or its twin. together: the seeds it was compiled with."""

    seed: int
    twin: str
    variant: Variant
    state: str
    reason: str = ""
    together: tuple[int, ...] = ()


@dataclass(frozen=True)
class Case:
    """A graph as it is compiled. twin: what was done to it, if anything."""

    graph: Graph
    twin: str = ""


def cases(seeds: Sequence[int]) -> list[Case]:
    """The graphs of seeds, and twins of the odd ones."""
    found = []
    for seed in seeds:
        found.append(Case(draw(seed, f"g{seed}_")))
        graph, twin = twins.twin(draw(seed, f"t{seed}_"))
        if twin and seed % 2:
            found.append(Case(graph, twin))
    return found


def judge(seeds: Sequence[int], processes: int) -> Iterator[list[Outcome]]:
    """The outcomes of batch after batch, several batches at a time."""
    warm_up()
    groups: dict[int, list[int]] = {}
    for seed in seeds:
        groups.setdefault(opset_of(seed), []).append(seed)
    batches = [g[n : n + BATCH] for g in groups.values() for n in range(0, len(g), BATCH)]
    size = 2 * processes
    for some in (batches[n : n + size] for n in range(0, len(batches), size)):
        found = _batches(some, processes, BATCH * LIMIT_S)
        yield from (outcomes for outcomes in found if not isinstance(outcomes, str))
        dead = [n for n, outcomes in enumerate(found) if isinstance(outcomes, str)]
        alone = [seed for n in dead for seed in some[n]]
        again = _batches([[seed] for seed in alone], processes, LIMIT_S)
        for seed, outcomes in zip(alone, again, strict=True):
            if isinstance(outcomes, str):
                outcomes = [Outcome(seed, "", variants.drawn(seed), "crashed", outcomes)]
            yield outcomes


def _batches(
    some: Sequence[Sequence[int]], processes: int, limit_s: float
) -> list[list[Outcome] | str]:
    return apart(lambda n: batch(some[n]), len(some), processes, limit_s)


def batch(seeds: Sequence[int]) -> list[Outcome]:
    return list(ended(cases(seeds), variants.drawn(seeds[0])))


def ended(some: Sequence[Case], variant: Variant) -> Iterator[Outcome]:
    """Compiled together; where that fails, by halves."""
    together = tuple(dict.fromkeys(case.graph.seed for case in some))
    try:
        answers = answered([case.graph for case in some], variant)
    except Exception as error:
        if len(some) > 1:
            yield from ended(some[: len(some) // 2], variant)
            yield from ended(some[len(some) // 2 :], variant)
            return
        text = errors.reason(error)
        state = "refused" if text.startswith("ClientError: ") else "crashed"
        yield Outcome(some[0].graph.seed, some[0].twin, variant, state, reason(text))
        return
    for case in some:
        wrong = difference(case.graph, answers)
        state = "wrong" if wrong else "right"
        yield Outcome(case.graph.seed, case.twin, variant, state, wrong, together)


def reason(text: str) -> str:
    """Without the names, so that equal ones can be counted."""
    return VALUE.sub("'...'", cause(text))


def answered(graphs: Sequence[Graph], variant: Variant) -> Mapping[str, Array]:
    """What an artifact of them all gives."""
    feed = {n: a for graph in graphs for n, a in graph.feed.items()}
    with tempfile.TemporaryDirectory(prefix="neoc-fuzz-") as name:
        folder = Path(name)
        constants = variants.compiled(model_of(graphs), feed, variant, folder)
        with abi.Session(folder) as session:
            return session.run({n: a for n, a in feed.items() if n not in constants})


def difference(graph: Graph, answers: Mapping[str, Array]) -> str:
    """What is wrong, if anything."""
    for name in graph.outputs:
        got, expected, bound = answers[name], graph.known[name], graph.bounds[name]
        if (got.shape, got.dtype) != (expected.shape, expected.dtype):
            return f"{got.dtype}{list(got.shape)} for {expected.dtype}{list(expected.shape)}"
        if got.dtype.kind != "f":
            if count := int(np.count_nonzero(got != expected)):
                return f"{count} of {got.size} {got.dtype} differ"
        elif got.size:
            off = np.abs(got.astype("float64") - expected.astype("float64")).max()
            if not off <= bound:  # NaN is wrong
                return (
                    f"{got.dtype}{list(got.shape)} differs by {off:.3g}; the bound is {bound:.3g}"
                )
    return ""


def apart(
    work: Callable[[int], Sequence[Outcome]], count: int, processes: int, limit_s: float
) -> list[list[Outcome] | str]:
    """work(n) in a process of its own for each n; its last words where it died."""

    def told(number: int) -> list[dict[str, Any]]:
        return [asdict(outcome) for outcome in work(number)]

    with tempfile.TemporaryDirectory(prefix="neoc-fuzz-") as name:
        found = processes_apart(told, count, processes, limit_s, Path(name))
    return [rows if isinstance(rows, str) else [outcome(row) for row in rows] for rows in found]


def outcome(row: Mapping[str, Any]) -> Outcome:
    """Back from JSON."""
    variant, together = Variant(**row["variant"]), tuple(row["together"])
    return Outcome(**{**row, "variant": variant, "together": together})


def warm_up() -> None:
    """What every process needs once: children inherit it."""
    graph = draw(0)
    answered([graph], variants.USUAL)
    gc.collect()
    gc.freeze()  # or a look at garbage would copy every page to every child
