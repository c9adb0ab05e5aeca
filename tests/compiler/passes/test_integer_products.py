"""compiler/passes/integer_products.py: what is quantised between layers stays integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from tvm import relax

from compiler import pipeline
from compiler.kernels.operators import dtype_of
from compiler.kernels.workload import operator_of
from compiler.passes.integer_products import integer_products
from tests.compiler.kernels.harness import NARROW, Array, compute, main_of
from tests.compiler.kernels.references import conv2d

R = relax.op
Emit = Callable[[relax.Var], relax.Expr]


def number(value: float, kind: str) -> relax.Expr:
    return relax.const(np.asarray(value, kind))


def dequantised(x: relax.Expr, zero: int, scale: float | Array) -> relax.Expr:
    whole = R.subtract(R.astype(x, "int32"), number(zero, "int32"))
    return R.multiply(R.astype(whole, "float32"), relax.const(np.asarray(scale, "float32")))


def quantised(x: relax.Expr, zero: int, scale: float, kind: str) -> relax.Expr:
    limits = np.iinfo(kind)
    ratio = R.round(R.divide(x, number(scale, "float32")))
    moved = R.add(ratio, number(zero, "float32"))
    low, high = (number(v, "float32") for v in (limits.min, limits.max))
    near = R.clip(moved, low.value.numpy().item(), high.value.numpy().item())
    return R.astype(R.astype(near, "int32"), kind)


def numbers(shape: tuple[int, ...], kind: str = "int8") -> Array:
    limits = np.iinfo(kind)
    return (
        np.random.default_rng(sum(shape)).integers(limits.min, limits.max + 1, shape).astype(kind)
    )


def operators(emit: Emit, x: Array) -> list[str]:
    """`operator of type` of everything that is left."""
    main = integer_products(main_of(emit, [x]))["main"]
    calls = [b.value for b in main.body.blocks[0].bindings if isinstance(b.value, relax.Call)]
    return [f"{operator_of(c).removeprefix('relax.')} of {dtype_of(c)}" for c in calls]


def layer(x: relax.Expr, weight: Array, scale: float | Array, **sizes: object) -> relax.Expr:
    constant = dequantised(relax.const(weight), 0, scale)
    return R.nn.conv2d(x, constant, **sizes)


def quantise(y: Array, zero: int, scale: float, kind: str) -> Array:
    limits = np.iinfo(kind)
    return np.asarray(np.clip(np.rint(y / scale) + zero, limits.min, limits.max), kind)


@pytest.mark.parametrize("kind", ["int8", "uint8"])
@pytest.mark.parametrize("scales", [1, 5], ids=["one scale", "one a channel"])
def test_two_layers_and_a_residual_agree_with_the_definition(kind: str, scales: int) -> None:
    """Against double precision: a step of the result apart where a sum is close to a tie."""
    x, zero = numbers((1, 5, 7, 6), kind), 7
    first, second = numbers((5, 5, 3, 3)), numbers((5, 5, 1, 1))
    spread = np.linspace(0.01, 0.02, scales, dtype=np.float32).reshape(-1, 1, 1, 1)
    scale = spread if scales > 1 else spread.reshape(())
    bias = np.linspace(-3, 3, 5, dtype=np.float32).reshape(1, 5, 1, 1)

    def emit(a: relax.Var) -> relax.Expr:
        data = dequantised(a, zero, 0.05)
        one = R.nn.relu(R.add(layer(data, first, scale, padding=1), relax.const(bias)))
        one = dequantised(quantised(one, 3, 0.4, kind), 3, 0.4)
        two = R.add(layer(one, second, scale), data)
        return quantised(two, 5, 0.9, kind)

    real = (x.astype(np.float64) - zero) * 0.05
    weights = [w * np.float64(scale) for w in (first, second)]
    one = np.maximum(conv2d(real, weights[0], (1, 1), (1,) * 4, (1, 1), 1) + bias, 0)
    one = (quantise(one, 3, 0.4, kind).astype(np.float64) - 3) * 0.4
    want = quantise(conv2d(one, weights[1], (1, 1), (0,) * 4, (1, 1), 1) + real, 5, 0.9, kind)
    (got,), made = compute(emit, x, profile=NARROW)
    assert np.abs(got.astype(int) - want).max() <= 1
    assert (got == want).mean() > 0.99
    assert len(np.unique(want)) > 20, "the test saturates"
    anchors = [k.work.operator for k in made.kernels.values()]
    assert anchors.count("neoc.conv2d") == 2


def test_a_quantised_tensor_is_stored_without_its_zero_point() -> None:
    def emit(a: relax.Var) -> relax.Expr:
        one = layer(dequantised(a, 0, 0.1), numbers((4, 4, 1, 1)), 0.1)
        one = dequantised(quantised(one, -128, 0.1, "int8"), -128, 0.1)
        return layer(one, numbers((4, 4, 1, 1)), 0.1)

    left = operators(emit, numbers((1, 4, 3, 3)))
    assert left.count("nn.conv2d of int32") == 2
    assert not [o for o in left if "int8" in o or "subtract" in o or "divide" in o]


def test_what_has_no_single_zero_point_stays_float() -> None:
    zeros = relax.const(np.arange(4, dtype=np.int32).reshape(4, 1, 1))

    def emit(a: relax.Var) -> relax.Expr:
        whole = R.subtract(R.astype(a, "int32"), zeros)
        data = R.multiply(R.astype(whole, "float32"), number(0.1, "float32"))
        return layer(data, numbers((4, 4, 1, 1)), 0.1)

    assert "nn.conv2d of float32" in operators(emit, numbers((1, 4, 3, 3)))


def test_a_zero_point_that_no_byte_holds_stays_float() -> None:
    def emit(a: relax.Var) -> relax.Expr:
        return layer(dequantised(a, 200, 0.1), numbers((4, 4, 1, 1)), 0.1)

    assert "nn.conv2d of float32" in operators(emit, numbers((1, 4, 3, 3)))


def test_products_of_constants_alone_stay_float() -> None:
    def emit(a: relax.Var) -> relax.Expr:
        data = dequantised(relax.const(numbers((1, 4, 3, 3))), 3, 0.1)
        return R.add(layer(data, numbers((4, 4, 1, 1)), 0.1), R.astype(a, "float32"))

    assert "nn.conv2d of float32" in operators(emit, numbers((1, 4, 3, 3)))


@pytest.mark.parametrize(("channels", "kind"), [(60000, "int32"), (70000, "float32")])
def test_sums_that_could_leave_32_bits_stay_float(channels: int, kind: str) -> None:
    weight = np.full((1, channels, 1, 1), 127, np.int8)

    def emit(a: relax.Var) -> relax.Expr:
        return layer(dequantised(a, 1, 0.1), weight, 0.1)

    assert f"nn.conv2d of {kind}" in operators(emit, np.zeros((1, channels, 1, 1), np.int8))


def test_a_bias_in_the_unit_of_the_sums_is_added_to_them() -> None:
    bias = relax.const(np.arange(4, dtype=np.int32) - 2)

    def emit(a: relax.Var) -> relax.Expr:
        known = R.multiply(R.astype(bias, "float32"), number(0.01, "float32"))
        made = layer(dequantised(a, 1, 0.1), numbers((4, 4, 1, 1)), 0.1)
        return R.add(made, R.reshape(known, (1, 4, 1, 1)))

    assert "add of int32" in operators(emit, numbers((1, 4, 3, 3)))


@pytest.mark.parametrize(("depth", "kind"), [(6, "int32"), (5, "float32")])
def test_products_with_weights_of_another_order_of_axes(depth: int, kind: str) -> None:
    """One scale a column; an odd depth is no whole number of pairs."""
    x, weight = numbers((4, depth)), numbers((3, depth))
    scale, bias = np.array([[0.1], [0.2], [0.3]], np.float32), np.arange(3, dtype=np.int32)

    def emit(a: relax.Var) -> relax.Expr:
        known = R.permute_dims(dequantised(relax.const(weight), 0, scale))
        made = R.matmul(dequantised(a, 3, 0.5), known)
        unit = relax.const((scale * 0.5).reshape(-1))
        return R.add(made, R.multiply(R.astype(relax.const(bias), "float32"), unit))

    left = operators(emit, x)
    assert f"matmul of {kind}" in left and f"add of {kind}" in left
    (got,), _ = compute(emit, x, profile=NARROW)
    want = (x.astype(np.int64) - 3) @ weight.T.astype(np.int64) + bias
    np.testing.assert_allclose(got, want * scale.T * 0.5, rtol=1e-6, atol=1e-3)


def test_a_zero_point_known_at_run_time_is_subtracted() -> None:
    x, zero, weight = numbers((3, 8), "uint8"), np.array([[77]], np.uint8), numbers((8, 5))

    def emit(a: relax.Var, z: relax.Var) -> relax.Expr:
        middle = R.reshape(R.astype(z, "int32"), ())
        whole = R.subtract(R.astype(a, "int32"), middle)
        return R.matmul(whole, R.astype(relax.const(weight), "int32"))

    (got,), made = compute(emit, x, zero, profile=NARROW)
    np.testing.assert_array_equal(got, (x.astype(np.int32) - 77) @ weight.astype(np.int32))
    assert "matmul" in {k.schedule.template.name for k in made.kernels.values()}


def test_groups_stay_float_with_constant_weights() -> None:
    def emit(a: relax.Var) -> relax.Expr:
        return layer(dequantised(a, 1, 0.1), numbers((4, 1, 3, 3)), 0.1, groups=4)

    x = numbers((1, 4, 6, 6))
    assert "nn.conv2d of float32" in operators(emit, x)
    works = pipeline.workloads(pipeline.lower(main_of(emit, [x]), NARROW)).values()
    assert "neoc.depthwise" in {w.operator for w in works}
