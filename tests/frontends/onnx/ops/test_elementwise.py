"""Arithmetic, comparison, logic and casts: broadcasting and dtypes as ONNX has them."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model, ModelError

Agrees = Callable[..., Model]

UNARY = "Abs Atan Ceil Cos Erf Exp Floor Neg Round Sign Sin Sinh Sqrt Tan Tanh Reciprocal".split()
BINARY = "Add Sub Mul Div".split()
COMPARE = "Equal Greater GreaterOrEqual Less LessOrEqual".split()


@pytest.mark.parametrize("op", UNARY)
def test_unary(agrees: Agrees, op: str) -> None:
    agrees(f"g (float[3,5] x) => (float[3,5] y) {{ a = Abs(x) b = {op}(a) y = Add(b, a) }}")


@pytest.mark.parametrize("dtype", ["float", "int32", "int64"])
@pytest.mark.parametrize("op", BINARY)
def test_binary_broadcasts_both_ways(agrees: Agrees, op: str, dtype: str) -> None:
    one = np.array(1, {"float": "float32"}.get(dtype, dtype))
    agrees(
        f"g ({dtype}[3,1,5] x, {dtype}[4,1] z) => ({dtype}[3,4,5] y)"
        f" {{ w = Add(z, one) y = {op}(x, w) }}",
        one=one,
    )


def test_integer_division_truncates(agrees: Agrees) -> None:
    feeds = {"x": np.array([-7, 7, -8, 9], np.int32)}
    agrees(
        "g (int32[4] x) => (int32[4] y) { y = Div(x, d) }",
        feeds=feeds,
        d=np.array([2, -2, 3, 4], np.int32),
    )


@pytest.mark.parametrize("op", COMPARE)
def test_comparison(agrees: Agrees, op: str) -> None:
    agrees(f"g (int64[3,5] x, int64[5] z) => (bool[3,5] y) {{ y = {op}(x, z) }}")


@pytest.mark.parametrize("op", ["And", "Or", "Xor"])
def test_logic(agrees: Agrees, op: str) -> None:
    agrees(f"g (bool[3,5] x, bool[5] z) => (bool[3,5] y) {{ w = Not(x) y = {op}(w, z) }}")


@pytest.mark.parametrize("op", ["Max", "Min", "Sum", "Mean"])
def test_any_number_of_inputs(agrees: Agrees, op: str) -> None:
    agrees(f"g (float[3,5] x, float[5] z, float[1] w) => (float[3,5] y) {{ y = {op}(x, z, w) }}")


@pytest.mark.parametrize("exponent", [2.0, 0.5, 3.0, -1.5])
def test_power_of_a_constant(agrees: Agrees, exponent: float) -> None:
    agrees("g (float[7] x) => (float[7] y) { a = Abs(x) y = Pow(a, e) }", e=np.float32(exponent))


def test_power_keeps_the_dtype_of_its_base(agrees: Agrees) -> None:
    agrees("g (int64[7] x) => (int64[7] y) { y = Pow(x, e) }", e=np.float32(3))


@pytest.mark.parametrize("fmod", [0, 1])
def test_modulo_of_integers(agrees: Agrees, fmod: int) -> None:
    feeds = {"x": np.array([-7, 7, -8, 9], np.int64)}
    text = f"g (int64[4] x) => (int64[4] y) {{ y = Mod<fmod={fmod}>(x, d) }}"
    agrees(text, feeds=feeds, d=np.array([3, -3, 5, 4], np.int64))


def test_modulo_of_floats_has_the_sign_of_the_dividend(agrees: Agrees) -> None:
    feeds = {"x": np.array([-7.5, 7.5, -8.25, 9], np.float32)}
    text = "g (float[4] x) => (float[4] y) { y = Mod<fmod=1>(x, d) }"
    agrees(text, feeds=feeds, d=np.array([3, -3, 5, -4], np.float32))


CLIPS = [
    ("y = Clip(x, low, high)", {"low": np.float32(-0.5), "high": np.float32(0.25)}, 13),
    ("y = Clip(x, low)", {"low": np.float32(-0.5)}, 13),
    ("y = Clip(x, , high)", {"high": np.float32(0.25)}, 13),
    ("y = Clip<min=-0.5, max=0.25>(x)", {}, 6),
    ("y = Clip<max=0.25>(x)", {}, 6),
    ("a = ReduceMin<keepdims=0>(x) h = Mul(a, half) y = Clip(x, h)", {"half": np.float32(0.5)}, 13),
]


@pytest.mark.parametrize(("nodes", "constants", "opset"), CLIPS)
def test_clip(agrees: Agrees, nodes: str, constants: dict[str, object], opset: int) -> None:
    agrees(f"g (float[3,5] x) => (float[3,5] y) {{ {nodes} }}", opset, **constants)


@pytest.mark.parametrize("to", ["1", "6", "7", "9", "10", "11", "2"])
def test_cast(agrees: Agrees, to: str) -> None:
    feeds = {"x": np.array([0, 0.25, 1.75, 3], np.float32)}
    agrees(f"g (float[4] x) => (float[] y) {{ y = Cast<to={to}>(x) }}", feeds=feeds)


def test_cast_from_bool_and_integers(agrees: Agrees) -> None:
    agrees(
        "g (bool[4] x, int64[4] z) => (float[4] y, bool[4] w)"
        " { y = Cast<to=1>(x) w = Cast<to=9>(z) }"
    )


def test_where_broadcasts(agrees: Agrees) -> None:
    agrees("g (bool[3,1] c, float[5] x, float[2,1,1] z) => (float[] y) { y = Where(c, x, z) }")


def test_infinity_and_nan_are_found(agrees: Agrees) -> None:
    feeds = {"x": np.array([np.inf, -np.inf, np.nan, 1], np.float32)}
    agrees(
        "g (float[4] x) => (bool[4] y, bool[4] z, bool[4] w)"
        " { y = IsInf(x) z = IsInf<detect_negative=0>(x) w = IsNaN(x) }",
        feeds=feeds,
    )


def test_broadcasting_by_attribute_before_opset_7(load: Agrees) -> None:
    text = "g (float[2,3,4] x) => (float[2,3,4] y) { y = Add<broadcast=1, axis=1>(x, w) }"
    assert load(text, 6, w=(3,)).signature.outputs[0].shape == (2, 3, 4)


def test_dropout_is_nothing(load: Agrees) -> None:
    model = load("g (float[3] x) => (float[3] y) { y = Dropout(x) }")
    assert not model.module["main"].body.blocks[0].bindings[:-1]


@pytest.mark.parametrize(("opset", "dtype"), [(7, "float32"), (10, "bool")])
def test_the_type_of_a_dropout_s_mask(load: Agrees, opset: int, dtype: str) -> None:
    model = load("g (float[3] x) => (float[3] y, float[] m) { y, m = Dropout(x) }", opset)
    assert [tensor.dtype for tensor in model.signature.outputs] == ["float32", dtype]


def test_an_unknown_attribute_is_named(load: Agrees) -> None:
    with pytest.raises(ModelError, match=r"node 'y' \(LeakyRelu.*'slope'"):
        load("g (float[3] x) => (float[3] y) { y = LeakyRelu<slope=0.5>(x) }")


@pytest.mark.parametrize(("known", "count"), [(True, 1), (False, 2)])
def test_a_known_condition_takes_one_side(agrees: Agrees, known: bool, count: int) -> None:
    """But for a shape that only all three together have."""
    model = agrees(
        "g (float[2,3] x) => (float[2,3] y) { a = Neg(x) y = Where(c, a, z) }",
        c=np.full(3, known),
        z=np.float32(0),
    )
    assert len(model.module["main"].body.blocks[0].bindings) == count + 1
