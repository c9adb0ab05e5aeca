"""benchmarks/fuzz/judge.py: how graphs end; random ones, none of which may fail."""

import ctypes
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from onnx import helper

from benchmarks.fuzz import judge, variants
from benchmarks.fuzz.draw import draw
from benchmarks.fuzz.judge import Case, Outcome
from targets import host

GRAPHS = 200
REFUSED = 0.02  # of all, at most
FAST = replace(variants.USUAL, optimised=False)


def test_a_batch_tells_its_graphs_apart() -> None:
    right, wrong, refused = (draw(seed, f"g{seed}_") for seed in (1, 2, 3))
    name = wrong.outputs[0]
    known = {**wrong.known, name: ~wrong.known[name]} if wrong.known[name].dtype == bool else {
        **wrong.known, name: wrong.known[name] + np.asarray(1, wrong.known[name].dtype)
    }  # fmt: skip
    nodes = (*refused.nodes, helper.make_node("NoSuch", [refused.inputs[0]], ["none"]))
    some = [Case(right), Case(replace(wrong, known=known)), Case(replace(refused, nodes=nodes))]
    found = {o.seed: o for o in judge.ended(some, FAST)}
    assert [found[seed].state for seed in (1, 2, 3)] == ["right", "wrong", "refused"]
    assert "differ" in found[2].reason and "NoSuch" in found[3].reason


def test_what_dies_or_hangs_harms_nothing_else() -> None:
    def work(number: int) -> list[Outcome]:
        if number == 1:
            ctypes.string_at(0)
        if number == 2:
            time.sleep(60)
        return [Outcome(number, "", variants.USUAL, "right")]

    found = judge.apart(work, 3, 2, 2.0)
    assert found[0] == [Outcome(0, "", variants.USUAL, "right")]
    assert found[1:] == ["Fatal Python error: Segmentation fault", "Timeout (0:00:02)!"]


@pytest.mark.slow
def test_random_graphs_give_what_onnx_runtime_gives() -> None:
    outcomes = [o for some in judge.judge(range(GRAPHS), host.cores()) for o in some]
    bad = [o for o in outcomes if o.state in ("wrong", "crashed")]
    assert not bad, bad
    counts = Counter(o.state for o in outcomes)
    assert len({o.seed for o in outcomes}) == GRAPHS
    assert counts["refused"] <= REFUSED * counts.total()
