"""compiler/passes/read_in_place.py: what products read and write in place, and that it is right."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import relax

from compiler.kernels.operators import integers
from compiler.kernels.workload import operands_of, operator_of
from compiler.passes.read_in_place import read_in_place
from tests.compiler.kernels.harness import NARROW, WIDE, Emit, check, main_of, values

R = relax.op


def calls(emit: Emit, *inputs: np.ndarray) -> list[relax.Call]:
    main = read_in_place(main_of(emit, inputs))["main"]
    found = [b.value for b in main.body.blocks[0].bindings]
    return [v for v in found if isinstance(v, relax.Call)]


def heads(x: relax.Expr, axes: list[int]) -> relax.Expr:
    return R.permute_dims(R.reshape(x, (2, 9, 4, 6)), axes)


def test_heads_are_read_and_written_where_they_lie() -> None:
    def emit(x: relax.Var, y: relax.Var) -> relax.Expr:
        product = R.matmul(R.matmul(heads(x, [0, 2, 1, 3]), heads(y, [0, 2, 3, 1])),
                           heads(y, [0, 2, 1, 3]))  # fmt: skip
        return R.permute_dims(product, [0, 2, 1, 3])

    x = np.zeros((2, 9, 24), np.float32)
    first, second = calls(emit, x, x)
    assert [operator_of(c) for c in (first, second)] == ["neoc.matmul"] * 2
    sizes, numbers, order = (integers(o) for o in operands_of(first)[2:])
    assert sizes == [2, 4, 9, 9, 6] and order == [0, 1, 2, 3]
    assert numbers == [0, 216, 6, 24, 1, 0, 216, 6, 1, 24]
    assert integers(operands_of(second)[4]) == [0, 2, 1, 3]


@pytest.mark.parametrize("side", ["constant", "plain"])
def test_products_without_anything_to_move_stay(side: str) -> None:
    def emit(x: relax.Var, y: relax.Var) -> relax.Expr:
        weight = relax.const(np.zeros((6, 5), np.float32))
        return R.matmul(R.permute_dims(x, [1, 0]), weight) if side == "constant" else R.matmul(y, x)

    x, y = np.zeros((6, 9), np.float32), np.zeros((4, 6), np.float32)
    assert "neoc.matmul" not in map(operator_of, calls(emit, x.reshape(6, 9), y))


CASES = {
    "other ranks": ((3, 4, 5, 10), (0, 1, 2, 3), (3, 1, 4, 6, 10), (0, 1, 2, 4, 3), None),
    "transposed right": ((2, 3, 7, 20), (0, 1, 2, 3), (2, 3, 21, 20), (0, 1, 3, 2), None),
    "transposed left": ((2, 3, 20, 13), (0, 1, 3, 2), (2, 3, 20, 17), (0, 1, 2, 3), None),
    "heads": ((2, 13, 3, 16), (0, 2, 1, 3), (2, 19, 3, 16), (0, 2, 3, 1), None),
    "written": ((2, 3, 13, 9), (0, 1, 2, 3), (2, 9, 3, 11), (0, 2, 1, 3), (0, 2, 1, 3)),
    "one matrix on the right": ((2, 3, 7, 10), (0, 1, 2, 3), (33, 10), (1, 0), None),
    "a batch of one matrix on the right": ((3, 8, 4), (0, 1, 2), (1, 8, 4), (0, 2, 1), None),
    "one matrix on the left": ((7, 10), (0, 1), (3, 33, 10), (0, 2, 1), None),
    "broadcast": ((4, 1, 5, 12), (0, 1, 2, 3), (3, 18, 12), (0, 2, 1), None),
    "transposed matrices": ((12, 31), (1, 0), (40, 12), (1, 0), None),
}


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize("case", CASES)
def test_they_compute_what_they_did(case: str, seed: int | None) -> None:
    left, p, right, q, r = CASES[case]
    x, y = values(left), values(right, seed=5)
    want = np.matmul(x.astype(np.float64).transpose(p), y.astype(np.float64).transpose(q))
    want = np.maximum(want.transpose(r) if r else want, 0)

    def emit(a: relax.Var, b: relax.Var) -> relax.Expr:
        product = R.matmul(R.permute_dims(a, p), R.permute_dims(b, q))
        return R.nn.relu(R.permute_dims(product, r) if r else product)

    profiles = [NARROW if seed else WIDE]
    names = check(emit, [x, y], want, profiles=profiles, seeds=[seed], tolerance=1e-5)
    assert set(names) == {"matmul"}


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 3), st.integers(1, 20), st.integers(1, 20), st.integers(1, 40), st.integers())
def test_any_sizes(batch: int, rows: int, columns: int, depth: int, seed: int) -> None:
    choose = random.Random(seed)
    p, q = (choose.sample(range(3), 3) for _ in range(2))
    r = [*choose.sample(range(2), 2), 2]
    x = values(_before((batch, rows, depth), p))
    y = values(_before((batch, depth, columns), q), seed=5)
    left, right = x.astype(np.float64).transpose(p), y.astype(np.float64).transpose(q)
    want = np.matmul(left, right).transpose(r)
    check(
        lambda a, b: R.permute_dims(R.matmul(R.permute_dims(a, p), R.permute_dims(b, q)), r),
        [x, y], want, profiles=[NARROW], tolerance=1e-5,
    )  # fmt: skip


def _before(shape: tuple[int, ...], order: list[int]) -> tuple[int, ...]:
    """The shape that a permutation makes `shape` of."""
    return tuple(shape[order.index(n)] for n in range(len(shape)))
