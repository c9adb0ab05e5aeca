"""benchmarks/onnx_backend.py: the standard's interface, and what it makes a constant."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, parser

from benchmarks.onnx_backend import NeocBackend, choices, imported
from frontends.model import ModelError

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def model(text: str) -> onnx.ModelProto:
    return parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')


RESHAPE = model("g (float[a, b] x, int64[2] to) => (float[c, d] y) { y = Reshape(x, to) }")


def test_a_model_runs_on_inputs_in_order_or_by_name() -> None:
    prepared = NeocBackend.prepare(model("g (float[a] x, float[a] y) => (z) { z = Sub(x, y) }"))
    for size in (2, 5):  # another shape, another artifact
        x, y = np.ones(size, np.float32), np.arange(size, dtype=np.float32)
        for inputs in ([x, y], {"y": y, "x": x}):
            (z,) = prepared.run(inputs)
            np.testing.assert_array_equal(z, x - y)
    assert not prepared.folded


def test_what_decides_a_shape_is_a_constant_and_nothing_else() -> None:
    prepared = NeocBackend.prepare(RESHAPE)
    for to in ([3, 2], [1, 6]):
        (y,) = prepared.run([X, np.array(to)])
        np.testing.assert_array_equal(y, X.reshape(to))
    assert not prepared.folded


def test_an_input_without_elements_is_a_constant(tmp_path: Path) -> None:
    add = model("g (float[a] x, float[a] y) => (z) { z = Add(x, y) }")
    feed = {"x": np.zeros(0, np.float32), "y": np.zeros(0, np.float32)}
    _, constants = imported(add, feed, tmp_path)
    assert list(constants) == ["x", "y"]
    prepared = NeocBackend.prepare(add)
    (z,) = prepared.run(feed)
    assert z.shape == (0,) and prepared.folded


def test_few_constants_are_tried_first_and_the_later_inputs_before_the_first() -> None:
    feed = {"x": X, "none": X[:0], "k": X}
    assert list(choices(feed)) == [
        ("none",), ("none", "k"), ("none", "x"), ("none", "k", "x"),
    ]  # fmt: skip


def test_a_refusal_makes_nothing_constant() -> None:
    with pytest.raises(ModelError, match="NoSuch"):
        NeocBackend.run_model(model("g (float[2] x) => (y) { y = NoSuch(x) }"), [X[0, :2]])


def test_a_node_alone() -> None:
    node = helper.make_node("Concat", ["a", "b"], ["c"], axis=0)
    (c,) = NeocBackend.run_node(node, [X, X], opset_version=13)
    np.testing.assert_array_equal(c, np.concatenate([X, X]))


def test_it_is_for_cpus() -> None:
    assert NeocBackend.supports_device("CPU") and not NeocBackend.supports_device("CUDA")


def test_sequences_go_in_and_come_out_as_lists() -> None:
    text = "g (seq(float[]) s, float[2,3] x) => (seq(float[]) t) { t = SequenceInsert(s, x) }"
    (made,) = NeocBackend.prepare(model(text)).run([[X, X + 1], X])
    assert [np.array_equal(a, b) for a, b in zip(made, [X, X + 1, X], strict=True)] == [True] * 3


def test_a_sequence_without_tensors_is_a_constant() -> None:
    text = "g (seq(float[]) s, float[2,3] x) => (seq(float[]) t) { t = SequenceInsert(s, x) }"
    (made,) = NeocBackend.prepare(model(text)).run([[], X])
    assert len(made) == 1 and np.array_equal(made[0], X)


def test_nothing_is_no_tensor() -> None:
    with pytest.raises(ModelError, match="'x' is a tensor, and none is given"):
        NeocBackend.prepare(model("g (float[2] x) => (y) { y = Neg(x) }")).run([None])
