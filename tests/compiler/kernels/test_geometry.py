"""kernels/geometry.py: which register tiles fit, and how a convolution's work is cut."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import targets
from compiler.kernels.geometry import Geometry, cycles, even, fits

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


@given(extent=st.integers(1, 500), most=st.integers(1, 40))
def test_even_parts_cover_the_extent_and_differ_by_one_at_most(extent: int, most: int) -> None:
    parts = even(extent, most)
    assert sum(parts) == extent
    assert max(parts) <= most
    assert max(parts) - min(parts) <= 1


@pytest.mark.parametrize(
    ("vectors", "columns", "avx2", "avx512"),
    [(2, 6, True, True), (3, 4, True, True), (2, 7, False, True), (2, 14, False, True),
     (2, 16, False, False), (4, 7, False, True), (1, 14, True, True)],
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
