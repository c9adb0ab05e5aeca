"""VGG (Simonyan and Zisserman 2014), SqueezeNet 1.1 (Iandola et al. 2016), DenseNet (Huang et al.
2016) and Inception v3 (Szegedy et al. 2015): chains, and branches that are concatenated.
"""

import torch
from torch import Tensor, nn

from benchmarks.nets.layers import Classifier, conv_norm


def vgg16() -> nn.Module:
    layers: list[nn.Module] = []
    inputs = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
        layers.append(nn.MaxPool2d(2))
    head = [nn.Linear(512 * 49, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(1), *head, nn.Linear(4096, 1000))


def squeezenet1_1() -> nn.Module:
    def fire(inputs: int, squeezed: int, width: int) -> nn.Module:
        three = nn.Sequential(nn.Conv2d(squeezed, width, 3, padding=1), nn.ReLU())
        one = nn.Sequential(nn.Conv2d(squeezed, width, 1), nn.ReLU())
        return nn.Sequential(nn.Conv2d(inputs, squeezed, 1), nn.ReLU(), Branches(one, three))

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    return nn.Sequential(
        nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(),
        fire(64, 16, 64), fire(128, 16, 64), pool(),
        fire(128, 32, 128), fire(256, 32, 128), pool(),
        fire(256, 48, 192), fire(384, 48, 192), fire(384, 64, 256), fire(512, 64, 256),
        nn.Conv2d(512, 1000, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(1),
    )  # fmt: skip


def densenet121() -> nn.Module:
    layers = [conv_norm(3, 64, 7, 2, activation=nn.ReLU()), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, depth in enumerate((6, 12, 24, 16)):
        if stage:
            layers += [*_norm_conv(channels, channels // 2, 1), nn.AvgPool2d(2)]
            channels //= 2
        for _ in range(depth):
            body = nn.Sequential(*_norm_conv(channels, 128, 1), *_norm_conv(128, 32, 3))
            layers.append(Branches(nn.Identity(), body))
            channels += 32
    return nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU(), Classifier(channels, 1000))


def inception_v3() -> nn.Module:
    return nn.Sequential(
        _conv(3, 32, 3, 2, 0), _conv(32, 32, 3, 1, 0), _conv(32, 64, 3), nn.MaxPool2d(3, 2),
        _conv(64, 80), _conv(80, 192, 3, 1, 0), nn.MaxPool2d(3, 2),
        _inception_a(192, 32), _inception_a(256, 64), _inception_a(288, 64), _inception_b(288),
        _inception_c(128), _inception_c(160), _inception_c(160), _inception_c(192),
        _inception_d(768), _inception_e(1280), _inception_e(2048), Classifier(2048, 1000),
    )  # fmt: skip


def _norm_conv(inputs: int, outputs: int, size: int) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
    return [nn.BatchNorm2d(inputs), nn.ReLU(), conv]


def _conv(
    inputs: int,
    outputs: int,
    size: int | tuple[int, int] = 1,
    stride: int = 1,
    padding: int | None = None,
) -> nn.Module:
    return conv_norm(inputs, outputs, size, stride, padding=padding, activation=nn.ReLU())


def _pooled(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(3, 1, 1), _conv(inputs, outputs))


def _inception_a(inputs: int, pooled: int) -> nn.Module:
    return Branches(
        _conv(inputs, 64),
        nn.Sequential(_conv(inputs, 48), _conv(48, 64, 5)),
        nn.Sequential(_conv(inputs, 64), _conv(64, 96, 3), _conv(96, 96, 3)),
        _pooled(inputs, pooled),
    )


def _inception_b(inputs: int) -> nn.Module:
    return Branches(
        _conv(inputs, 384, 3, 2, 0),
        nn.Sequential(_conv(inputs, 64), _conv(64, 96, 3), _conv(96, 96, 3, 2, 0)),
        nn.MaxPool2d(3, 2),
    )


def _inception_c(width: int) -> nn.Module:
    row, column = (1, 7), (7, 1)
    twice = [_conv(width, width, column), _conv(width, width, row), _conv(width, width, column)]
    return Branches(
        _conv(768, 192),
        nn.Sequential(_conv(768, width), _conv(width, width, row), _conv(width, 192, column)),
        nn.Sequential(_conv(768, width), *twice, _conv(width, 192, row)),
        _pooled(768, 192),
    )


def _inception_d(inputs: int) -> nn.Module:
    long = [_conv(inputs, 192), _conv(192, 192, (1, 7)), _conv(192, 192, (7, 1))]
    return Branches(
        nn.Sequential(_conv(inputs, 192), _conv(192, 320, 3, 2, 0)),
        nn.Sequential(*long, _conv(192, 192, 3, 2, 0)),
        nn.MaxPool2d(3, 2),
    )


def _inception_e(inputs: int) -> nn.Module:
    def fork() -> nn.Module:
        return Branches(_conv(384, 384, (1, 3)), _conv(384, 384, (3, 1)))

    return Branches(
        _conv(inputs, 320),
        nn.Sequential(_conv(inputs, 384), fork()),
        nn.Sequential(_conv(inputs, 448), _conv(448, 384, 3), fork()),
        _pooled(inputs, 192),
    )


class Branches(nn.Module):
    """All of them on the same image, their channels in a row."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)
