"""compiler/passes/layouts.py: the two layouts of an image. Where they meet is tested elsewhere."""

import numpy as np
import pytest
import tvm
from tvm import relax

from compiler.passes.layouts import Layouts
from tests.compiler.kernels.harness import main_of

X = np.zeros((1, 5, 2, 3), np.float32)


def layouts(lanes: int) -> Layouts:
    module: tvm.IRModule = main_of(lambda x: relax.op.nn.relu(x), [X])
    return Layouts(module, lanes)


@pytest.mark.parametrize("lanes", [4, 8])
def test_panels_hold_all_channels(lanes: int) -> None:
    """[1, 5, 2, 3] in vectors of 4 and of 8 channels."""
    assert layouts(lanes).packed_shape(X.shape) == (1, -(-5 // lanes), 2, 3, lanes)


def test_constants_are_packed_and_filled() -> None:
    array = np.arange(30, dtype=np.float32).reshape(1, 5, 2, 3)
    packed = layouts(4).pack_array(array, 7.0)
    assert packed.shape == (1, 2, 2, 3, 4)
    for channel in range(5):
        np.testing.assert_array_equal(packed[0, channel // 4, ..., channel % 4], array[0, channel])
    assert (packed[0, 1, ..., 1:] == 7.0).all()


def test_one_channel_is_kept_for_broadcasting() -> None:
    assert layouts(4).pack_array(X[:, :1], 0.0).shape == (1, 1, 2, 3, 1)
