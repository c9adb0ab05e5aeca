"""compiler/passes/channel_shuffle.py: which transpositions permute channels only."""

from pathlib import Path

import numpy as np
import pytest

from compiler.passes.channel_shuffle import channel_shuffle
from tests.compiler import nets


def shuffled(apart: list[int], perm: list[int], folder: Path, batch: int = 2) -> list[str]:
    shape = f"float[{batch}, 6, 3, 4]"
    body = f"a = Reshape(x, apart) b = Transpose <perm = {perm}> (a) y = Reshape(b, whole)"
    constants = {"apart": np.array(apart), "whole": np.array([batch, 6, 3, 4])}
    module = nets.load(nets.text(f"({shape} x) => ({shape} y)", body, constants), folder).module
    after = channel_shuffle(module)
    x = np.random.default_rng(0).standard_normal((batch, 6, 3, 4)).astype(np.float32)
    for got, want in zip(nets.evaluate(after, x), nets.evaluate(module, x), strict=True):
        np.testing.assert_array_equal(got, want)
    return nets.operators(after["main"])


@pytest.mark.parametrize("groups", [2, 3])
def test_groups_of_channels_change_places(groups: int, tmp_path: Path) -> None:
    found = shuffled([2, groups, 6 // groups, 3, 4], [0, 2, 1, 3, 4], tmp_path)
    assert found == ["relax.take"]


@pytest.mark.parametrize(
    ("apart", "perm", "batch"),
    [
        ([2, 2, 3, 3, 4], [0, 1, 2, 4, 3], 2),  # the image is turned
        ([2, 3, 2, 4, 3], [0, 2, 1, 3, 4], 2),  # the image has another shape
        ([2, 2, 6, 3, 4], [0, 2, 1, 3, 4], 4),  # batch is mixed in
    ],
)
def test_others_stay(apart: list[int], perm: list[int], batch: int, tmp_path: Path) -> None:
    assert "relax.permute_dims" in shuffled(apart, perm, tmp_path, batch)
