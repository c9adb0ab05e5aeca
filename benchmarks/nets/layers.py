"""Layers that several architectures are made of."""

from itertools import pairwise

from torch import Tensor, nn


def conv_norm(
    inputs: int,
    outputs: int,
    size: int | tuple[int, int] = 1,
    stride: int = 1,
    *,
    groups: int = 1,
    padding: int | tuple[int, int] | None = None,
    activation: nn.Module | None = None,
) -> nn.Sequential:
    """Convolution without bias, batch norm, activation. No padding given: the image keeps its size
    but for the stride."""
    if padding is None:
        padding = size // 2 if isinstance(size, int) else (size[0] // 2, size[1] // 2)
    layers = [
        nn.Conv2d(inputs, outputs, size, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([activation] if activation else []))


class Residual(nn.Module):
    """body(x) + shortcut(x), and an activation behind it if given."""

    def __init__(
        self,
        body: nn.Module,
        shortcut: nn.Module | None = None,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut or nn.Identity()
        self.activation = activation or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.body(x) + self.shortcut(x))


class SqueezeExcite(nn.Module):
    """Channels weighted by a small network of their means."""

    def __init__(self, channels: int, squeezed: int, inner: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.inner = inner
        self.expand = nn.Conv2d(squeezed, channels, 1)
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.expand(self.inner(self.squeeze(self.pool(x)))))


class Classifier(nn.Sequential):
    """The mean over the image, then linear layers with an activation between."""

    def __init__(self, *widths: int, activation: nn.Module | None = None) -> None:
        layers = [nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Linear(widths[0], widths[1])]
        for inputs, outputs in pairwise(widths[1:]):
            layers += [activation, nn.Linear(inputs, outputs)]
        super().__init__(*layers)
