"""compiler/kernels/ahead.py: sizes. What it computes is tested in test_recurrent.py."""

import numpy as np
import pytest

from compiler.kernels.ahead import Ahead


@pytest.mark.parametrize(
    ("depth", "gates", "rows", "across", "sound"),
    [
        (12, 4, 8, 2, True),
        (12, 4, 8, 3, False),  # a group has four vectors
        (12, 4, 6, 1, False),  # six visits for four tiles
        (10, 4, 8, 2, False),  # a quarter of ten
        (7, 4, 4, 1, True),
        (12, 3, 12, 1, True),
        (12, 4, 64, 2, False),  # more steps than there are
    ],
)
def test_visits_make_whole_tiles(
    depth: int, gates: int, rows: int, across: int, sound: bool
) -> None:
    assert Ahead(50, depth, gates, 32, 16, rows, across).sound == sound


def test_weights_of_a_tile_stand_together() -> None:
    sizes = Ahead(50, 3, 4, 32, 16, 8, 2)
    columns = np.arange(4 * 32).reshape(4, 2, 16)  # gate, group, lane
    right = 1000 * np.arange(3)[:, None] + columns.reshape(-1)
    packed = sizes.pack(right).reshape(2, 2, 3, 2, 16)
    for group, number, k, vector in np.ndindex(2, 2, 3, 2):
        wanted = 1000 * k + columns[2 * number + vector, group]
        np.testing.assert_array_equal(packed[group, number, k, vector], wanted)
