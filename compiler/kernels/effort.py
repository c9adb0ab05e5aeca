"""How much a kernel has to do, whatever its template: what its time is measured against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

import numpy as np
from tvm import relax

from compiler.kernels.cells import CELLS, TAKING_INPUT
from compiler.kernels.operators import integers, shape_of
from compiler.kernels.template import Packing
from compiler.kernels.workload import Workload


def flops(work: Workload) -> int:
    """Multiplications and additions of the sums of products, of a convolution as its definition
    has them; 0 where there are none.
    """
    count = MULTIPLICATIONS.get(work.operator)
    return 2 * count(work.anchor) if count is not None and work.anchor is not None else 0


def moved_bytes(work: Workload, packing: Mapping[int, Packing]) -> int:
    """Every operand read once and the result written. Of an operand that the anchor does not read
    no more elements are needed than the result has.
    """
    elements = prod(work.output[0])
    total = elements * np.dtype(work.output[1]).itemsize
    for n, (shape, dtype) in enumerate(work.parameters[:-1]):
        size = prod(packing[n].shape if n in packing else shape)
        needed = size if n in work.anchor_parameters else min(size, elements)
        total += needed * np.dtype(dtype).itemsize
    return total


def _product(call: relax.Call) -> int:
    return prod(shape_of(call)) * shape_of(call.args[0])[-1]


def _viewed_product(call: relax.Call) -> int:
    return prod(integers(call.args[3]))


def _attention(call: relax.Call) -> int:
    """Both products; the exponentials are not counted."""
    batch, heads, rows, keys, depth, width, _ = integers(call.args[-2])
    return batch * heads * rows * keys * (depth + width)


def _convolution(call: relax.Call) -> int:
    weight = shape_of(call.args[1])
    out_channels = weight[str(call.attrs.kernel_layout).index("O")]
    return prod(shape_of(call)) * prod(weight) // out_channels


def _packed_convolution(call: relax.Call) -> int:
    """Without the lanes beyond the channels."""
    _, weight, _, _, _, channels = call.args[1:7]
    groups, in_channels, out_channels = integers(channels)
    batch, _, height, width, _ = shape_of(call)
    taps = prod(shape_of(weight)[1:3]) * in_channels // groups
    return batch * out_channels * height * width * taps


def _packed_depthwise(call: relax.Call) -> int:
    return prod(shape_of(call)) * prod(shape_of(call.args[2])[1:-1])


def _recurrence(call: relax.Call) -> int:
    """Every step's product of the state with the recurrent weights."""
    given, weight = (shape_of(operand) for operand in call.args[1:3])
    return given[0] * given[1] * prod(weight)


def _recurrence_of_input(call: relax.Call) -> int:
    """The input's product, too."""
    x, right, _, weight = (shape_of(operand) for operand in call.args[1:5])
    return x[0] * (prod(right) + prod(weight))


MULTIPLICATIONS: Mapping[str, Callable[[relax.Call], int]] = {
    "relax.matmul": _product,
    "neoc.matmul": _viewed_product,
    "neoc.attention": _attention,
    "relax.nn.conv2d": _convolution,
    "neoc.conv2d": _packed_convolution,
    "neoc.gathered_conv2d": _packed_convolution,
    "neoc.depthwise": _packed_depthwise,
    **dict.fromkeys(CELLS, _recurrence),
    **dict.fromkeys(TAKING_INPUT, _recurrence_of_input),
}
