"""What a graph computes of a size that only the data decide keeps its meaning."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model, ModelError

Load = Callable[..., Model]
TEXT = "g (float[8,6] z, bool[8] m) => ({}) {{ c = Compress<axis=0>(z, m) s = Shape(c) {} }}"
CONSTANTS: dict[str, object] = {
    "zero": 0,
    "first": [0],
    "one": 1,
    "two": [2],
    "three": [3],
    "five": [5],
    "minus": [-1, -1],
    "row": (6,),
    "half": (8, 6),
}
NODES = [
    "n = Gather(s, first) t = Concat<axis=0>(n, two, three) y = Reshape(c, t)",
    "n = Gather(s, zero) u = Unsqueeze(n, first) t = Concat<axis=0>(u, two) d = Unsqueeze(k, first)"
    " y = Expand(d, t)",
    "d = Abs(c) t = Shape(d) y = Reshape(c, t)",
    "y = Expand(row, s)",
    "e = Equal(s, minus) o = ConstantOfShape(two) w = Where(e, s, s) y = Expand(row, w)",
    "y = ConstantOfShape(s)",
    "n = Gather(s, zero) r = Range(zero, n, one) y = Cast<to=1>(r)",
    "n = Gather(s, zero) d = Mul(n, one) f = Cast<to=1>(d) y = Mul(c, f)",
    "n = Gather(s, first) d = Min(n, five) y, i = TopK<axis=0>(c, d)",
    "n = Gather(s, first) y = Slice(half, first, n, first)",
    "n = Gather(s, first) y = Slice(c, first, n, first)",
    "n = Gather(s, first) d = Mul(n, two) t = Concat<axis=0>(d, three) y = Reshape(c, t)",
    "n = Shape<end=1>(c) d = Add(n, three) x = Div(d, two) y = ConstantOfShape(x)",
    "n = Size(c) y = Cast<to=1>(n)",
]


@pytest.mark.parametrize("nodes", NODES)
def test_a_shape_that_is_put_together(agrees: Load, nodes: str) -> None:
    feeds = {"m": np.array([1, 0, 1, 1, 0, 0, 1, 0], bool)}
    agrees(TEXT.format("float[] y", nodes), feeds=feeds, k=(1, 2), **CONSTANTS)


def test_what_else_reads_the_same_value_still_sees_all_of_it(agrees: Load) -> None:
    """A slice to a length that is as long at most, and an expansion to what it is already."""
    nodes = "n = Gather(s, first) y = Slice(z, first, n, first) x = Neg(z)"
    feeds = {"m": np.arange(8) < 3}
    agrees(TEXT.format("float[] y, float[] x", nodes), feeds=feeds, **CONSTANTS)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ("y = Reshape(z, s)", r"\[8, 6\] cannot become \[8, 6\]"),
        ("y = Expand(half, s)", "a fixed size along axis 0"),
        ("n = Gather(s, zero) y = Range(one, n, one)", "count from 0 by 1"),
        ("n = Gather(s, first) d = Sub(five, n) y = ConstantOfShape(d)", "the shape must be a"),
    ],
)
def test_what_cannot_be_told_is_refused(load: Load, nodes: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        load(TEXT.format("float[] y", nodes), **CONSTANTS)
