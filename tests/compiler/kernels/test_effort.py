"""What a kernel has to do: counted by hand for a few networks."""

from pathlib import Path

import numpy as np
import pytest

from compiler.kernels.effort import flops, moved_bytes
from compiler.lowered import Kernel
from tests.compiler import nets

CONV = "(float[1,{i},8,8] x) => (float[1,{o},8,8] y)"
PADDED = "Conv<pads = [1,1,1,1], group = {groups}>(x, w)"


def anchored(text: str, folder: Path) -> list[Kernel]:
    lowered = nets.lower(nets.load(text, folder))
    return [kernel for kernel in lowered.kernels.values() if kernel.work.anchor is not None]


@pytest.mark.parametrize(("inputs", "outputs", "groups"), [(3, 16, 1), (5, 7, 1), (32, 32, 2)])
def test_a_convolution_counts_its_channels_and_no_lanes_beyond(
    inputs: int, outputs: int, groups: int, tmp_path: Path
) -> None:
    weight = np.ones((outputs, inputs // groups, 3, 3), np.float32)
    body = f"y = {PADDED.format(groups=groups)}"
    text = nets.text(CONV.format(i=inputs, o=outputs), body, {"w": weight})
    found = [flops(kernel.work) for kernel in anchored(text, tmp_path)]
    assert sum(found) == 2 * 8 * 8 * outputs * inputs // groups * 9


def test_a_depthwise_convolution(tmp_path: Path) -> None:
    weight = np.ones((16, 1, 3, 3), np.float32)
    text = nets.text(CONV.format(i=16, o=16), f"y = {PADDED.format(groups=16)}", {"w": weight})
    [kernel] = [k for k in anchored(text, tmp_path) if flops(k.work)]
    assert flops(kernel.work) == 2 * 16 * 8 * 8 * 9
    assert moved_bytes(kernel.work, kernel.packing) == 4 * (2 * 16 * 8 * 8 + 16 * 9)


def test_products_of_inputs_and_with_constants(tmp_path: Path) -> None:
    signature = "(float[5,6] x, float[6,7] z) => (float[5,7] y)"
    [kernel] = anchored(nets.text(signature, "y = MatMul(x, z)"), tmp_path)
    assert flops(kernel.work) == 2 * 5 * 6 * 7
    assert moved_bytes(kernel.work, kernel.packing) == 4 * (5 * 6 + 6 * 7 + 5 * 7)
    weight = np.ones((6, 16), np.float32)
    text = nets.text("(float[5,6] x) => (float[5,16] y)", "y = MatMul(x, w)", {"w": weight})
    assert [flops(k.work) for k in anchored(text, tmp_path)] == [2 * 5 * 6 * 16]


@pytest.mark.parametrize(("steps", "units", "kernels"), [(5, 16, 2), (20, 128, 1)])
def test_a_recurrent_layer_counts_its_inputs_share_and_its_steps(
    steps: int, units: int, kernels: int, tmp_path: Path
) -> None:
    gates = 4 * units
    weights = {"w": np.ones((1, gates, 8), np.float32), "r": np.ones((1, gates, units), np.float32)}
    body = f"y, h, c = LSTM<hidden_size = {units}>(x, w, r)"
    signature = f"(float[{steps},1,8] x) => (float[{steps},1,1,{units}] y)"
    text = nets.text(signature, body, weights)
    found = [flops(kernel.work) for kernel in anchored(text, tmp_path)]
    assert len(found) == kernels
    assert sum(found) == 2 * steps * (8 * gates + units * gates)


def test_a_table_is_read_only_where_it_is_looked_up(tmp_path: Path) -> None:
    table = np.ones((100, 4), np.float32)
    text = nets.text("(int64[3] x) => (float[3,4] y)", "y = Gather(t, x)", {"t": table})
    kernels = nets.lower(nets.load(text, tmp_path)).kernels.values()
    [kernel] = [kernel for kernel in kernels if kernel.work.output[1] == "float32"]
    assert flops(kernel.work) == 0
    assert moved_bytes(kernel.work, kernel.packing) == 4 * 12 + 4 * 12 + 8 * 3
