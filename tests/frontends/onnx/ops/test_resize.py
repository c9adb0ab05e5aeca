"""Resize in every mode, up and down, by scales and by sizes."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from compiler.kernels.resampling import Sampling
from frontends.model import Model
from frontends.onnx.ops.resize import COORDINATES, NEAREST, SAME_IN_RELAX, Axis, _repeated

Agrees = Callable[..., Model]

NAMES = "align_corners asymmetric half_pixel pytorch_half_pixel half_pixel_symmetric".split()


@pytest.mark.parametrize("scales", [[1, 1, 2, 3], [1, 1, 0.6, 2.5]])
@pytest.mark.parametrize("coordinates", NAMES)
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_scales(agrees: Agrees, mode: str, coordinates: str, scales: list[float]) -> None:
    if coordinates == "half_pixel_symmetric" and mode == "cubic":
        pytest.skip("ONNX Runtime differs from the definition")
    attributes = f'mode="{mode}", coordinate_transformation_mode="{coordinates}"'
    text = f"g (float[1,2,5,6] x) => (float[] y) {{ y = Resize<{attributes}>(x, , s) }}"
    agrees(text, 19, s=np.array(scales, np.float32), tolerance=1e-3)


@pytest.mark.parametrize("nearest", "ceil floor round_prefer_ceil round_prefer_floor".split())
def test_nearest(agrees: Agrees, nearest: str) -> None:
    text = (
        f'g (float[1,2,5,6] x) => (float[] y) {{ y = Resize<nearest_mode="{nearest}">(x, , , w) }}'
    )
    agrees(text, w=[1, 2, 8, 4])


def test_sizes_of_one_axis_with_antialias(agrees: Agrees) -> None:
    node = 'y = Resize<mode="linear", antialias=1, axes=[2]>(x, , , w)'
    agrees(f"g (float[1,2,9] x) => (float[] y) {{ {node} }}", 18, w=[4], tolerance=1e-3)


@pytest.mark.parametrize("opset", [9, 10])
def test_upsampling_of_old_opsets(load: Agrees, opset: int) -> None:
    op = "Upsample" if opset == 9 else "Resize"
    model = load(
        f'g (float[1,2,5,6] x) => (float[] y) {{ y = {op}<mode="nearest">(x, s) }}',
        opset,
        s=np.array([1, 1, 2, 2], np.float32),
    )
    assert model.signature.outputs[0].shape == (1, 2, 10, 12)


@pytest.mark.parametrize("scales", [[1, 1, 0.6, 0.45], [1, 1, 1.4, 0.3], [1, 1, 2.3, 1]])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resizing_of_opset_10(agrees: Agrees, mode: str, scales: list[float]) -> None:
    text = f'g (float[1,1,7,10] x) => (float[] y) {{ y = Resize<mode="{mode}">(x, s) }}'
    agrees(text, 10, s=np.array(scales, np.float32))


@pytest.mark.parametrize(("scale", "length"), [(0.7, 7), (1.3, 13), (2.3, 23), (0.69, 6)])
def test_lengths_are_computed_in_single_precision(
    agrees: Agrees, scale: float, length: int
) -> None:
    model = agrees(
        "g (float[1,1,1,10] x) => (float[] y) { y = Resize(x, , s) }",
        s=np.array([1, 1, 1, scale], np.float32),
    )
    assert model.signature.outputs[0].shape == (1, 1, 1, length)


def test_a_whole_factor_is_resize2d(load: Agrees) -> None:
    attributes = 'nearest_mode="floor", coordinate_transformation_mode="asymmetric"'
    text = f"g (float[1,2,5,6] x) => (float[] y) {{ y = Resize<{attributes}>(x, , s) }}"
    model = load(text, s=np.array([1, 1, 2, 2], np.float32))
    assert "relax.image.resize2d" in str(model.module["main"].body.blocks[0].bindings[0].value.op)


@pytest.mark.parametrize("nearest", NEAREST)
@pytest.mark.parametrize("coordinates", SAME_IN_RELAX)
def test_resize2d_repeats_what_the_importer_says(coordinates: str, nearest: str) -> None:
    """The importer knows no compiler: it has the kernels' formulas a second time."""
    named = Sampling("nearest_neighbor", SAME_IN_RELAX[coordinates], nearest, -0.75, False)
    for length, output in itertools.product(range(1, 24), range(1, 40)):
        axis = Axis(length, output, output / length)
        known = _repeated(axis, SAME_IN_RELAX[coordinates], nearest)
        places = named.table(length, output)[0][:, 0]
        np.testing.assert_array_equal(known[known >= 0], places[known >= 0])


@pytest.mark.parametrize(
    ("nearest", "size", "named"),
    [
        ("floor", [13, 17], True),
        ("round_prefer_floor", [10, 12], True),  # a tie, but as floor would have it
        ("ceil", [9, 11], False),  # 2 of 4 fifths is a last digit away from another element
    ],
)
def test_other_factors_are_resize2d(
    agrees: Agrees, nearest: str, size: list[int], named: bool
) -> None:
    attributes = f'nearest_mode="{nearest}", coordinate_transformation_mode="asymmetric"'
    text = f"g (float[1,2,5,6] x) => (float[] y) {{ y = Resize<{attributes}>(x, , , w) }}"
    model = agrees(text, w=[1, 2, *size])
    assert ("image.resize2d" in str(model.module["main"])) == named


def test_corners_lie_where_a_scale_puts_them() -> None:
    """As the standard has it; ONNX Runtime takes the last element for the corner."""
    places = COORDINATES["align_corners"]
    np.testing.assert_allclose(places(np.arange(2.0), Axis(4, 2, 0.6)), [0, 3 / 1.4])
    np.testing.assert_allclose(places(np.arange(2.0), Axis(4, 2, 0.5)), [0, 3])


def test_what_is_known_is_resized_likewise(agrees: Agrees) -> None:
    """The standard's evaluator takes another place for the one element of an axis."""
    node = 'Resize<mode="cubic", coordinate_transformation_mode="pytorch_half_pixel">(c, , , w)'
    c = np.arange(60, dtype=np.float32).reshape(1, 2, 5, 6) ** 2
    text = f"g (float[1,2,1,9] x) => (float[1,2,1,9] y) {{ r = {node} y = Add(x, r) }}"
    agrees(text, 18, c=c, w=[1, 2, 1, 9])
