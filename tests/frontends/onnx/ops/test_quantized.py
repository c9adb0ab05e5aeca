"""Quantised operators against ONNX Runtime or, where it has no kernel, the reference evaluator."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model, ModelError

Agrees = Callable[..., Model]
S = np.float32(0.07)
Z = np.uint8(120)
ROWS = {"s": np.array([0.1, 0.2, 0.3], np.float32), "z": np.array([0, -3, 7], np.int8)}

QUANTIZE = [
    ("y = QuantizeLinear(x, s, z)", "uint8", {"s": S, "z": Z}, 13),
    ("y = QuantizeLinear(x, s)", "uint8", {"s": S}, 13),
    ("y = QuantizeLinear<axis=1>(x, s, z)", "int8", ROWS, 13),
    ("y = QuantizeLinear<axis=1>(x, s, z)", "int16",
     ROWS | {"z": np.array([0, 3, 9], np.int16)}, 21),
    ("y = QuantizeLinear<axis=2, block_size=2>(x, s)", "uint8",
     {"s": np.float32(np.arange(1, 13).reshape(2, 3, 2))}, 21),
]  # fmt: skip
DEQUANTIZE = [
    ("y = DequantizeLinear(x, s, z)", {"s": S, "z": np.uint8(7)}, 13),
    ("y = DequantizeLinear<axis=-2>(x, s)", {"s": ROWS["s"]}, 13),
    ("y = DequantizeLinear<axis=0, block_size=2>(x, s)", {"s": np.ones((1, 3, 4), np.float32)}, 21),
]


@pytest.mark.parametrize(("node", "kind", "constants", "opset"), QUANTIZE)
def test_quantize(
    agrees: Agrees, node: str, kind: str, constants: dict[str, object], opset: int
) -> None:
    feeds = {"x": np.linspace(-40, 40, 24, dtype=np.float32).reshape(2, 3, 4)}
    agrees(f"g (float[2,3,4] x) => ({kind}[] y) {{ {node} }}", opset, feeds=feeds, **constants)


@pytest.mark.parametrize(("node", "constants", "opset"), DEQUANTIZE)
def test_dequantize(agrees: Agrees, node: str, constants: dict[str, object], opset: int) -> None:
    agrees(f"g (uint8[2,3,4] x) => (float[] y) {{ {node} }}", opset, **constants)


@pytest.mark.parametrize("span", [(-1, 2), (1, 3), (-3, -2), (0, 0)])
def test_dynamic_quantisation(agrees: Agrees, span: tuple[float, float]) -> None:
    feeds = {"x": np.linspace(*span, 35, dtype=np.float32).reshape(5, 7)}
    agrees(
        "g (float[5,7] x) => (uint8[] y, float s, uint8 z) { y, s, z = DynamicQuantizeLinear(x) }",
        13,
        feeds=feeds,
    )


def test_products_of_integers(agrees: Agrees) -> None:
    inputs = "g (uint8[3,4] a, uint8[4,5] b, uint8 z)"
    agrees(f"{inputs} => (int32[] y) {{ y = MatMulInteger(a, b, z, w) }}", w=np.uint8(3))
    inputs = "g (uint8[1,3,6,5] x)"
    agrees(
        f"{inputs} => (int32[] y) {{ y = ConvInteger<pads=[1,0,1,1], strides=[2,1]>(x, w, z) }}",
        w=np.random.default_rng(0).integers(0, 255, (4, 3, 3, 2)).astype(np.uint8),
        z=np.uint8(9),
    )


def test_quantised_products_by_columns(agrees: Agrees) -> None:
    agrees(
        "g (int8[3,4] x) => (int8[] y) { y = QLinearMatMul(x, s, z, w, c, a, t, z) }",
        s=np.float32(0.1),
        t=np.float32(0.3),
        z=np.int8(2),
        w=np.random.default_rng(0).integers(-128, 127, (4, 3)).astype(np.int8),
        c=ROWS["s"],
        a=ROWS["z"],
    )


def test_products_of_quantised_numbers(agrees: Agrees) -> None:
    agrees(
        "g (uint8[3,4] x) => (uint8[] y) { y = QLinearMatMul(x, s, z, w, s, z, t, z) }",
        s=np.float32(0.1),
        t=np.float32(0.3),
        z=np.uint8(2),
        w=np.random.default_rng(0).integers(0, 255, (4, 6)).astype(np.uint8),
    )
    agrees(
        "g (uint8[2,3,5,5] x) => (uint8[] y) { y = QLinearConv(x, s, z, w, t, a, u, z, b) }",
        s=np.float32(0.1),
        t=np.array([0.1, 0.05, 0.2, 0.3], np.float32),
        u=np.float32(2.5),
        z=np.uint8(2),
        a=np.zeros(4, np.int8),
        b=np.array([5, -100, 7, 900], np.int32),
        w=np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
    )


def test_scales_that_do_not_fit_are_refused(load: Agrees) -> None:
    with pytest.raises(ModelError, match="3 scales do not fit the 4 of axis 1"):
        load("g (float[2,4] x) => (uint8[] y) { y = QuantizeLinear(x, s) }", s=np.ones(3, "f"))
