"""MobileNetV2 (Sandler et al. 2018), MobileNetV3 (Howard et al. 2019), EfficientNet (Tan and Le
2019) and ShuffleNetV2 (Ma et al. 2018): depthwise convolutions between 1x1 ones.
"""

import torch
from torch import Tensor, nn

from benchmarks.nets.layers import Classifier, Residual, SqueezeExcite, conv_norm


def mobilenet_v2() -> nn.Module:
    # Expansion, outputs, repeats, first stride: the paper's table 2.
    rows = (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
        (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    )  # fmt: skip
    layers, inputs = [conv_norm(3, 32, 3, 2, activation=nn.ReLU6())], 32
    for expansion, outputs, repeats, first in rows:
        for number in range(repeats):
            stride = 1 if number else first
            hidden = inputs * expansion
            layers.append(_inverted(inputs, hidden, outputs, 3, stride, nn.ReLU6(), None))
            inputs = outputs
    layers.append(conv_norm(inputs, 1280, activation=nn.ReLU6()))
    return nn.Sequential(*layers, Classifier(1280, 1000))


def mobilenet_v3_small() -> nn.Module:
    # Kernel, hidden, outputs, squeeze, hard swish, stride: the paper's table 2.
    rows = (
        (3, 16, 16, 8, False, 2), (3, 72, 24, 0, False, 2), (3, 88, 24, 0, False, 1),
        (5, 96, 40, 24, True, 2), (5, 240, 40, 64, True, 1), (5, 240, 40, 64, True, 1),
        (5, 120, 48, 32, True, 1), (5, 144, 48, 40, True, 1), (5, 288, 96, 72, True, 2),
        (5, 576, 96, 144, True, 1), (5, 576, 96, 144, True, 1),
    )  # fmt: skip
    layers, inputs = [conv_norm(3, 16, 3, 2, activation=nn.Hardswish())], 16
    for size, hidden, outputs, squeezed, hard, stride in rows:
        activation = nn.Hardswish() if hard else nn.ReLU()
        gate = SqueezeExcite(hidden, squeezed, nn.ReLU(), nn.Hardsigmoid()) if squeezed else None
        layers.append(_inverted(inputs, hidden, outputs, size, stride, activation, gate))
        inputs = outputs
    layers.append(conv_norm(96, 576, activation=nn.Hardswish()))
    return nn.Sequential(*layers, Classifier(576, 1024, 1000, activation=nn.Hardswish()))


def efficientnet_b0() -> nn.Module:
    # Expansion, kernel, outputs, repeats, first stride: the paper's table 1.
    rows = (
        (1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2),
        (6, 5, 112, 3, 1), (6, 5, 192, 4, 2), (6, 3, 320, 1, 1),
    )  # fmt: skip
    layers, inputs = [conv_norm(3, 32, 3, 2, activation=nn.SiLU())], 32
    for expansion, size, outputs, repeats, first in rows:
        for number in range(repeats):
            stride = 1 if number else first
            hidden = inputs * expansion
            gate = SqueezeExcite(hidden, inputs // 4, nn.SiLU(), nn.Sigmoid())
            layers.append(_inverted(inputs, hidden, outputs, size, stride, nn.SiLU(), gate))
            inputs = outputs
    layers.append(conv_norm(inputs, 1280, activation=nn.SiLU()))
    return nn.Sequential(*layers, Classifier(1280, 1000))


def shufflenet_v2() -> nn.Module:
    layers = [conv_norm(3, 24, 3, 2, activation=nn.ReLU()), nn.MaxPool2d(3, 2, 1)]
    inputs = 24
    for outputs, repeats in ((116, 4), (232, 8), (464, 4)):
        layers.append(ShuffleDown(inputs, outputs))
        layers += [ShuffleUnit(outputs) for _ in range(repeats - 1)]
        inputs = outputs
    layers.append(conv_norm(inputs, 1024, activation=nn.ReLU()))
    return nn.Sequential(*layers, Classifier(1024, 1000))


def _inverted(
    inputs: int,
    hidden: int,
    outputs: int,
    size: int,
    stride: int,
    activation: nn.Module,
    gate: nn.Module | None,
) -> nn.Module:
    """Expand, depthwise, gate, project; around it the shortcut where the shapes allow one."""
    parts = [conv_norm(inputs, hidden, activation=activation)] if hidden != inputs else []
    parts.append(conv_norm(hidden, hidden, size, stride, groups=hidden, activation=activation))
    parts += [gate] if gate else []
    body = nn.Sequential(*parts, conv_norm(hidden, outputs))
    return Residual(body) if stride == 1 and inputs == outputs else body


def _shuffle(x: Tensor) -> Tensor:
    """The channels of two groups, by turns."""
    batch, channels, height, width = x.shape
    pairs = x.view(batch, 2, channels // 2, height, width).transpose(1, 2)
    return pairs.reshape(batch, channels, height, width)


def _branch(inputs: int, width: int, stride: int) -> nn.Module:
    return nn.Sequential(
        conv_norm(inputs, width, activation=nn.ReLU()),
        conv_norm(width, width, 3, stride, groups=width),
        conv_norm(width, width, activation=nn.ReLU()),
    )


class ShuffleUnit(nn.Module):
    """Half of the channels pass, half are worked on."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = _branch(channels // 2, channels // 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, dim=1)
        return _shuffle(torch.cat((left, self.branch(right)), dim=1))


class ShuffleDown(nn.Module):
    """Half the image, both halves of the channels worked on."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        width = outputs // 2
        self.left = nn.Sequential(
            conv_norm(inputs, inputs, 3, 2, groups=inputs),
            conv_norm(inputs, width, activation=nn.ReLU()),
        )
        self.right = _branch(inputs, width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return _shuffle(torch.cat((self.left(x), self.right(x)), dim=1))
