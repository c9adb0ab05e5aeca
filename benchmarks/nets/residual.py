"""ResNet (He et al. 2015, stride in the 3x3 as usual now) and ConvNeXt (Liu et al. 2022)."""

import torch
from torch import Tensor, nn

from benchmarks.nets.layers import Classifier, Residual, conv_norm

WIDTHS = (64, 128, 256, 512)


def resnet18() -> nn.Module:
    return _resnet((2, 2, 2, 2), bottleneck=False)


def resnet50() -> nn.Module:
    return _resnet((3, 4, 6, 3), bottleneck=True)


def convnext_tiny() -> nn.Module:
    widths, layers = (96, 192, 384, 768), []
    for stage, (width, depth) in enumerate(zip(widths, (3, 3, 9, 3), strict=True)):
        if stage == 0:
            layers += [nn.Conv2d(3, width, 4, 4), ChannelNorm(width)]
        else:
            layers += [ChannelNorm(widths[stage - 1]), nn.Conv2d(widths[stage - 1], width, 2, 2)]
        layers += [ConvNextBlock(width) for _ in range(depth)]
    head = [nn.AdaptiveAvgPool2d(1), ChannelNorm(768), nn.Flatten(1), nn.Linear(768, 1000)]
    return nn.Sequential(*layers, *head)


def _resnet(depths: tuple[int, ...], bottleneck: bool) -> nn.Module:
    layers = [conv_norm(3, 64, 7, 2, activation=nn.ReLU()), nn.MaxPool2d(3, 2, 1)]
    block, expansion = (_bottleneck, 4) if bottleneck else (_plain, 1)
    inputs = 64
    for stage, (width, depth) in enumerate(zip(WIDTHS, depths, strict=True)):
        for number in range(depth):
            stride = 2 if stage and not number else 1
            outputs = width * expansion
            body = block(inputs, width, outputs, stride)
            same = stride == 1 and inputs == outputs
            shortcut = None if same else conv_norm(inputs, outputs, 1, stride)
            layers.append(Residual(body, shortcut, nn.ReLU()))
            inputs = outputs
    return nn.Sequential(*layers, Classifier(inputs, 1000))


def _plain(inputs: int, width: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(
        conv_norm(inputs, width, 3, stride, activation=nn.ReLU()), conv_norm(width, outputs, 3)
    )


def _bottleneck(inputs: int, width: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(
        conv_norm(inputs, width, activation=nn.ReLU()),
        conv_norm(width, width, 3, stride, activation=nn.ReLU()),
        conv_norm(width, outputs),
    )


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of an image."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNextBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, 4 * width)
        self.activation = nn.GELU()
        self.project = nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.empty(width, 1, 1).uniform_(0.1, 0.5))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.project(self.activation(self.expand(y)))
        return x + self.scale * y.permute(0, 3, 1, 2)
