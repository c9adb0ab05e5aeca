"""benchmarks/fuzz/oracle.py: who answers, and what nobody can."""

import numpy as np
import pytest
from onnx import helper

from benchmarks.fuzz.oracle import Declined, computed

X = np.array([[1, 2, 3], [4, 5, 6]])


def test_a_constant_is_an_initialiser() -> None:
    node = helper.make_node("Add", ["x", "c"], ["y"])
    run = computed(node, {"x": X, "c": X}, {"c": X}, 21)
    np.testing.assert_array_equal(run({"x": X + 1, "c": X})[0], 2 * X + 1)


def test_the_reference_evaluator_steps_in_where_it_can_be_trusted() -> None:
    x = np.ones((1, 4, 5, 5))
    wide = helper.make_node("Conv", ["x", "w"], ["y"])
    assert computed(wide, {"x": x, "w": x}, {}, 21)({"x": x, "w": x})[0].item() == 100
    for node in (
        helper.make_node("LRN", ["x"], ["y"], size=3),
        helper.make_node("ConvTranspose", ["x", "x"], ["y"]),
    ):
        with pytest.raises(Declined):
            computed(node, {"x": x}, {}, 21)


def test_what_cannot_run_is_declined() -> None:
    with pytest.raises(Declined):
        computed(helper.make_node("NoSuch", ["x"], ["y"]), {"x": X}, {}, 21)
    shape = np.array([5])
    run = computed(helper.make_node("Reshape", ["x", "s"], ["y"]), {"x": X, "s": shape}, {}, 21)
    with pytest.raises(Declined):
        run({"x": X, "s": shape})
