"""compiler/passes/merge_moves.py: what is one permutation, and that it is the right one."""

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import relax

from compiler.kernels.operators import integers, shape_of
from compiler.kernels.workload import operands_of, operator_of
from compiler.passes.merge_moves import merge_moves
from compiler.passes.rewriter import own
from tests.compiler.kernels.harness import NARROW, WIDE, Emit, check, main_of, values

R = relax.op


def calls(emit: Emit, x: np.ndarray) -> list[relax.Call]:
    main = merge_moves(main_of(emit, [x]))["main"]
    found = [b.value for b in main.body.blocks[0].bindings]
    return [v for v in found if isinstance(v, relax.Call)]


def computed(call: relax.Call, x: np.ndarray) -> np.ndarray:
    """By the definition of neoc.move."""
    if operator_of(call) != "neoc.move":
        return x.reshape(shape_of(call))
    extents, order = (integers(o) for o in operands_of(call)[1:])
    return x.reshape(extents).transpose(order).reshape(shape_of(call))


def unpacked(x: relax.Expr) -> relax.Expr:
    n, p, h, w, lanes = shape_of(x)
    return own("neoc.unpack", [x], (n, p * lanes, h, w), "float32")


def test_an_image_becomes_rows_of_channels() -> None:
    x = values((1, 3, 4, 5, 8))

    def emit(a: relax.Var) -> relax.Expr:
        return R.permute_dims(R.reshape(unpacked(a), (1, 24, 20)), [0, 2, 1])

    (call,) = calls(emit, x)
    assert [integers(o) for o in operands_of(call)[1:]] == [[3, 20, 8], [1, 0, 2]]
    want = x.transpose(0, 2, 3, 1, 4).reshape(1, 20, 24)
    np.testing.assert_array_equal(computed(call, x), want)


def test_rows_of_channels_become_an_image() -> None:
    def emit(a: relax.Var) -> relax.Expr:
        image = R.reshape(R.permute_dims(a, [0, 2, 1]), (1, 24, 4, 5))
        return own("neoc.pack", [image], (1, 3, 4, 5, 8), "float32")

    x = values((1, 20, 24))
    (call,) = calls(emit, x)
    np.testing.assert_array_equal(
        computed(call, x), x.reshape(1, 4, 5, 3, 8).transpose(0, 3, 1, 2, 4)
    )


@pytest.mark.parametrize("second", [[1, 0, 2, 3], [0, 2, 1, 3]])
def test_what_stays_in_its_order_is_a_view(second: list[int]) -> None:
    def emit(a: relax.Var) -> relax.Expr:
        return R.permute_dims(R.permute_dims(a, [0, 2, 1, 3]), second)

    moved = [c.op.name for c in calls(emit, values((1, 5, 3, 4)))]
    assert moved == (["relax.permute_dims"] * 2 if second[0] else ["relax.reshape"])


def test_axes_that_are_cut_elsewhere_stay() -> None:
    def emit(a: relax.Var) -> relax.Expr:
        return R.permute_dims(R.reshape(R.permute_dims(a, [1, 0]), (4, 9)), [1, 0])

    assert len(calls(emit, values((6, 6)))) == 3


@settings(max_examples=60)
@given(st.lists(st.sampled_from([1, 2, 3, 4]), min_size=2, max_size=4), st.integers(0, 2**30))
def test_chains_compute_what_they_did(shape: list[int], seed: int) -> None:
    random_ = random.Random(seed)
    x = values(tuple(shape))
    steps: list[tuple[Any, Any]] = []
    y = x
    for _ in range(random_.randint(2, 5)):
        order = random_.sample(range(y.ndim), y.ndim)
        cut = _cut(y.size, random_)
        steps.append((order, cut))
        y = y.transpose(order).reshape(cut)

    def emit(a: relax.Var) -> relax.Expr:
        for order, cut in steps:
            a = R.reshape(R.permute_dims(a, order), cut)
        return a

    z = x
    for call in calls(emit, x):
        z = (
            z.transpose([int(a) for a in call.attrs.axes])
            if call.op.name == "relax.permute_dims"
            else computed(call, z)
        )
    np.testing.assert_array_equal(z, y)


def _cut(size: int, random_: random.Random) -> tuple[int, ...]:
    cut: list[int] = []
    while math.prod(cut) < size:
        left = size // math.prod(cut)
        cut.append(random_.choice([d for d in range(1, left + 1) if left % d == 0]))
    return tuple(cut) or (1,)


@pytest.mark.parametrize("lanes", [8, 16])
def test_its_kernel(lanes: int) -> None:
    x = values((2, 3, 4, 5, lanes))

    def emit(a: relax.Var) -> relax.Expr:
        flat = R.reshape(unpacked(a), (2, 3 * lanes, 20))
        return R.nn.relu(R.permute_dims(flat, [0, 2, 1]))

    want = np.maximum(x.transpose(0, 2, 3, 1, 4).reshape(2, 20, 3 * lanes), 0)
    check(emit, [x], want, profiles=[NARROW if lanes == 8 else WIDE])
