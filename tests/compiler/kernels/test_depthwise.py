"""compiler/kernels/depthwise.py: depthwise convolutions and packed pools."""

import numpy as np
import pytest
from tvm import relax

from compiler.passes.layout_plan import Estimates
from targets import Profile
from tests.compiler.kernels.harness import NARROW, WIDE, Sizes, check, values
from tests.compiler.kernels.references import conv2d, pool

R = relax.op
WINDOWS = [
    ((9, 7), (3, 3), (2, 2), (1, 1, 1, 1), (1, 1)),
    ((13, 31), (3, 2), (1, 2), (1, 0, 0, 1), (1, 1)),
    ((11, 10), (3, 3), (1, 1), (2, 2, 1, 1), (2, 2)),
    ((5, 5), (5, 5), (1, 1), (0, 0, 0, 0), (1, 1)),
    ((1, 29), (1, 5), (1, 2), (0, 2, 0, 2), (1, 1)),
]
profiles = pytest.mark.parametrize("profile", [NARROW, WIDE], ids=["8", "16"])
windows = pytest.mark.parametrize(("size", "kernel", "strides", "padding", "dilation"), WINDOWS)


@profiles
@windows
@pytest.mark.parametrize("seed", [None, 3])
def test_a_depthwise_convolution_computes_the_definition(
    size: Sizes,
    kernel: Sizes,
    strides: Sizes,
    padding: Sizes,
    dilation: Sizes,
    seed: int | None,
    profile: Profile,
) -> None:
    x, weight = values((2, 19, *size)), values((19, 1, *kernel))
    sizes = {"strides": strides, "padding": padding, "dilation": dilation}
    names = check(
        lambda a: R.nn.relu(R.nn.conv2d(a, relax.const(weight), groups=19, **sizes)),
        [x],
        np.maximum(conv2d(x, weight, strides, padding, dilation, 19), 0),
        profiles=[profile],
        seeds=[seed],
        tolerance=1e-5,
    )
    assert "depthwise" in names


@profiles
@windows
@pytest.mark.parametrize(("group", "groups"), [(2, 9), (4, 3)])
def test_groups_within_a_vector(
    size: Sizes,
    kernel: Sizes,
    strides: Sizes,
    padding: Sizes,
    dilation: Sizes,
    group: int,
    groups: int,
    profile: Profile,
) -> None:
    channels = group * groups
    x, weight = values((2, channels, *size)), values((channels, group, *kernel))
    sizes = {"strides": strides, "padding": padding, "dilation": dilation}
    names = check(
        lambda a: R.nn.relu(R.nn.conv2d(a, relax.const(weight), groups=groups, **sizes)),
        [x],
        np.maximum(conv2d(x, weight, strides, padding, dilation, groups), 0),
        profiles=[profile],
        seeds=[None, 1],
        tolerance=1e-5,
    )
    assert "depthwise" in names


@profiles
@windows
def test_packed_pools_compute_the_definition(
    size: Sizes,
    kernel: Sizes,
    strides: Sizes,
    padding: Sizes,
    dilation: Sizes,
    profile: Profile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Estimates, "transform", lambda *_: 0.0)  # of images of any size
    x, sizes = values((1, 24, *size)), (kernel, strides, padding, dilation)
    names = check(
        lambda a: (
            R.nn.max_pool2d(a, *sizes),
            R.nn.avg_pool2d(a, *sizes, count_include_pad=True),
            R.nn.avg_pool2d(a, *sizes, count_include_pad=False),
        ),
        [x],
        pool(x, *sizes),
        pool(x, *sizes, counted=True),
        pool(x, *sizes, counted=False),
        profiles=[profile],
    )
    assert names.count("pool") == 3
