"""Whole networks."""

import random

import numpy as np
import pytest

from frontends.darknet import cfg, network
from frontends.darknet.weights import Weights
from frontends.model import ModelError
from tests.frontends.darknet.judge import answers, check, drawn, net
from tests.frontends.darknet.reference import head


def conv(filters: int, size: int = 3, stride: int = 1, activation: str = "leaky") -> str:
    norm = "" if activation == "linear" else "batch_normalize=1 "
    return (
        f"convolutional {norm}filters={filters} size={size} stride={stride} pad=1 "
        f"activation={activation}"
    )


YOLO3 = net(
    conv(4), conv(8, stride=2), conv(4, 1), conv(8), "shortcut from=-3 activation=linear",
    conv(8, stride=2), conv(8, 1), conv(18, 1, activation="linear"),
    "yolo mask=3,4,5 classes=1 num=6 anchors=1,2,3,4,5,6,7,8,9,10,11,12 ignore_thresh=.7",
    "route layers=-3", conv(4, 1), "upsample stride=2", "route layers=-1,4", conv(8),
    conv(18, 1, activation="linear"), "yolo mask=0,1,2 classes=1 num=6 random=1",
    shape=(3, 16, 24),
)  # fmt: skip
YOLO4_TINY = net(
    conv(4, stride=2), conv(8), "route layers=-1 groups=2 group_id=1", conv(4), conv(4),
    "route layers=-1,-2", conv(8, 1), "route layers=-6,-1", "maxpool size=2 stride=2",
    conv(8), "maxpool size=5 stride=1", "route layers=-2", "maxpool size=9 stride=1",
    "route layers=-1,-3,-4", conv(24, 1, activation="linear"),
    "yolo mask=0,1,2 classes=3 num=3 scale_x_y=1.05 iou_loss=ciou nms_kind=greedynms",
    shape=(3, 24, 20),
)  # fmt: skip
SQUEEZE = net(
    conv(8, activation="swish"), "avgpool", conv(8, 1, activation="logistic"),
    "scale_channels from=0", "avgpool", "connected output=5 activation=linear", "softmax",
    "cost type=sse",
)  # fmt: skip


@pytest.mark.parametrize("text", [YOLO3, YOLO4_TINY, SQUEEZE])
@pytest.mark.parametrize("batch", [1, 2])
def test_networks(text: str, batch: int) -> None:
    check(text, batch)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (YOLO3, ["yolo_8", "yolo_15"]),
        (SQUEEZE, ["softmax_6"]),
        (net("avgpool", "cost"), ["avgpool_0"]),
        (net("softmax", "connected output=1"), ["softmax_0", "connected_1"]),
    ],
)
def test_names_of_outputs(text: str, names: list[str]) -> None:
    made, x = drawn(text)
    assert list(answers(text, head() + made.weights(), x)) == names


def test_weights_of_another_network() -> None:
    made, x = drawn(YOLO3)
    data = head() + made.weights()
    with pytest.raises(ModelError, match=r"1 are left over\. Give the file that belongs"):
        answers(YOLO3, data + bytes(4), x)
    with pytest.raises(ModelError, match=r"Layer 14 \(\[convolutional\], line \d+\): it needs 144"):
        answers(YOLO3, data[:-4], x)


def test_nothing_but_cost() -> None:
    with pytest.raises(ModelError, match="no layer but"):
        answers(net("cost"), head(), np.zeros((1, 3, 4, 4), np.float32))


def test_no_size() -> None:
    with pytest.raises(ModelError, match="neither width, height and channels nor inputs"):
        network.input_dims(cfg.read(b"[net]\nwidth=3\n[cost]\n")[0])


def test_broken_files_are_refused_or_read() -> None:
    made, x = drawn(YOLO4_TINY)
    data, rng = head() + made.weights(), random.Random(0)
    for _ in range(150):
        text = bytearray(YOLO4_TINY.encode())
        for _ in range(3):
            text[rng.randrange(len(text))] = rng.randrange(256)
        try:
            sections = cfg.read(bytes(text))
            network.check(sections)
            network.model(sections, Weights(data[: rng.randrange(2 * len(data))]), x.shape)
        except ModelError:
            continue
