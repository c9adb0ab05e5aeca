"""benchmarks/fuzz/judge.py: how graphs end."""

import ctypes
import time
from dataclasses import replace

import numpy as np
from onnx import helper

from benchmarks.fuzz import judge, variants
from benchmarks.fuzz.draw import draw
from benchmarks.fuzz.judge import Case, Outcome

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
