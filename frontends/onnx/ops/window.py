"""The sliding window that convolution and pooling share: padding resolved to plain numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from frontends.model import ModelError


@dataclass(frozen=True)
class Window:
    """Per spatial axis. `before` and `after` pad so that a floored division gives `output`; of
    `after`, `asked` is what the model asks for, and the rest what rounding up needs.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    output: tuple[int, ...]
    asked: tuple[int, ...]


def per_axis(value: Sequence[int], axes: int, default: int, what: str) -> tuple[int, ...]:
    """An attribute with one number an axis, or its default."""
    if not value:
        return (default,) * axes
    if len(value) != axes:
        raise ModelError(f"attribute {what} has {len(value)} numbers for {axes} spatial dimensions")
    if default == 1 and min(value) < 1:
        raise ModelError(f"attribute {what} must be positive, but is {list(value)}")
    return tuple(value)


def resolve(
    spatial: Sequence[int],
    kernel: Sequence[int],
    *,
    strides: Sequence[int] = (),
    dilations: Sequence[int] = (),
    pads: Sequence[int] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
) -> Window:
    """`pads` holds all begins, then all ends, as in ONNX. Source: ONNX Conv-11, MaxPool-22."""
    axes = len(spatial)
    strides = per_axis(strides, axes, 1, "strides")
    dilations = per_axis(dilations, axes, 1, "dilations")
    if len(kernel) != axes:
        raise ModelError(f"a kernel of {len(kernel)} dimensions slides over {axes}")
    if pads and len(pads) != 2 * axes:
        raise ModelError(f"attribute pads has {len(pads)} numbers for {axes} spatial dimensions")
    if auto_pad not in AUTO_PAD:
        raise ModelError(f"attribute auto_pad is '{auto_pad}'; known are {sorted(AUTO_PAD)}")
    taps = list(kernel)
    rows = []
    for i, size in enumerate(spatial):
        span = (taps[i] - 1) * dilations[i] + 1
        begin, end = (pads[i], pads[axes + i]) if pads and auto_pad == "NOTSET" else (0, 0)
        if auto_pad.startswith("SAME"):
            output = -(-size // strides[i])
            total = max(0, (output - 1) * strides[i] + span - size)
            begin = (total + 1) // 2 if auto_pad == "SAME_LOWER" else total // 2
            end = total - begin
        padded = size + begin + end
        if ceil_mode and padded < span < padded + strides[i]:
            # rounding up leaves one window, which ends with the padded input
            taps[i] = (padded - 1) // dilations[i] + 1
            span = (taps[i] - 1) * dilations[i] + 1
        rows.append((begin, *_axis(size, span, strides[i], begin, end, bool(ceil_mode)), end))
    before, after, output_sizes, asked = zip(*rows, strict=True)
    return Window(tuple(taps), strides, dilations, before, after, output_sizes, asked)


AUTO_PAD = frozenset(["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])


def _axis(size: int, span: int, stride: int, begin: int, end: int, ceil: bool) -> tuple[int, int]:
    """(end, positions); with `ceil` the end grows until the last window fits."""
    room = size + begin + end - span
    if room < 0:
        raise ModelError(f"a window of {span} does not fit {size} elements padded to {room + span}")
    positions = room // stride + 1
    if ceil and room % stride and positions * stride < size + begin:
        positions += 1  # one more window, as it starts before the end padding
        end = (positions - 1) * stride + span - size - begin
    return end, positions
