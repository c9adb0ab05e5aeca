"""16-bit activations: the sums of convolutions are scaled as TFLite scales them."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, numpy_helper, parser

from frontends.tflite import wide

MODEL = """<ir_version: 8, opset_import: ["" : 18]>
g (int16[1, 6, 6, 8] x) => (int16[1, 4, 6, 6] y)
<float given = {3.1e-5}, float made = {%r}, int16 zero = {0}, int64 none = {0}> {
a = DequantizeLinear(x, given, zero)
b = Transpose<perm = [0, 3, 1, 2]>(a)
v = DequantizeLinear<axis = %d>(w, scales, zeros)
c = DequantizeLinear<axis = 0>(bias, sums, none)
%s
e = Clip(d)
y = QuantizeLinear(e, made, zero)
}"""
RANDOM = np.random.default_rng(0)
SCALES = RANDOM.uniform(0.001, 0.01, 4).astype("float32")
WEIGHTS = RANDOM.integers(-127, 128, (4, 8, 1, 1), "int8")
BIASES = RANDOM.integers(-(10**6), 10**6, 4)

PRODUCTS = {"Conv": 0, "ConvTranspose": 1}  # the axis of the weights that the channels are on


def model(made: float, product: str, axis: int = 0) -> ModelProto:
    proto = parser.parse_model(MODEL % (made, axis, product))
    arrays = {
        "w": WEIGHTS.swapaxes(0, axis),
        "scales": SCALES,
        "zeros": np.zeros(4, "int8"),
        "bias": BIASES,
        "sums": SCALES * np.float32(3.1e-5),
    }
    proto.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in arrays.items())
    return proto


@pytest.mark.parametrize("kind", PRODUCTS)
@pytest.mark.parametrize("made", [3.3e-5, 5.1e-5])
def test_a_sum_is_scaled_by_fifteen_bits(made: float, kind: str) -> None:
    proto = wide.standard(model(made, f"d = {kind}(b, v, c)", PRODUCTS[kind]))
    onnx.checker.check_model(proto, full_check=True)
    x = RANDOM.integers(-32768, 32768, (1, 6, 6, 8), "int16")
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    [y] = session.run(None, {"x": x})
    sums = np.einsum("nhwc,oc->nohw", x.astype("int64"), WEIGHTS[:, :, 0, 0].astype("int64"))
    sums += BIASES[:, None, None]
    ratio = np.float64(np.float32(3.1e-5)) * SCALES.astype("float64") / np.float32(made)
    mantissa, exponent = np.frexp(ratio)
    short = np.rint(mantissa * 2**15).astype("int64")  # no half is among them
    shift = (15 - exponent).reshape(-1, 1, 1)
    wanted = (sums * short.reshape(-1, 1, 1) + (1 << (shift - 1))) >> shift
    off, exact = (
        y - np.clip(values, -32768, 32767)
        for values in (wanted, np.rint(sums * ratio.reshape(-1, 1, 1)))
    )
    assert np.abs(off).max() <= 1 and np.mean(off != 0) < 0.01
    assert np.mean(exact != 0) > 0.02


def test_a_factor_stays_below_a_whole_number() -> None:
    assert wide.factor(0.5) == 0.5 and wide.factor(3.0) == 3.0
    assert wide.factor(1 - 2**-20) == 1 - 2**-15 and wide.factor(1 - 2**-33) == 1


def test_other_products_keep_their_scales() -> None:
    proto = model(7.7e-4, "m = MatMul(b, w2) d = Add(m, c)")
    proto.graph.initializer.append(numpy_helper.from_array(np.ones((6, 6), "float32"), "w2"))
    made = wide.standard(proto)
    [bias] = [tensor for tensor in made.graph.initializer if tensor.name == "c"]
    exact = BIASES * (SCALES * np.float32(3.1e-5)).astype("float64")
    assert np.array_equal(numpy_helper.to_array(bias), exact.astype("float32"))


def test_what_has_eight_bits_stays() -> None:
    text = (MODEL % (7.7e-4, 0, "d = Conv(b, v, c)")).replace("int16", "int8")
    proto = parser.parse_model(text)
    assert wide.standard(proto) is proto and proto.opset_import[0].version == 18
