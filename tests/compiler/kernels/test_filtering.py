"""kernels/filtering.py: fewer products, the same correlation."""

import numpy as np
import pytest
import tvm
import tvm_ffi
from tvm.script.ir_builder import tirx as T

from compiler import codegen
from compiler.kernels.emit import kernel
from compiler.kernels.filtering import MOST, POINTS, filtering, operations, product
from tests.compiler.kernels.harness import HOST, values

SIZES = [(m, r) for m in range(1, MOST) for r in range(1, MOST) if m + r - 1 <= MOST]


@pytest.mark.parametrize(("outputs", "taps"), SIZES)
def test_products_give_the_correlation(outputs: int, taps: int) -> None:
    f = filtering(outputs, taps)
    d, g = values((f.samples,), "float64"), values((taps,), "float64")
    got = f.output @ ((f.weight @ g) * (f.input @ d))
    np.testing.assert_allclose(got, np.correlate(d, g, "valid"), atol=1e-12)
    assert f.input.shape == (f.samples, f.samples)


def test_two_outputs_of_three_taps_take_four_products_instead_of_six() -> None:
    f = filtering(2, 3)
    assert f.samples == 4
    assert set(np.unique(f.input)) == {-1, 0, 1}


def test_the_points_are_distinct() -> None:
    assert len(set(POINTS)) == len(POINTS)


@pytest.mark.parametrize(("outputs", "taps"), [(1, 1), (2, 3), (3, 3), (4, 3), (6, 3), (2, 7)])
@pytest.mark.parametrize("which", ["input", "output"])
def test_shared_work_computes_the_matrix(outputs: int, taps: int, which: str) -> None:
    matrix = getattr(filtering(outputs, taps), which)
    x = values((matrix.shape[1],))
    with kernel("f", [(x.shape, "float32"), ((len(matrix),), "float32")]) as (buffers, done):
        numbers = product(matrix, [T.bind(buffers[0][n]) for n in range(len(x))])
        for n, number in enumerate(numbers):
            T.buffer_store(buffers[1], number, [n])
    module = tvm.IRModule({"f": done[0]})
    library = tvm.tirx.build(module, target=tvm.target.Target(HOST), pipeline=codegen.PIPELINE)
    got = np.zeros(len(matrix), np.float32)
    library["f"](tvm_ffi.from_dlpack(x), tvm_ffi.from_dlpack(got))
    np.testing.assert_allclose(got, matrix @ x.astype(np.float64), rtol=1e-5, atol=1e-5)
    assert operations(matrix) <= matrix.size - len(matrix)
