"""compiler/kernels/suppress.py: boxes that overlap a better one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import relax

from compiler.passes.rewriter import own
from targets import Profile
from tests.compiler.kernels.harness import NARROW, WIDE, Array, check
from tests.compiler.kernels.references import suppressed


def agrees(profile: Profile, boxes: Array, scores: Array, limit: int, *how: int) -> None:
    """Scores of one digit: many are equal."""
    overlap, threshold = (np.array([v], np.float32) for v in (0.3, 0.25))
    most = np.array([limit], np.int64)
    settings_ = relax.ShapeExpr(how)
    shape = (*scores.shape[:2], how[0])
    wanted = suppressed(boxes, scores, most, overlap, threshold, how)
    check(
        lambda *a: own("neoc.suppress", [*a, settings_], shape, "int64"),
        [boxes, scores, most, overlap, threshold],
        wanted,
        profiles=[profile],
    )


@settings(max_examples=6, deadline=None)
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 60)),
    st.integers(1, 20),
    st.integers(0, 9),
    st.booleans(),
    st.booleans(),
)
def test_any_boxes(
    sizes: tuple[int, int, int], most: int, limit: int, centred: bool, filtered: bool
) -> None:
    images, classes, count = sizes
    rng = np.random.default_rng([*sizes, most])
    boxes = rng.integers(0, 9, (images, count, 4)).astype(np.float32)
    scores = np.round(rng.random((images, classes, count)), 1).astype(np.float32)
    agrees(WIDE, boxes, scores, limit, min(most, count), int(centred), int(filtered))


@pytest.mark.parametrize("profile", [NARROW, WIDE])
def test_many_boxes(profile: Profile) -> None:
    rng = np.random.default_rng(0)
    boxes = rng.random((1, 700, 4)).astype(np.float32)
    scores = rng.random((1, 2, 700)).astype(np.float32)
    agrees(profile, boxes, scores, 100, 100, 0, 1)
