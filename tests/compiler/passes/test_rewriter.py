"""compiler/passes/rewriter.py: a pass that changes nothing changes nothing."""

from pathlib import Path

import numpy as np
import tvm

from compiler.passes.rewriter import Rewriter, array_of, constant, use_counts
from tests.compiler import nets

SPLIT = nets.text(
    "(float[4, 2] x, float[4, 2] z) => (float[2, 2] b, float[4, 2] z2)",
    "a, b = Split <axis = 0> (x) z2 = Add(z, z)",
)


def test_the_identity(tmp_path: Path) -> None:
    module = nets.load(nets.net(), tmp_path).module
    tvm.ir.assert_structural_equal(Rewriter(module).run(), module)


def test_tuples_and_what_nobody_reads(tmp_path: Path) -> None:
    rewritten = Rewriter(nets.load(SPLIT, tmp_path).module).run()
    assert nets.operators(rewritten["main"]) == ["relax.split", "relax.add"]
    x = np.arange(8, dtype=np.float32).reshape(4, 2)
    half, double = nets.evaluate(rewritten, x, x)
    np.testing.assert_array_equal(half, x[2:])
    np.testing.assert_array_equal(double, 2 * x)


def test_uses_are_counted_one_by_one(tmp_path: Path) -> None:
    main = nets.load(SPLIT, tmp_path).module["main"]
    assert [use_counts(main)[param] for param in main.params] == [1, 2]


def test_constants_and_arrays() -> None:
    array = np.arange(6, dtype=np.int64).reshape(2, 3).T
    back = array_of(constant(array))
    assert back is not None and back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
    assert array_of(tvm.relax.Var("x", tvm.relax.TensorType((2,), "float32"))) is None
