"""compiler/kernels/ahead.py: sizes. What it computes is tested in test_recurrent.py."""

import numpy as np
import pytest

from compiler.kernels.ahead import Ahead


@pytest.mark.parametrize(
    ("depth", "gates", "vectors", "rows", "across", "sound"),
    [
        (12, 4, 1, 8, 2, True),
        (12, 4, 1, 8, 3, False),  # a group has four vectors
        (12, 4, 1, 6, 1, False),  # six visits for four tiles
        (10, 4, 1, 8, 2, False),  # a quarter of ten
        (7, 4, 1, 4, 1, True),
        (12, 3, 1, 12, 1, True),
        (12, 4, 1, 64, 2, False),  # more steps than there are
        (10, 4, 2, 8, 2, True),
        (12, 4, 4, 16, 1, False),  # four vectors of two
    ],
)
def test_visits_make_whole_tiles(
    depth: int, gates: int, vectors: int, rows: int, across: int, sound: bool
) -> None:
    assert Ahead(50, depth, gates, 32, 16, vectors, rows, across).sound == sound


@pytest.mark.parametrize(
    ("steps", "stretches"),
    [
        (50, [(0, 40, 8), (40, 8, 2), (48, 2, 0)]),
        (48, [(0, 40, 8), (40, 8, 0)]),
        (9, [(0, 8, 1), (8, 1, 0)]),
        (8, [(0, 8, 0)]),
    ],
)
def test_every_step_but_the_first_are_made_beside_another(
    steps: int, stretches: list[tuple[int, int, int]]
) -> None:
    assert Ahead(steps, 12, 4, 32, 16, 1, 8, 2).stretches == stretches


@pytest.mark.parametrize("vectors", [1, 2])
def test_weights_of_a_tile_stand_together(vectors: int) -> None:
    sizes = Ahead(50, 3, 4, 32, 16, vectors, 8, 2)
    columns = np.arange(4 * 32).reshape(4, 2, 16)  # gate, vector of units, lane
    right = 1000 * np.arange(3)[:, None] + columns.reshape(-1)
    packed = sizes.pack(right).reshape(2 // vectors, 2 * vectors, 3, 2, 16)
    for group, number, k, n in np.ndindex(*packed.shape[:-1]):
        vector, gate = divmod(2 * number + n, 4)
        wanted = 1000 * k + columns[gate, group * vectors + vector]
        np.testing.assert_array_equal(packed[group, number, k, n], wanted)
