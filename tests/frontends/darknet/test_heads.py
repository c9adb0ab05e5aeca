"""Layers that are outputs."""

import numpy as np
import pytest

from frontends.model import ModelError
from tests.frontends.darknet.judge import answers, check, net
from tests.frontends.darknet.reference import head


def conv(filters: int) -> str:
    return f"convolutional filters={filters} size=1 activation=linear"


@pytest.mark.parametrize(
    ("filters", "layer"),
    [
        (24, "yolo mask=0,1,2 classes=3 num=9"),
        (24, "yolo mask=3,4,5 classes=3 num=9 scale_x_y=1.2"),
        (16, "yolo num=2 classes=3 scale_x_y=2.0 new_coords=1"),
        (5, "yolo classes=0"),
        (24, "region num=3 classes=3 softmax=1"),
        (24, "region num=3 classes=3"),
        (24, "region num=3 classes=3 softmax=1 background=1"),
        (24, "region num=3 classes=3 background=1"),
        (10, "region num=2 classes=2 coords=2 softmax=1"),
        (5, "region classes=0"),
        (4, "softmax"),
        (4, "softmax groups=4 temperature=2.5"),
        (4, "softmax spatial=1"),
    ],
)
def test_heads(filters: int, layer: str) -> None:
    check(net(conv(filters), layer))


@pytest.mark.parametrize("softmax", [0, 1])
def test_detection(softmax: int) -> None:
    layer = f"detection side=3 classes=4 num=2 coords=4 softmax={softmax}"
    check(net("connected output=126 activation=linear", layer))


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ([conv(8), "yolo classes=4"], "9 numbers need 9 channels; the layer before it gives 8"),
        (["connected output=9", "yolo classes=4"], "gives no image"),
        (["connected output=9", "detection"], "takes 147 numbers"),
        (["softmax groups=4"], "4 groups do not divide 210"),
        (["softmax temperature=0"], "divides by zero"),
    ],
)
def test_heads_that_do_not_fit(layers: list[str], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        answers(net(*layers), head() + bytes(1 << 16), np.zeros((1, 3, 7, 10), np.float32))
