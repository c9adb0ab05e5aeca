"""Layers without weights."""

import numpy as np
import pytest

from frontends.model import ModelError
from tests.frontends.darknet.judge import answers, check, net
from tests.frontends.darknet.reference import head

CONV = "convolutional filters=4 size=3 pad=1 activation=linear"
X = np.zeros((1, 3, 7, 10), np.float32)


@pytest.mark.parametrize("kind", ["maxpool", "local_avgpool"])
@pytest.mark.parametrize(
    "options",
    [
        "size=2 stride=2",
        "size=2 stride=1",
        "size=3 stride=2 padding=1",
        "size=3 stride=2",
        "size=3 stride=3 padding=0",
        "size=5 stride=1",
        "size=13 stride=1",
        "stride=2",
        "size=3 stride_x=1 stride_y=2",
        "size=1 stride=2",
    ],
)
def test_pools(kind: str, options: str) -> None:
    check(net(f"{kind} {options}"))


def test_pools_over_channels() -> None:
    check(net("maxpool maxpool_depth=1 out_channels=2", shape=(6, 3, 5)))


@pytest.mark.parametrize(
    "layer",
    [
        "avgpool",
        "upsample",
        "upsample stride=3 scale=0.5",
        "crop crop_height=4 crop_width=5",
        "crop crop_height=7 crop_width=3 noadjust=1",
        "normalization",
        "normalization size=4 alpha=0.2 beta=0.5 kappa=2",
        "normalization size=1 alpha=0.01",
        "dropout probability=.5",
    ],
)
def test_layers(layer: str) -> None:
    check(net(CONV, layer))


@pytest.mark.parametrize("kind", ["reorg", "reorg3d"])
@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ("stride=2", (8, 4, 6)),
        ("stride=3", (9, 3, 6)),
        ("stride=2 reverse=1", (16, 3, 5)),
        ("stride=3 reverse=1", (81, 2, 1)),
    ],
)
def test_reorg(kind: str, options: str, shape: tuple[int, int, int]) -> None:
    check(net(f"{kind} {options}", shape=shape))


@pytest.mark.parametrize(
    "layers",
    [
        ["route layers=0"],
        ["route layers=-1,-2"],
        ["route layers=0,1 groups=2 group_id=1"],
        ["route layers=-2 groups=2"],
        ["maxpool size=2 stride=2", "route layers=0,2", "connected output=3"],
        ["connected output=4", "route layers=2,2 groups=2", "softmax"],
    ],
)
def test_routes(layers: list[str]) -> None:
    check(net(CONV, CONV, *layers))


@pytest.mark.parametrize(
    "layers",
    [
        ["avgpool", CONV.replace("size=3", "size=1"), "scale_channels from=0"],
        ["avgpool", "scale_channels from=0 activation=logistic"],
        [CONV.replace("filters=4", "filters=1"), "scale_channels from=0 scale_wh=1"],
        [CONV, "sam from=0 activation=leaky"],
        ["activation activation=tanh"],
        ["dropout", "cost type=sse"],
    ],
)
def test_products(layers: list[str]) -> None:
    check(net(CONV, *layers))


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        ("route layers=5", "names the layer 5, which does not come before it"),
        ("route layers=-9", "names the layer -9"),
        ("route", "has no layers="),
        ("route layers=0 groups=2", "does not fit"),
        ("maxpool size=2 padding=9", "windows of 2 lie outside"),
        ("reorg stride=2", "stride=2 does not divide 3 x 7 x 10"),
        ("sam from=1", "does not come before"),
        ("scale_channels from=0", "cannot be scaled"),
        ("crop crop_height=100 crop_width=1", "takes 100 x 1 out of 7 x 10"),
        ("upsample stride=16000000", "would give"),
        ("convolutional size=9", "would give 1 x -1 x 2"),
        ("convolutional filters=4 groups=3", "groups do not divide"),
    ],
)
def test_what_does_not_fit(layer: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        answers(net("activation activation=relu", layer), head() + bytes(1 << 16), X)
