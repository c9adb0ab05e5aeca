"""Sequences and optional values, which are gone once the model is imported."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model, ModelError

Agrees = Callable[..., Model]

CASES = [
    "s = SequenceConstruct(x, z) y = ConcatFromSequence<axis=-1>(s)",
    "s = SequenceConstruct(x, z) y = ConcatFromSequence<axis=1, new_axis=1>(s)",
    "e = SequenceEmpty() s = SequenceInsert(e, x) t = SequenceInsert(s, z, b) y = SequenceAt(t, a)",
    "s = SplitToSequence<axis=1>(x, b) t = SequenceErase(s, b) y = ConcatFromSequence<axis=1>(t)",
    "s = SplitToSequence<axis=1, keepdims=0>(x) y = SequenceAt(s, a)",
    "s = SplitToSequence<axis=1>(x) n = SequenceLength(s) f = Cast<to=1>(n) y = Mul(x, f)",
    "o = Optional(x) y = OptionalGetElement(o)",
    "o = Optional(x) h = OptionalHasElement(o) f = Cast<to=1>(h) y = Add(x, f)",
    "s = SplitToSequence<axis=0>(x) "
    "t = SequenceMap(s, z) <body = f (float[1,4] p, float[2,4] q) => (float[2,4] r) "
    "{ r = Add(p, q) }> y = ConcatFromSequence<axis=0>(t)",
]


@pytest.mark.parametrize("nodes", CASES)
def test_sequences(agrees: Agrees, nodes: str) -> None:
    agrees(
        f"g (float[2,4] x, float[2,4] z) => (float[] y) {{ {nodes} }}",
        18,
        a=np.int64(-1),
        b=np.int64(1),
    )


def test_a_sequence_is_an_input_for_each_of_its_tensors(load: Agrees) -> None:
    text = "g (seq(float[]) s) => (seq(float[]) t) { t = SequenceInsert(s, w) }"
    model = load(text, config={"s.0": (2,), "s.1": (3,)}, w=(4,))
    assert [t.name for t in model.signature.inputs] == ["s.0", "s.1"]
    assert [(t.name, t.shape) for t in model.signature.outputs] == [
        ("t.0", (2,)), ("t.1", (3,)), ("t.2", (4,)),
    ]  # fmt: skip


def test_a_sequence_of_unknown_length_is_refused(load: Agrees) -> None:
    with pytest.raises(ModelError, match="is a sequence; give DataInputConfig a shape for each"):
        load("g (seq(float[2]) s) => (float[] y) { y = ConcatFromSequence<axis=0>(s) }")


def test_a_position_outside_is_refused(load: Agrees) -> None:
    with pytest.raises(ModelError, match="position 3 is outside a sequence of 1"):
        load(
            "g (float[2] x) => (float[] y) { s = SequenceConstruct(x) y = SequenceAt(s, a) }",
            a=np.int64(3),
        )
