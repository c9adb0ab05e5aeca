"""Images read at computed places, against ONNX Runtime or the reference evaluator."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from frontends.model import Model, ModelError

Agrees = Callable[..., Model]
GRID = np.random.default_rng(1).uniform(-1.6, 1.6, (2, 3, 5, 2)).astype(np.float32)


@pytest.mark.parametrize(
    ("mode", "padding", "align"),
    list(product(["nearest", "linear", "cubic"], ["zeros", "border", "reflection"], [0, 1])),
)
def test_grid_sample(agrees: Agrees, mode: str, padding: str, align: int) -> None:
    attributes = f'mode="{mode}", padding_mode="{padding}", align_corners={align}'
    agrees(
        "g (float[2,3,4,6] x, float[2,3,5,2] p) => (float[] y) "
        f"{{ y = GridSample<{attributes}>(x, p) }}",
        20,
        feeds={"p": GRID},
    )


ROIS = np.array([[0, 0, 9, 9], [0, 5, 4, 9], [5, 5, 9.5, 9.5]], np.float32)


LOOSE = ', coordinate_transformation_mode="output_half_pixel"'


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("attributes", ["", ", sampling_ratio=2", LOOSE])
def test_regions(agrees: Agrees, attributes: str, mode: str) -> None:
    agrees(
        "g (float[2,2,10,10] x) => (float[] y) { y = RoiAlign<output_height=4, output_width=3, "
        f'mode="{mode}", spatial_scale=1.1{attributes}>(x, r, i) }}',
        r=ROIS,
        i=[0, 1, 1],
    )


@pytest.mark.parametrize("scale", [1.0, 0.6])
def test_the_largest_pixel_of_each_bin(agrees: Agrees, scale: float) -> None:
    rois = [[0, 0, 0, 9, 9], [1, 2, 5, 4, 9], [1, 5, 5, 7, 5], [0, 9, 9, 3, 12]]
    agrees(
        "g (float[2,2,10,8] x, float[4,5] r) => (float[] y) "
        f"{{ y = MaxRoiPool<pooled_shape=[3,4], spatial_scale={scale}>(x, r) }}",
        feeds={"r": np.array(rois, np.float32)},
    )


def test_regions_that_decide_the_samples_must_be_known(load: Agrees) -> None:
    with pytest.raises(ModelError, match="rois must be a constant"):
        load(
            "g (float[1,1,4,4] x, float[2,4] r) => (float[] y) { y = RoiAlign(x, r, i) }", i=[0, 0]
        )


def test_deformable_convolution(agrees: Agrees) -> None:
    agrees(
        "g (float[2,4,6,5] x, float[2,36,4,3] o, float[2,18,4,3] m) => (float[] y) "
        "{ y = DeformConv<group=2, offset_group=2>(x, w, o, b, m) }",
        22,
        w=(6, 2, 3, 3),
        b=(6,),
    )
