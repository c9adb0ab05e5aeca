"""Means of quantised tensors: the two roundings of TFLite's fixed-point numbers."""

import numpy as np
import onnxruntime
import pytest
from onnx import parser

from frontends.tflite import means
from frontends.tflite.means import Mean

ZERO, LOW = -20, -128
MODEL = """<ir_version: 8, opset_import: ["" : 18]> g (int8[1, 40, %d] x) => (int8[1, 40, 1] y)
<float given = {%r}, float made = {%r}, int8 zero = {-20}, int8 low = {-128}, int64[1] axes = {2}> {
a = DequantizeLinear(x, given, zero)
b = ReduceMean(a, axes)
[m_quantize] y = QuantizeLinear(b, made, low)
}"""


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize(("count", "given", "made"), [(64, 0.008, 0.00126), (9, 0.02, 0.0114)])
def test_a_mean_is_rounded_twice(count: int, given: float, made: float, flat: bool) -> None:
    model = parser.parse_model(MODEL % (count, given, made))
    means.round_twice(model.graph, {"m"} if flat else ())
    x = np.random.default_rng(0).integers(-40, 10, (1, 40, count), np.int8, endpoint=True)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    [y] = session.run(None, {"x": x})
    ratio, finer = given / made, 2 ** Mean(given, made, ZERO, count).places(flat)
    off = 0 if flat else ZERO  # what the sum leaves out of each value
    exact = (x.astype("int64") - off).sum(2, keepdims=True) * (ratio / count)
    bias, rounded = (away(np.array(ZERO * ratio)), up) if flat else (np.array(0), away)
    wanted = rounded(rounded(exact * finer) / finer) - bias + LOW
    assert np.array_equal(y, np.clip(wanted, -128, 127))
    assert (rounded(exact) - bias + LOW != wanted).any()


def away(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.sign(values) * up(np.abs(values)))


def up(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.floor(values + 0.5))


@pytest.mark.parametrize(
    ("ratio", "count", "flat", "wanted"),
    [(6.35, 64, False, 3), (1.5, 9, False, 2), (8.0, 4, False, 0), (0.5, 49, False, 5),
     (6.35, 64, True, 3), (1.5, 9, True, 2), (8.0, 4, True, 0), (1.0, 15, True, 3)],
)  # fmt: skip
def test_places(ratio: float, count: int, flat: bool, wanted: int) -> None:
    """The product's multiplier is a number from 1/2 to 1 over a power of two; its count is cut
    off, unless it is divided by that before.
    """
    assert Mean(ratio, 1.0, 0, count).places(flat) == wanted
