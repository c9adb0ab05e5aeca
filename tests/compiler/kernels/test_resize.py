"""compiler/kernels/resize.py: plain images against their tables."""

import numpy as np
import pytest
from tvm import relax

from compiler.kernels.resampling import Sampling
from tests.compiler.kernels.harness import NARROW, WIDE, check, values

R = relax.op
COORDINATES = ("half_pixel", "align_corners", "asymmetric")


def resized(x: np.ndarray, sampling: Sampling, size: tuple[int, int]) -> np.ndarray:
    """By the tables, one axis after the other."""
    y = x.astype(np.float64)
    for axis, output in zip((2, 3), size, strict=True):
        places, shares = sampling.table(x.shape[axis], output)
        weights = np.ones(places.shape) if shares is None else shares
        y = np.moveaxis((np.moveaxis(y, axis, -1)[..., places] * weights).sum(-1), -1, axis)
    return y.astype(x.dtype)


@pytest.mark.parametrize("method", ["nearest_neighbor", "linear", "cubic"])
@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1, 3, 9, 20), (18, 40)),  # twice
        ((1, 3, 9, 11), (31, 37)),
        ((1, 2, 5, 33), (9, 70)),
        ((2, 3, 20, 41), (9, 20)),  # smaller: elements of two vectors
        ((1, 2, 19, 90), (7, 17)),  # ... and of more
        ((1, 1, 3, 3), (8, 9)),  # less than a vector
        ((1, 2, 1, 1), (5, 6)),
    ],
)
def test_sizes(shape: tuple[int, ...], size: tuple[int, int], method: str) -> None:
    x = values(shape)
    coordinates = COORDINATES[sum(shape) % 3]
    rounding = "floor" if method == "nearest_neighbor" else ""
    sampling = Sampling(method, coordinates, rounding, -0.75, False)

    def emit(a: relax.Var) -> relax.Expr:
        return R.image.resize2d(
            a,
            size=size,
            layout="NCHW",
            method=method,
            coordinate_transformation_mode=coordinates,
            rounding_method=rounding,
            cubic_alpha=-0.75,
        )

    check(emit, [x], resized(x, sampling, size), profiles=[NARROW, WIDE], tolerance=1e-5)


def test_what_follows_is_part_of_the_kernel() -> None:
    x, y, scale = values((2, 3, 5, 9)), values((2, 3, 10, 18)), values((3, 1, 1))
    sampling = Sampling("linear", "half_pixel", "", -0.75, False)

    def emit(a: relax.Var, b: relax.Var) -> relax.Expr:
        large = R.image.resize2d(a, size=(10, 18), layout="NCHW", method="linear")
        return R.nn.relu(R.add(R.multiply(large, relax.const(scale)), b))

    want = np.maximum(resized(x, sampling, (10, 18)) * scale + y, 0)
    check(emit, [x, y], want, profiles=[NARROW, WIDE], tolerance=1e-5)
