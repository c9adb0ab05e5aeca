"""compiler/kernels/transpose.py: squares of vectors, at any place of the axes."""

from functools import partial

import numpy as np
import pytest
from tvm import relax

from compiler.kernels.transpose import Move
from compiler.passes.rewriter import own
from tests.compiler.kernels.harness import WIDE, Sizes, check, values

CASES = [
    ((16, 16), (1, 0)),
    ((50, 33), (1, 0)),
    ((3, 19, 23), (0, 2, 1)),
    ((2, 17, 5, 7), (0, 2, 3, 1)),
    ((1, 6, 4, 21), (0, 3, 1, 2)),
    ((18, 3, 20), (2, 1, 0)),
    ((4, 18, 3, 1, 20), (4, 0, 2, 3, 1)),
]


@pytest.mark.parametrize(("shape", "order"), CASES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_squares(shape: Sizes, order: Sizes, dtype: str) -> None:
    x = values(shape, dtype)
    names = check(lambda v: relax.op.permute_dims(v, list(order)), [x], x.transpose(order))
    assert names == ["transpose"]


@pytest.mark.parametrize(
    ("shape", "order", "dtype"),
    [((3, 40), (1, 0), "float32"), ((4, 5, 32), (1, 0, 2), "float32"), ((20, 20), (1, 0), "int8")],
    ids=str,
)
def test_others_are_moved_element_by_element(shape: Sizes, order: Sizes, dtype: str) -> None:
    x = values(shape, dtype)
    names = check(lambda v: relax.op.permute_dims(v, list(order)), [x], x.transpose(order))
    assert names == ["elementwise"]


def _call(name: str, shape: Sizes, operand: relax.Var) -> relax.Expr:
    return own(name, [operand], shape, "float32")


@pytest.mark.parametrize(("channels", "template"), [(48, "transpose"), (40, "elementwise")])
def test_packed_channels(channels: int, template: str) -> None:
    x = values((2, channels, 5, 7))
    padded = np.zeros((2, 48, 5, 7), np.float32)
    padded[:, :channels] = x
    packed = padded.reshape(2, 3, 16, 5, 7).transpose(0, 1, 3, 4, 2).copy()

    def moved(to: np.ndarray, name: str, source: np.ndarray) -> list[str]:
        emit = partial(_call, name, to.shape)
        return check(emit, [source], to, profiles=[WIDE])

    assert moved(packed, "neoc.pack", x) == [template]
    assert moved(x, "neoc.unpack", packed) == [template]


def test_neighbours_are_one_axis() -> None:
    assert Move.of((1, 5, 2, 3), (0, 2, 3, 1)) == Move((6, 5), (1, 6), (5, 1))
    assert np.prod(Move.of((7, 8), (0, 1)).extents) == 56
