"""compiler/regions.py: functions that others run go through every pass, and share kernels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tvm
from tvm import relax

import targets
from compiler import pipeline, regions
from compiler.lowered import Lowered
from tests.compiler import nets

PROFILE = targets.get(nets.DEVICE)
IMAGE = relax.TensorType((1, 8, 4, 4), "float32")
FLAG = relax.TensorType((), "bool")
COUNT = relax.TensorType((), "int64")
WEIGHT = relax.const(np.ones((8, 8, 1, 1), np.float32))

Emit = Callable[..., list[relax.Expr]]


def define(
    builder: relax.BlockBuilder, name: str, types: list[relax.TensorType], emit: Emit
) -> None:
    params = [relax.Var(f"{name}_{n}", kind) for n, kind in enumerate(types)]
    with builder.function(name, params):
        with builder.dataflow():
            made = [builder.emit(value) for value in emit(*params)]
            result = builder.emit_output(relax.Tuple(made))
        builder.emit_func_output(result)


def call(name: str, operands: list[relax.Expr], given: list[relax.TensorType]) -> relax.Call:
    return relax.op.call_pure_packed(name, *operands, ty_args=relax.TupleType(given))


@pytest.fixture
def branched() -> Lowered:
    """relu(conv(x)) or conv(x) of an image that a convolution made, plus its half."""
    builder = relax.BlockBuilder()

    def run(flag: relax.Var, x: relax.Var) -> list[relax.Expr]:
        image = builder.emit(relax.op.nn.conv2d(x, WEIGHT))
        operands = [tvm.ir.StringImm("yes"), tvm.ir.StringImm("no"), flag, image]
        both = builder.emit(call("neoc.if", operands, [IMAGE, IMAGE]))
        first, second = (builder.emit(relax.TupleGetItem(both, n)) for n in range(2))
        return [relax.op.add(relax.op.nn.conv2d(first, WEIGHT), second)]

    def half(x: relax.Expr) -> relax.Expr:
        return builder.emit(relax.op.multiply(x, relax.const(np.float32(0.5))))

    conv = relax.op.nn.conv2d
    define(builder, "main", [FLAG, IMAGE], run)
    define(builder, "yes", [IMAGE], lambda x: [relax.op.nn.relu(conv(x, WEIGHT)), half(x)])
    define(builder, "no", [IMAGE], lambda x: [conv(x, WEIGHT), half(x)])
    return pipeline.schedule(pipeline.lower(builder.get(), PROFILE), PROFILE)


def test_every_function_goes_through_every_pass(branched: Lowered) -> None:
    assert list(branched.functions) == ["main", "yes", "no"]
    for name, count in {"main": 2, "yes": 1, "no": 1}.items():
        called = nets.operators(branched.functions[name])
        assert sum("conv2d" in operator for operator in called) == count
        assert not any(operator.startswith("relax.nn") for operator in called)


def test_what_a_region_reads_and_gives_is_plain(branched: Lowered) -> None:
    for name in ("yes", "no"):
        function = branched.functions[name]
        [param] = function.params
        assert [int(d) for d in param.ty.shape] == [1, 8, 4, 4]
        for field in function.ret_ty.fields:
            assert [int(d) for d in field.shape] == [1, 8, 4, 4]


def test_calls_come_in_the_plans_order(branched: Lowered) -> None:
    alone = {name: nets.operators(f) for name, f in branched.functions.items()}
    main = [c for c in alone["main"] if c in branched.kernels]
    at = [c for c in alone["main"] if c in (*branched.kernels, "neoc.if")].index("neoc.if")
    inside = [c for name in ("yes", "no") for c in alone[name] if c in branched.kernels]
    expected = [*main[:at], *inside, *main[at:]]
    assert [str(c.op.name_hint) for c in branched.calls()] == expected


def test_equal_kernels_of_regions_are_one(branched: Lowered) -> None:
    calls = [name for name in nets.operators(branched.functions["yes"]) if "multiply" in name]
    assert calls
    assert set(calls) <= set(nets.operators(branched.functions["no"]))


def test_what_a_call_runs() -> None:
    first, last = relax.Var("first", IMAGE), relax.Var("last", IMAGE)
    trips, flag = relax.Var("trips", COUNT), relax.Var("flag", FLAG)
    body = [tvm.ir.StringImm("body"), relax.ShapeExpr([1]), trips, flag, first, last]
    loop = regions.region_of(call("neoc.loop", body, [IMAGE]))
    assert loop == regions.Loop("body", trips, flag, (first,), (last,))
    both = [tvm.ir.StringImm("a"), tvm.ir.StringImm("b"), flag, first]
    found = regions.region_of(call("neoc.if", both, [IMAGE]))
    assert found == regions.Branches("a", "b", flag, (first,))
    assert regions.region_of(relax.op.add(first, last)) is None
