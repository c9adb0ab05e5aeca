"""compiler/passes/store_narrow.py: types as bits, from parameter to result."""

from collections.abc import Callable

import numpy as np
import pytest
import tvm
from tvm import relax

from compiler import codegen, pipeline
from compiler.errors import ClientError
from compiler.passes.store_narrow import store_narrow
from tests.compiler.kernels.harness import NARROW, Machine


def module(kind: str, emit: Callable[[relax.Var], relax.Expr]) -> tvm.IRModule:
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType((2, 3), kind))
    with builder.function("main", [x]):
        with builder.dataflow():
            result = builder.emit_output(relax.Tuple([builder.emit(emit(x))]))
        builder.emit_func_output(result)
    return builder.get()


def test_what_is_only_moved_keeps_its_bits() -> None:
    lowered = pipeline.lower(module("float8_e5m2", relax.op.permute_dims), NARROW)
    made = pipeline.schedule(lowered, NARROW)
    x = np.arange(6, dtype=np.uint8).reshape(2, 3)
    (got,) = Machine(made, codegen.build(made.kernels, NARROW))([x])
    np.testing.assert_array_equal(got, x.T)


def test_arithmetic_on_bits_is_refused() -> None:
    made = module("bfloat16", lambda x: relax.op.exp(relax.op.add(x, x)))
    with pytest.raises(ClientError, match=r"relax.add of bfloat16, relax.exp of bfloat16, which"):
        store_narrow(made)
