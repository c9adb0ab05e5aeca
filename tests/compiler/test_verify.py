"""compiler/verify.py: a library that is wrong in any way does not pass, and the text says where."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
import tvm

from compiler import abi, verify
from compiler.errors import ServerError
from frontends.model import Model, Reference, Signature, Tensor

# What tests/compiler/native/affine.plan.c computes, if FACTOR is 2 and DOWN is none.
AFFINE = """
<ir_version: 8, opset_import: ["": 17]>
net (float[2, 3] x, int32[4] y) => (float[2, 3] scaled, int32 total)
<float two = {FACTOR}, float[2, 3] bias = {0, 1, 2, 3, 4, 5}, int64[1] axis = {0}, int32 d = {DOWN}>
{
    double = Mul(x, two)
    scaled = Add(double, bias)
    sum = ReduceSum <keepdims = 0> (y, axis)
    total = Sub(sum, d)
}
"""
SIGNATURE = Signature(
    (Tensor("x", (2, 3), "float32"), Tensor("y", (4,), "int32")),
    (Tensor("scaled", (2, 3), "float32"), Tensor("total", (), "int32")),
)
FLOATS = np.array([1, -4, 0.5], np.float32)


def model(folder: Path, *, factor: float = 2, down: int = 0, text: str = AFFINE) -> Model:
    path = folder / "net.onnx"
    written = text.replace("{FACTOR}", f"{{{factor}}}").replace("{DOWN}", f"{{{down}}}")
    onnx.save(onnx.parser.parse_model(written), path)
    return Model(tvm.IRModule(), SIGNATURE, path, None, "opset 17")


def check(folder: Path, of: Model) -> dict[str, Any]:
    return verify.check(folder, of.signature, verify.ask(of))


# ---- a real library ----


def test_a_right_library_passes(affine: Path, tmp_path: Path) -> None:
    parity = check(affine, model(tmp_path))
    assert parity["oracle"].startswith("onnxruntime ")
    assert parity["runs"] == verify.RUNS and parity["bound"] == 1e-3
    assert parity["relative"] < 1e-6
    assert list(parity["outputs"]) == ["scaled", "total"]


def test_a_wrong_one_is_told_by_its_first_wrong_output(affine: Path, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"output 'scaled' differs .* bound is 0\.001"):
        check(affine, model(tmp_path, factor=2.01, down=1))
    with pytest.raises(ServerError, match="1 of 1 values of output 'total' differ"):
        check(affine, model(tmp_path, down=1))


def test_a_small_error_is_within_the_bound(affine: Path, tmp_path: Path) -> None:
    parity = check(affine, model(tmp_path, factor=2.0001))
    assert 1e-6 < parity["outputs"]["scaled"]["relative"] < 1e-3


def test_a_library_that_crashes_is_told(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"Cannot load .*libdlr\.so"):
        check(tmp_path, model(tmp_path))


CHOSEN = """
<ir_version: 8, opset_import: ["": 17]>
net (float[4] x, float[1] low) => (float[n] y) { c = Greater(x, low) y = Compress<axis = 0>(x, c) }
"""


def test_what_is_chosen_is_compared_and_constants_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for an artifact: it pads, and knows `low`."""
    outputs = (Tensor("y", (4,), "float32"), Tensor("y:shape", (1,), "int64"))
    low = {"low": np.array([0.3], np.float32)}
    signature = Signature((Tensor("x", (4,), "float32"),), outputs)
    of = replace(model(tmp_path, text=CHOSEN), signature=signature, constants=low)

    def run(
        folder: Path, feeds: Sequence[Mapping[str, abi.Array]], limit_s: float
    ) -> list[Mapping[str, Any]]:
        given = [f["x"].astype("float32") for f in feeds]
        chosen = [x[x > low["low"]] for x in given]
        return [{"y": np.pad(c, (0, 4 - c.size)), "y:shape": np.array([c.size])} for c in chosen]

    monkeypatch.setattr(abi, "run_apart", run)
    assert list(check(tmp_path, of)["outputs"]) == ["y"]


def test_every_run_has_other_inputs(
    affine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    run_apart = abi.run_apart

    def watch(folder: Path, feeds: Sequence[Mapping[str, abi.Array]], limit_s: float) -> Any:
        seen.extend(inputs["x"].tobytes() + inputs["y"].tobytes() for inputs in feeds)
        return run_apart(folder, feeds, limit_s)

    monkeypatch.setattr(abi, "run_apart", watch)
    check(affine, model(tmp_path))
    once = list(seen)
    check(affine, model(tmp_path))
    assert len(set(once)) == verify.RUNS
    assert seen == 2 * once


def test_an_output_that_no_input_moves_is_warned_of(affine: Path, tmp_path: Path) -> None:
    """All zeros, as a ReLU's may be, or no numbers: what is equal then proves nothing."""
    assert verify.warnings(check(affine, model(tmp_path))) == []
    nothing, zeros = np.full(3, np.nan, np.float32), np.zeros(3, np.float32)
    runs = [({"a": a, "b": b}, {"a": a, "b": b}) for a, b in ((nothing, zeros), (nothing, FLOATS))]
    [warning] = verify.warnings(verify.report("", ["a", "b"], runs))
    assert "output 'a' is the same for all 2 random inputs" in warning


def test_a_framework_that_does_not_end_is_not_waited_for(
    affine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "LIMIT_S", 0.001)
    with pytest.raises(ServerError, match="the framework itself did not end 3 runs"):
        verify.check(affine, model(tmp_path).signature, Future())


# ---- values ----


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_fails_where_one_belongs(bad: float) -> None:
    got = FLOATS.copy()
    got[1] = bad
    with pytest.raises(ServerError, match="output 'out' differs"):
        verify.compare("out", got, FLOATS)
    with pytest.raises(ServerError, match="output 'out' differs"):
        verify.compare("out", FLOATS, got)


def test_what_is_no_number_passes_where_the_framework_has_the_same() -> None:
    odd = np.array([np.nan, np.inf, -np.inf, 2], np.float32)
    assert verify.compare("out", odd, odd) == {"max_abs": 0, "relative": 0}
    with pytest.raises(ServerError):
        verify.compare("out", odd[[0, 2, 1, 3]], odd)
    nothing_else = np.full(3, np.nan, np.float32)
    assert verify.compare("out", nothing_else, nothing_else)["relative"] == 0


def test_errors_are_relative_to_the_outputs_scale() -> None:
    got = FLOATS + np.array([0.002, 0, 0], np.float32)
    error = verify.compare("out", got, FLOATS)
    assert error["max_abs"] == pytest.approx(2e-3, rel=1e-3)
    assert error["relative"] == pytest.approx(5e-4, rel=1e-3)


def test_an_output_of_zeros_has_no_scale() -> None:
    zeros = np.zeros(3, np.float32)
    assert verify.compare("out", zeros + np.float32(1e-7), zeros)["relative"] < 1e-3
    with pytest.raises(ServerError):
        verify.compare("out", zeros + np.float32(0.1), zeros)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "bool"])
def test_integers_must_be_equal(dtype: str) -> None:
    expected = np.array([0, 1, 1], dtype)
    assert verify.compare("out", expected.copy(), expected)["relative"] == 0
    with pytest.raises(ServerError, match="2 of 3 values of output 'out' differ"):
        verify.compare("out", np.array([1, 0, 1], dtype), expected)


def test_integers_may_differ_where_close_inputs_change_as_many() -> None:
    """Positions of a largest value, of which two are as good as equal."""
    expected = np.arange(9)
    got, other = expected.copy(), expected.copy()
    got[[2, 3]] = 8
    other[[5, 6]] = 0
    assert verify.compare("out", got, expected, near=lambda: [expected, other])["relative"] == 0
    got[4] = 7
    text = r"3 of 9 .* first at \[2\]: 8, the framework's 2\. .* change 2 of its own"
    with pytest.raises(ServerError, match=text):
        verify.compare("out", got, expected, near=lambda: [expected, other])


def test_what_is_small_beside_the_rest_has_its_own_scale() -> None:
    """Boxes of pixels beside probabilities; the framework's own change by close inputs counts."""
    expected = np.random.default_rng(0).random((1, 6, 50)).astype("float32")
    expected[:, :4] *= 640
    expected[:, 4:] *= 0.01
    got, moved = expected.copy(), expected * np.float32(1 + 1e-5)
    got[0, :4] += 0.003
    got[0, 4:] += 1e-6
    assert verify.compare("out", got, expected, near=lambda: [moved])["max_abs"] < 0.01
    got[0, 5, 7] += 0.004
    assert verify.compare("out", got, expected)["relative"] < 1e-3
    with pytest.raises(ServerError, match=r"by 0\.004 at index 5 of axis 1, .* is 0\.00"):
        verify.compare("out", got, expected, near=lambda: [moved])
    moved[0, 5, 7] += 0.002
    assert verify.compare("out", got, expected, near=lambda: [moved])["relative"] < 1e-3


def test_close_inputs_are_asked_for_only_where_it_matters(affine: Path, tmp_path: Path) -> None:
    of = model(tmp_path)
    answers = verify.ask(of).result()
    again: Future[verify.Answers] = Future()
    again.set_result(replace(answers, again=lambda _: pytest.fail("asked")))
    assert verify.check(affine, of.signature, again)["relative"] < 1e-6


@pytest.mark.parametrize("got", [FLOATS[None], FLOATS.astype("float64")])
def test_shape_and_type_must_be_the_frameworks(got: Any) -> None:
    with pytest.raises(ServerError, match=r"the framework's float32\[3\]"):
        verify.compare("out", got, FLOATS)


def test_an_empty_output_is_compared_by_its_shape() -> None:
    empty = np.zeros((0, 3), np.float32)
    assert verify.compare("out", empty, empty)["relative"] == 0


# ---- inputs and the oracle ----


def test_samples_fit_their_types() -> None:
    for dtype in ("float16", "float32", "float64", "int8", "uint8", "int32", "int64", "bool"):
        array = verify.sample(Tensor("x", (50,), dtype), 0, 256)
        assert array.dtype == dtype and array.shape == (50,)
        assert len(np.unique(array)) > 1
    assert verify.sample(Tensor("x", (50,), "int64"), 0, 2).max() == 1
    assert verify.sample(Tensor("x", (), "int64"), 0, 2).shape == ()


def test_examples_take_the_place_of_random_numbers() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    drawn = verify.sample(Tensor("x", (50, 3), "float32"), 0, 256, {"x": rows})
    assert drawn.shape == (50, 3) and {tuple(r) for r in drawn} == {tuple(r) for r in rows}
    assert len(verify.sample(Tensor("x", (-1, 3), "float32"), 0, 256, {"x": rows})) == 1


def test_small_integers_are_tried_where_large_ones_are_out_of_range(tmp_path: Path) -> None:
    """An embedding of 3 rows: 256 positions of it do not exist."""
    text = """<ir_version: 8, opset_import: ["": 17]>
    net (int64[8] x) => (float[8] scaled) <float[3] table = {1, 2, 3}>
    { scaled = Gather(table, x) }"""
    small = model(tmp_path, text=text)
    signature = Signature((Tensor("x", (8,), "int64"),), (Tensor("scaled", (8,), "float32"),))
    one = Model(small.module, signature, small.oracle, None, "opset 17")
    runs = verify._answers(one).runs
    assert len(runs) == verify.RUNS
    for inputs, expected in runs:
        assert inputs["x"].max() < 2
        assert set(expected["scaled"]) <= {1.0, 2.0}


def test_the_models_own_framework_judges_where_there_is_one(tmp_path: Path) -> None:
    def answers(runs: Sequence[Mapping[str, np.ndarray]]) -> list[list[np.ndarray]]:
        return [[run["x"] + 1, run["y"][0]] for run in runs]

    one = replace(model(tmp_path), reference=Reference("own 1.0", answers))
    asked = verify._answers(one)
    assert asked.oracle == "own 1.0"
    for inputs, expected in asked.runs:
        np.testing.assert_array_equal(expected["scaled"], inputs["x"] + 1)


def test_the_standards_evaluator_stands_in_for_onnx_runtime(tmp_path: Path) -> None:
    """Which has Erf of single precision only."""
    text = """<ir_version: 8, opset_import: ["": 17]>
    net (double[2] x) => (double[2] y) { y = Erf(x) }"""
    oracle = verify._oracle(model(tmp_path, text=text))
    [[got]] = oracle.answers([{"x": np.array([0.0, 1.0])}])
    assert oracle.name.startswith("onnx reference ")
    np.testing.assert_allclose(got, [0, math.erf(1)])
