"""compiler/kernels/workload.py: a fused function as the templates see it."""

import numpy as np
from tvm import relax

from compiler.kernels.workload import Workload
from tests.compiler.kernels.harness import NARROW, Emit, lowered, values

R = relax.op


def works(emit: Emit, *inputs: np.ndarray) -> list[Workload]:
    return [k.work for k in lowered(emit, inputs, NARROW).kernels.values()]


def test_the_anchor_and_what_it_reads() -> None:
    x = values((4, 19))
    [work] = works(lambda a, b: R.add(R.sum(R.multiply(a, b), [1]), R.sum(b, [1])), x, x)[:1]
    assert work.operator == "relax.sum"
    [plain] = works(lambda a: R.nn.relu(R.add(a, a)), x)
    assert plain.anchor is None
    assert plain.operator == "elementwise"
    assert plain.output == ((4, 19), "float32")


def test_operands_that_are_read_where_they_are_written() -> None:
    [work] = works(lambda a: R.nn.relu(R.negative(a)), values((4, 19)))
    assert work.is_pointwise_after_anchor
    [moved] = works(lambda a: R.permute_dims(a, [1, 0]), values((4, 19)))
    assert not moved.is_pointwise_after_anchor


def test_axes_merge_where_operands_have_them_or_lack_them() -> None:
    [work] = works(lambda a, b: R.add(a, b), values((2, 3, 5)), values((3, 1)))
    assert not work.mergeable(1)
    [same] = works(lambda a, b: R.add(a, b), values((2, 3, 5)), values((2, 3, 5)))
    assert same.mergeable(0)
