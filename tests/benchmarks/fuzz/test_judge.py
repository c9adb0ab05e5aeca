"""benchmarks/fuzz/judge.py: how graphs end; random ones, none of which may fail."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from onnx import helper

from benchmarks.fuzz import judge, variants
from benchmarks.fuzz.draw import draw
from benchmarks.fuzz.judge import Case
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


@pytest.mark.slow
def test_random_graphs_give_what_onnx_runtime_gives() -> None:
    outcomes = [o for some in judge.judge(range(GRAPHS), host.cores()) for o in some]
    bad = [o for o in outcomes if o.state in ("wrong", "crashed")]
    assert not bad, bad
    counts = Counter(o.state for o in outcomes)
    assert len({o.seed for o in outcomes}) == GRAPHS
    assert counts["refused"] <= REFUSED * counts.total()
