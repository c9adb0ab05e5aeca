"""compiler/passes/scattered.py: where the channels of slices and concatenations lie."""

import numpy as np
from tvm import relax

from compiler.passes.scattered import Scattered, beside


def packed(name: str, panels: int) -> relax.Var:
    return relax.Var(name, relax.TensorType((1, panels, 2, 2, 8), "float32"))


A, B, C = packed("a", 1), packed("b", 2), packed("c", 1)
ORDER = {A: None, B: None, C: None}


def test_channels_behind_each_other() -> None:
    both = beside([Scattered.of(B, 10), Scattered.of(A, 3)], ORDER)
    assert both.tensors == (A, B)
    assert both.channels[9:11] == ((1, 9), (0, 0))
    np.testing.assert_array_equal(both.places(), [*range(8, 18), 0, 1, 2])


def test_tensors_behind_the_last_channel_are_not_read() -> None:
    whole = beside([Scattered.of(A, 8), Scattered.of(B, 10), Scattered.of(C, 4)], ORDER)
    some = whole.chosen([17, 0])
    assert some.tensors == (A, B, C)
    assert some.read == (A, B)
    np.testing.assert_array_equal(some.places(), [17, 0])
    assert whole.chosen([21]).read == (A, B, C)
