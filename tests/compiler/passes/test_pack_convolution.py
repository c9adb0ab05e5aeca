"""compiler/passes/pack_convolution.py: packed weights, and images of few channels.

Where convolutions read packed images is tested with the layouts.
"""

import numpy as np
import pytest
from tvm import relax

from compiler.passes.pack_convolution import pack_pairs, pack_weight
from tests.compiler.kernels.harness import NARROW, WIDE, check, compute, values

LANES = 8
RNG = np.random.default_rng(0)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("groups", "inputs", "outputs"),
    [(1, 5, 8), (1, 5, 11), (2, 8, 16), (4, 8, 16), (4, 12, 12), (8, 8, 24), (3, 9, 15)],
)
def test_a_panel_reads_the_channels_of_its_groups(groups: int, inputs: int, outputs: int) -> None:
    """A convolution of one pixel by the panels, against the definition."""
    weight = random(outputs, inputs // groups, 1, 1)
    panels = pack_weight(weight, groups, LANES)
    reach = panels.shape[3]
    x = random(inputs)
    expected = [
        x[(o * groups // outputs) * (inputs // groups) :][: inputs // groups] @ weight[o, :, 0, 0]
        for o in range(outputs)
    ]
    got = np.zeros(len(panels) * LANES, np.float32)
    for number, panel in enumerate(panels):
        group = number * LANES // (outputs // groups)
        window = x[group * (inputs // groups) :][:reach]
        got[number * LANES :][:LANES] = window @ panel[0, 0, : len(window)]
    np.testing.assert_allclose(got[:outputs], expected, rtol=1e-4, atol=1e-5)
    assert not got[outputs:].any()


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 2, 0), (3, 1, 1), (13, 1, 6)])
def test_few_channels_that_are_last(size: int, stride: int, padding: int) -> None:
    """A convolution that reads [N, H, W, C], and the one that reads [N, C, H, W]."""
    weight = relax.const(values((11, 3, size, size)))
    x = values((2, 17, 15, 3))

    def conv(data: relax.Expr) -> relax.Expr:
        return relax.op.nn.conv2d(data, weight, strides=stride, padding=padding)

    def emit(last: relax.Var) -> relax.Expr:
        return conv(relax.op.permute_dims(last, [0, 3, 1, 2]))

    want, _ = compute(conv, np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    check(emit, [x], *want, profiles=[NARROW, WIDE], tolerance=1e-5)


def test_pairs_of_channels_stand_together() -> None:
    panels = np.arange(3 * 2, dtype=np.int8).reshape(1, 1, 1, 3, 2)  # 3 channels, 2 lanes
    pairs = pack_pairs(panels)
    assert pairs.dtype == np.int8
    assert pairs.reshape(-1).tolist() == [0, 2, 1, 3, 4, 0, 5, 0]
