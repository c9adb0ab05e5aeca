"""compiler/kernels/product.py: how products are cut, and what that should cost."""

import math

import numpy as np
import pytest
from tvm import relax

from compiler import pipeline
from compiler.kernels.matmul import Matmul
from compiler.kernels.product import Blocks, Product, Views
from compiler.kernels.workload import Workload
from targets import Profile
from tests.compiler.kernels.harness import NARROW, WIDE, Sizes, main_of

R = relax.op
PLAIN = Views.plain((1, 4), (4, 20), 0)


def work_of(size: Sizes, profile: Profile) -> Workload:
    rows, columns, depth = size
    zeros = relax.const(np.zeros((depth, columns), np.float32))
    module = main_of(lambda a: R.matmul(a, zeros), [np.zeros((rows, depth), np.float32)])
    (work,) = pipeline.workloads(pipeline.lower(module, profile)).values()
    return work


@pytest.mark.parametrize("profile", [NARROW, WIDE], ids=lambda p: p.isa.name)
@pytest.mark.parametrize("size", [(128, 768, 768), (197, 768, 3072), (3136, 96, 384)])
def test_a_large_product_is_estimated_near_the_peak(size: Sizes, profile: Profile) -> None:
    work = work_of(size, profile)
    cost = Matmul().cost(work, profile, Matmul().default(work, profile))
    peak = 2 * math.prod(size) / profile.cores / (4 * profile.isa.lanes)
    assert peak <= cost <= 1.2 * peak


def test_a_single_row_is_not_copied_and_takes_many_vectors() -> None:
    work = work_of((1, 4096, 25088), NARROW)
    point = Matmul().default(work, NARROW)
    assert point["copy"] == 0 and point["vectors"] >= 4


def test_tiles_that_exceed_the_registers_are_never_tried() -> None:
    work = work_of((64, 64, 64), NARROW)
    point = {"rows": 8, "vectors": 2, "span": 64, "copy": 0}
    assert not math.isfinite(Matmul().cost(work, NARROW, point))


def test_a_constant_is_packed_in_the_order_in_which_it_is_read() -> None:
    right = np.arange(4 * 20, dtype=np.float32).reshape(4, 20)
    blocks = Blocks(Product((), 1, 20, 4, 8, True, PLAIN), 2, (1,), 1, 1, 2)
    packed = blocks.pack(right).reshape(2, 2, 2, 16)  # span, group, k, column
    np.testing.assert_array_equal(packed[1, 0], right[2:, :16])
    np.testing.assert_array_equal(packed[0, 1, :, :4], right[:2, 16:])
    assert not packed[:, 1, :, 4:].any()


def test_integers_are_packed_two_by_two() -> None:
    right = np.arange(4 * 20, dtype=np.int8).reshape(4, 20)
    blocks = Blocks(Product((), 1, 20, 4, 8, True, PLAIN, 2, 1, 2), 2, (1,), 1, 1, 4)
    packed = blocks.pack(right).reshape(2, 2, 16, 2)  # group, pair of k, column, k
    np.testing.assert_array_equal(packed[0, 1, :, 1], right[3, :16])
