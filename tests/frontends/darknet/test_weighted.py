"""Layers with weights."""

import numpy as np
import pytest

from frontends.model import ModelError
from tests.frontends.darknet.judge import answers, check, drawn, net
from tests.frontends.darknet.reference import head

CONV = "convolutional filters=4 size=3 pad=1 activation=linear"


@pytest.mark.parametrize(
    "options",
    [
        "",
        "filters=5 size=3 stride=2 pad=1 activation=leaky",
        "filters=5 size=3 stride=2 padding=1 activation=leaky batch_normalize=1",
        "filters=6 size=3 groups=3 pad=1 batch_normalize=1 activation=mish",
        "filters=2 size=2 pad=1 activation=linear",
        "filters=2 size=4 pad=0 activation=linear",
        "filters=2 size=3 stride_x=2 stride_y=3 pad=1 activation=linear",
        "filters=2 size=3 stride_x=3 stride=2 pad=1 activation=linear",
        "filters=2 size=3 dilation=2 pad=1 stride=2 activation=relu",
        "filters=2 size=1 dilation=4 activation=relu",
        "filters=3 size=3 flipped=1 cbn=0 activation=swish",
    ],
)
def test_convolutions(options: str) -> None:
    check(net(f"convolutional {options}"))


def test_shared_weights() -> None:
    shared = "convolutional filters=3 size=3 pad=1 batch_normalize=1 activation=relu"
    check(net(shared, f"{shared} share_index=-1"))
    with pytest.raises(ModelError, match=r"Layer 1 .* share_index=-1 names no convolution like it"):
        answers(
            net(shared, f"{shared.replace('=3', '=1')} share_index=-1"),
            head() + bytes(4000),
            np.zeros((1, 3, 4, 4), np.float32),
        )


@pytest.mark.parametrize("options", ["output=5", "output=3 batch_normalize=1 activation=relu"])
@pytest.mark.parametrize("shape", [(2, 3, 4), (7,)])
def test_connected(options: str, shape: tuple[int, ...]) -> None:
    check(net(f"connected {options}", shape=shape))


def test_transposed_matrices() -> None:
    text = net("connected output=4 activation=linear", shape=(3,))
    made, x = drawn(text, transposed=True)
    (got,) = answers(text, head((2000, 0, 0), "<I") + made.weights(), x).values()
    np.testing.assert_allclose(got, made.outputs[0], atol=1e-5)


def test_batchnorm() -> None:
    check(net("batchnorm"))


@pytest.mark.parametrize(
    "options",
    [
        "from=-2",
        "from=-2 activation=leaky",
        "from=0,-2,1",
        "from=0,1 weights_type=per_feature",
        "from=0,1 weights_type=per_feature weights_normalization=relu",
        "from=0,1 weights_type=per_channel weights_normalization=softmax activation=swish",
        "from=0 weights_type=per_channel weights_normalization=avg_relu",
    ],
)
def test_shortcuts(options: str) -> None:
    check(net(CONV, CONV, CONV, f"shortcut {options}"))


@pytest.mark.parametrize("filters", [2, 4, 6])
@pytest.mark.parametrize("stride", [1, 2])
def test_shortcuts_of_other_sizes(filters: int, stride: int) -> None:
    other = f"convolutional filters={filters} size=3 stride={stride} pad=1"
    large = (3, 6, 10)
    check(net(CONV, other, "shortcut from=0", shape=large))
    check(net(other, "route layers=0", f"upsample stride={stride}", "shortcut from=0", shape=large))


def test_a_shortcut_that_does_not_fit() -> None:
    text = net(CONV, "maxpool size=3 stride=3 padding=0", "shortcut from=0")
    with pytest.raises(ModelError, match="adds an image of 7 x 10 to one of 2 x 3"):
        check(text)
