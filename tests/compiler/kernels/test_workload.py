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


def test_the_key_says_all_and_is_the_same_in_any_net() -> None:
    x = values((4, 19))

    def gated(a: relax.Var) -> relax.Expr:
        return R.multiply(R.clip(R.add(a, relax.const(0.1, "float32")), 0, 6), R.nn.softmax(a, -1))

    def in_a_larger_net(a: relax.Var) -> tuple[relax.Expr, relax.Expr]:
        return R.sum(a, [0]), gated(R.nn.relu(a))

    assert sorted({w.key for w in works(lambda a: R.sum(a, [0], keepdims=True), x)}) == [
        "f32[4,19]: sum(p0,axis=[0],keepdims=True)"
    ]
    keys = {w.key for w in works(gated, x)}
    assert any("f32[][0.10000000149011612]" in key for key in keys)
    assert {key for key in keys if "clip" in key} <= {w.key for w in works(in_a_larger_net, x)}


def test_constants_show_in_the_key() -> None:
    weight = relax.const(values((19, 8)), "float32")
    [fixed] = works(lambda a: R.matmul(a, weight), values((4, 19)))
    [free] = works(R.matmul, values((4, 19)), values((19, 8)))
    assert "c: " in fixed.key and "c: " not in free.key
