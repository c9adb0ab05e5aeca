"""kernels/geometry.py: which register tiles fit, and how a convolution's work is cut."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import targets
from compiler.kernels.geometry import Geometry, blocks, busiest, cycles, even, fits

AVX2, AVX512 = targets.get("ml_c4"), targets.get("ml_c5")
SHAPE = Geometry(
    batch=1,
    in_channels=64,
    height=56,
    width=56,
    block=8,
    panels=8,
    out_height=56,
    out_width=56,
    kernel=(3, 3),
    stride=(1, 1),
    padding=(1, 1),
    dilation=(1, 1),
    groups=1,
    out_channels=64,
    reach=64,
    lanes=8,
)
POINTWISE = replace(SHAPE, kernel=(1, 1), padding=(0, 0))


@given(extent=st.integers(1, 500), most=st.integers(1, 40))
def test_even_parts_cover_the_extent_and_differ_by_one_at_most(extent: int, most: int) -> None:
    parts = even(extent, most)
    assert sum(parts) == extent
    assert max(parts) <= most
    assert max(parts) - min(parts) <= 1


@given(size=st.integers(9, 80), groups=st.integers(1, 9), cores=st.integers(1, 70))
def test_blocks_cover_the_image_and_differ_by_one_at_most(
    size: int, groups: int, cores: int
) -> None:
    made = blocks(replace(POINTWISE, out_height=size, out_width=size), groups, cores)
    assert sum(made) == size * size
    assert max(made) - min(made) <= 1 and made[0] <= 64


def test_blocks_keep_all_cores_busy() -> None:
    fourteen = replace(POINTWISE, out_height=14, out_width=14)
    assert blocks(fourteen, 1, 2) == [49] * 4
    assert blocks(replace(POINTWISE, out_height=28, out_width=28), 1, 2) == [56] * 14


@pytest.mark.parametrize(
    ("tasks", "cores", "most"), [([5, 1, 1, 1], 2, 6), ([3, 3, 3, 1], 4, 3), ([2], 8, 2)]
)
def test_the_busiest_core_has_its_share(tasks: list[float], cores: int, most: float) -> None:
    assert busiest(np.array(tasks), cores) == most


def test_a_last_group_of_few_panels_costs_the_core_that_waits() -> None:
    """Ten panels in threes leave one core six of them."""
    small = replace(POINTWISE, out_height=7, out_width=7, panels=10, out_channels=80)
    assert cycles(small, 5, 2, AVX512) < cycles(small, 3, 2, AVX512)


@pytest.mark.parametrize(
    ("vectors", "columns", "avx2", "avx512"),
    [(2, 6, True, True), (3, 4, True, True), (2, 7, False, True), (2, 14, False, True),
     (2, 16, False, False), (4, 7, False, False), (4, 6, False, True), (1, 14, True, True)],
)  # fmt: skip
def test_a_tile_fits_if_accumulators_weights_and_broadcast_have_registers(
    vectors: int, columns: int, avx2: bool, avx512: bool
) -> None:
    assert fits(vectors, columns, AVX2) is avx2
    assert fits(vectors, columns, AVX512) is avx512


def test_a_small_image_is_written_out_and_a_pointwise_one_is_a_row() -> None:
    assert SHAPE.mode == "rows"
    assert replace(SHAPE, out_height=7, out_width=7).mode == "image"
    pointwise = replace(SHAPE, kernel=(1, 1), padding=(0, 0))
    assert pointwise.mode == "flat"
    assert pointwise.flat().out_width == 56 * 56
    assert replace(pointwise, stride=(2, 2), out_height=28, out_width=28).mode == "rows"


def test_panels_share_a_tile_only_within_a_group() -> None:
    grouped = replace(SHAPE, groups=4)  # 16 output channels a group: two panels
    assert grouped.in_one_group(2)
    assert not grouped.in_one_group(4)


def test_a_tile_that_hides_the_latency_costs_less() -> None:
    assert cycles(SHAPE, 2, 6, AVX2) < cycles(SHAPE, 1, 2, AVX2)


def test_with_little_depth_a_wider_panel_has_fewer_tasks_and_wins() -> None:
    shallow = replace(
        SHAPE, kernel=(1, 1), padding=(0, 0), in_channels=16, reach=16, panels=12, out_channels=96
    )
    assert cycles(shallow, 3, 4, AVX2) < cycles(shallow, 2, 6, AVX2)
