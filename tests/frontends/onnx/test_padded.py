"""What becomes of a size that only the data decide in every operator that may take one."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model, ModelError

Load = Callable[..., Model]
TEXT = "g (float[8,6] z, bool[8] m) => ({}) {{ c = Compress<axis=0>(z, m) {} }}"
CONSTANTS: dict[str, object] = {
    "zero": [0],
    "one": [1],
    "two": [2],
    "three": [3],
    "end": [2**60],
    "scalar": np.float32(0.1),
    "row": np.arange(6, dtype=np.float32),
    "weight": (6, 7),
    "pairs": [-1, 2, 3],
    "rest": [-1],
    "triples": [-1, 3],
    "last": [2, 3, -1],
    "ends": [0, -1],
    "grid": [[0, -1], [2, 3]],
}
REDUCTIONS = "Mean Max Min Prod L1 L2 LogSumExp SumSquare".split()
NODES = [
    "y = Relu(c)",
    "d = Add(c, row) y = Mul(d, c)",
    "d = Less(c, scalar) y = Where(d, c, scalar)",
    "y = Transpose(c)",
    "d = Unsqueeze(c, zero) y = Squeeze(d, zero)",
    "y = Reshape(c, pairs)",
    "y = Reshape(c, rest)",
    "y = Reshape(c, triples)",
    "d = Transpose(c) y = Reshape(d, last)",
    "y = Flatten(c)",
    "y = Gather<axis=0>(c, ends)",
    "y = Gather<axis=1>(c, grid)",
    "d = NonZero(m) e = Squeeze(d, zero) y = Gather(z, e)",
    "d = NonZero(m) e = Transpose(d) y = GatherND(z, e)",
    "y = GatherND(c, grid)",
    "d = NonZero(m) e = Transpose(d) f = Neg(c) y = ScatterND(z, e, f)",
    "d = NonZero(z) e = Transpose(d) f = GatherND(z, e) h = Neg(f) y = ScatterND(z, e, h)",
    "d = Cast<to=7>(c) e = Clip(d, minus, two_) f = Neg(c) "
    'y = ScatterElements<axis=1, reduction="add">(z, e, f)',
    "d = Cast<to=7>(c) e = Clip(d, zero_, five) y = GatherElements<axis=1>(z, e)",
    "d = Abs(c) y = Concat<axis=1>(c, d)",
    "d = Abs(c) y = Concat<axis=0>(c, z, d)",
    "d = Compress<axis=0>(z, m) y = Add(c, d)",
    "y = Slice(c, zero, three, zero)",
    "y = Slice(c, one, end, zero, two)",
    "y, u = Split<axis=1>(c)",
    "y = ReduceSum(c, zero)",
    "y = ReduceSum<keepdims=0>(c)",
    *(f"y = Reduce{name}<axes=[0]>(c)" for name in REDUCTIONS),
    "y = ReduceMax<axes=[1], keepdims=0>(c)",
    "d = ArgMax<axis=0>(c) y = Cast<to=1>(d)",
    "d = ArgMin<axis=1>(c) y = Cast<to=1>(d)",
    "y, i = TopK<axis=0>(c, two)",
    "y, i = TopK<axis=1, largest=0>(c, two)",
    "y = Softmax<axis=0>(c)",
    "y = Softmax<axis=1>(c)",
    "y = LayerNormalization(c, row)",
    "y = MatMul(c, weight)",
    "d = Transpose(c) y = MatMul(d, c)",
    "d = Transpose(c) y = MatMul(c, d)",
    "y = Gemm(c, weight)",
    "y = CumSum(c, zero_)",
    "d = NonZero(c) y = Cast<to=1>(d)",
    "d = Greater(c, scalar) e = Cast<to=1>(d) f = ReduceMax<axes=[1], keepdims=0>(e) "
    "h = Cast<to=9>(f) y = Compress<axis=0>(c, h)",
    "d = Cast<to=7>(c) e = OneHot(d, three, both) y = Cast<to=1>(e)",
]


@pytest.mark.parametrize(
    "nodes", [NODES[n : n + 8] for n in range(0, len(NODES), 8)], ids=lambda nodes: nodes[0]
)
def test_the_padding_is_not_seen(agrees: Load, nodes: list[str]) -> None:
    """Several at once: names are made different."""
    made, names = [], set[str]()
    shared = {"c", "z", "m", *CONSTANTS, "zero_", "five", "both"}
    for number, text in enumerate(nodes):
        words = text.replace("(", "( ").replace(")", " )").replace(",", " ,").split()
        known = {w for w in words if w.isalpha() and len(w) == 1} - shared
        renamed = [f"{w}{number}" if w in known else w for w in words]
        names |= {f"{w}{number}" for w in known & {"y"}}
        made.append(" ".join(renamed))
    outputs = ", ".join(f"float[] {name}" for name in sorted(names))
    feeds = {"m": np.array([1, 0, 1, 1, 0, 0, 1, 0], bool)}
    scalars = {
        "zero_": np.array(0),
        "five": np.array(5),
        "minus": np.array(-3),
        "two_": np.array(2),
        "both": np.array([0, 1], np.float32),
    }
    agrees(TEXT.format(outputs, " ".join(made)), feeds=feeds, **CONSTANTS, **scalars)


@pytest.mark.parametrize("chosen", [0, 1, 8])
def test_nothing_and_everything_may_be_chosen(agrees: Load, chosen: int) -> None:
    feeds = {"m": np.arange(8) < chosen}
    nodes = "d = Concat<axis=0>(c, z) y = Mul(d, d) s = ReduceSum<keepdims=0>(c)"
    agrees(TEXT.format("float[] y, float s", nodes), feeds=feeds)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ("y = Det(c)", "its input 'c' has a size that only the data decide, which Det cannot take"),
        ("d = NonZero(z) e = Cast<to=1>(d) y = MatMul(e, e)", "a fixed size along the axis"),
        ("y = Add(c, other)", "a fixed size along axis 0"),
        ("d = Transpose(c) y = Reshape(d, mixed)", r"\[6, 8\] cannot become \[2, 24\]"),
        ("y = Slice(c, ends_, end, zero)", "slices axis 0 from the end"),
        ("y = Squeeze(c)", "name the axes"),
        ("y, i = Unique(c)", "which Unique cannot take"),
        (
            "t = ReduceMax<keepdims=0>(z) b = Cast<to=9>(t) y = If (b) <then_branch = t () => "
            "(float[] u) { u = Exp(c) }, else_branch = e () => (float[] v) { v = Neg(c) }>",
            "its graphs read a value of a size",
        ),
    ],
)
def test_what_cannot_be_told_apart_is_refused(load: Load, nodes: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        load(TEXT.format("float[] y", nodes), **CONSTANTS, other=(8, 6), mixed=[2, 24], ends_=[-2])
