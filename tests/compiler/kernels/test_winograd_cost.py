"""kernels/winograd_cost.py: what is measured to be faster is estimated to be."""

from dataclasses import replace

import targets
from compiler.kernels.geometry import Geometry
from compiler.kernels.winograd_cost import estimate
from compiler.kernels.winograd_stages import Tiling

ONE = replace(targets.get("ml_c4"), cores=1)
TWO = replace(ONE, cores=2)


def square(channels: int, size: int) -> Geometry:
    return Geometry(
        batch=1,
        in_channels=channels,
        height=size,
        width=size,
        block=8,
        panels=channels // 8,
        out_height=size,
        out_width=size,
        kernel=(3, 3),
        stride=(1, 1),
        padding=(1, 1),
        dilation=(1, 1),
        groups=1,
        out_channels=channels,
        reach=channels,
        lanes=8,
    )


def test_wide_layers_beat_the_arithmetic_of_the_definition() -> None:
    shape = square(64, 56)
    assert estimate(Tiling(shape, 4, 12, 6, 2), False, ONE) < shape.flops / 32 / 2


def test_deep_small_images_take_small_tiles() -> None:
    shape = square(512, 7)
    costs = {tile: estimate(Tiling(shape, tile, 16, 4, 3), True, ONE) for tile in (2, 4, 6)}
    assert min(costs, key=lambda tile: costs[tile]) == 2


def test_two_cores_share_blocks_or_stages() -> None:
    shape = square(128, 28)
    for staged, block in ((True, 49), (False, 25)):
        tiling = Tiling(shape, 4, block, 5, 2)
        assert estimate(tiling, staged, TWO) < 0.7 * estimate(tiling, staged, ONE)
    one_block = Tiling(shape, 4, 50, 5, 2)
    assert estimate(one_block, False, TWO) > 0.9 * estimate(one_block, False, ONE)
