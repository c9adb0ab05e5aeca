"""compiler/passes/find_norms.py: normalisations written as arithmetic."""

import numpy as np
import pytest
from tvm import relax

from compiler.passes.find_norms import find_norms
from tests.compiler.kernels.harness import Emit, check, main_of, values

R = relax.op
X = values((2, 5, 37))
EPSILON = relax.const(np.float32(1e-5))
TWO, ONE = relax.const(np.float32(2)), relax.const(np.float32(1))


def named(value: relax.Expr) -> relax.Var:
    return relax.BlockBuilder.current().emit(value)


def operators(emit: Emit) -> list[str]:
    module = relax.transform.EliminateCommonSubexpr()(main_of(emit, [X]))
    main = find_norms(module)["main"]
    values = [b.value for b in main.body.blocks[0].bindings]
    return [v.op.name for v in values if isinstance(v, relax.Call)]


def mean(x: relax.Expr) -> relax.Expr:
    return named(R.mean(x, [-1], keepdims=True))


def layer_norm(x: relax.Var) -> relax.Expr:
    centred = named(R.subtract(x, mean(x)))
    root = R.sqrt(R.add(mean(R.power(centred, TWO)), EPSILON))
    return R.divide(centred, root)


def layer_norm_of_two_differences(x: relax.Var) -> relax.Expr:
    first, second = (named(R.subtract(x, mean(x))) for _ in range(2))
    root = R.sqrt(R.add(mean(R.multiply(first, first)), EPSILON))
    return R.multiply(second, R.divide(ONE, root))


def rms_norm(x: relax.Var) -> relax.Expr:
    return R.multiply(R.rsqrt(R.add(mean(R.multiply(x, x)), EPSILON)), x)


@pytest.mark.parametrize(
    ("emit", "operator"),
    [
        (layer_norm, "layer_norm"),
        (layer_norm_of_two_differences, "layer_norm"),
        (rms_norm, "rms_norm"),
    ],
    ids=lambda x: getattr(x, "__name__", x),
)
def test_arithmetic_becomes_one_kernel(emit: Emit, operator: str) -> None:
    assert operators(emit) == [f"relax.nn.{operator}"]
    wide = X.astype(np.float64)
    centred = wide - wide.mean(-1, keepdims=True) if operator == "layer_norm" else wide
    want = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    scale, shift = values((37,), seed=1), values((37,), seed=2)

    def scaled(x: relax.Var) -> relax.Expr:
        return R.add(R.multiply(emit(x), relax.const(scale)), relax.const(shift))

    names = check(scaled, [X], want * scale + shift, tolerance=1e-5)
    assert names == ["rows"]


@pytest.mark.parametrize("exponent", [2.0, 3.0])
def test_a_spread_around_something_else_stays(exponent: float) -> None:
    """Not the mean of what is divided, or no square."""

    def emit(x: relax.Var) -> relax.Expr:
        centred = named(R.subtract(x, mean(x)))
        power = R.power(x if exponent == 2.0 else centred, relax.const(np.float32(exponent)))
        return R.divide(centred, R.sqrt(R.add(mean(power), EPSILON)))

    assert not {"relax.nn.layer_norm", "relax.nn.rms_norm"} & set(operators(emit))
