"""compiler/kernels/moves.py: operators that only move elements."""

from typing import Any

import numpy as np
import pytest
from tvm import relax, tirx

from tests.compiler.kernels.harness import NARROW, check, values
from tests.compiler.kernels.references import conv2d

R = relax.op
X = values((2, 3, 5, 7))
RNG = np.random.default_rng(0)


def moved(emit: Any, inputs: list[np.ndarray], *want: np.ndarray) -> None:
    check(emit, inputs, *want, profiles=[NARROW])


def test_transposes() -> None:
    orders = [(0, 2, 3, 1), (0, 3, 1, 2), (3, 2, 1, 0), (1, 0, 2, 3), (0, 1, 3, 2)]
    wanted = [X.transpose(order) for order in orders]
    check(lambda a: tuple(R.permute_dims(a, list(o)) for o in orders), [X], *wanted)


def test_large_transposes() -> None:
    big = values((3, 64, 31, 33))
    check(lambda a: R.permute_dims(a, [0, 2, 3, 1]), [big], big.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("dtype", ["int64", "bool", "float16", "int8", "float64"])
def test_every_type_moves(dtype: str) -> None:
    z = values((2, 3, 5), dtype)
    moved(
        lambda a: (R.permute_dims(a, [2, 0, 1]), R.flip(a, 1), R.concat([a, R.flip(a, 2)], 1)),
        [z],
        z.transpose(2, 0, 1),
        z[:, ::-1],
        np.concatenate([z, z[..., ::-1]], 1),
    )


def test_reshapes_around_transposes() -> None:
    x = values((2, 16, 9, 11))
    want = x.reshape(2, 4, 4, 9, 11).transpose(0, 3, 1, 4, 2).reshape(2, 36, 44)

    def emit(a: relax.Var) -> relax.Expr:
        apart = R.permute_dims(R.reshape(a, (2, 4, 4, 9, 11)), [0, 3, 1, 4, 2])
        return R.reshape(apart, (2, 36, 44))

    moved(emit, [x], want)


def test_slices() -> None:
    moved(
        lambda a: (
            R.strided_slice(a, [2, 3], [1, 2], [5, 7], [2, 3]),
            R.strided_slice(a, [2, 3], [-1, -1], [-100, -100], [-1, -2]),
            R.strided_slice(a, [3], [5], [1], [-2]),
            R.strided_slice(a, [1, 3], [-2, -5], [-1, 100]),
        ),
        [X],
        X[:, :, 1:5:2, 2:7:3],
        X[:, :, ::-1, ::-2],
        X[:, :, :, 5:1:-2],
        X[:, -2:-1, :, -5:],
    )


def test_repetitions() -> None:
    moved(
        lambda a: (
            R.tile(a, (2, 1, 1, 3)),
            R.repeat(a, 3, 1),
            R.repeat(a, 2),
            R.broadcast_to(R.strided_slice(a, [1], [0], [1]), (2, 4, 5, 7)),
        ),
        [X],
        np.tile(X, (2, 1, 1, 3)),
        np.repeat(X, 3, 1),
        np.repeat(X, 2),
        np.broadcast_to(X[:, :1], (2, 4, 5, 7)),
    )
    v = values((5,))
    moved(lambda a: R.tile(a, (2, 3)), [v], np.tile(v, (2, 3)))


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_takes(dtype: str) -> None:
    places = np.array([[0, 2], [1, 1]], dtype)
    moved(
        lambda a, i: (R.take(a, i, axis=1, mode="clip"), R.take(a, i, axis=3, mode="clip")),
        [X, places],
        np.take(X, places.astype(np.int64), 1),
        np.take(X, places.astype(np.int64), 3),
    )


def test_no_index_leaves_its_tensor() -> None:
    wild = np.array([100, -100, 2**31 - 1, -(2**31), -1], np.int64)
    moved(lambda a, i: R.take(a, i, axis=1, mode="clip"), [X, wild], X[:, [2, 0, 2, 0, 2]])


def test_gathers() -> None:
    rows = RNG.integers(-3, 3, (2, 2, 5, 7))
    pairs = RNG.integers(0, 2, (4, 6, 2))
    inside = RNG.integers(0, 3, (2, 6, 1))
    moved(
        lambda a, i, j, k: (
            R.gather_elements(a, i, axis=1),
            R.gather_nd(a, j),
            R.gather_nd(a, k, batch_dims=1),
        ),
        [X, rows, pairs, inside],
        np.take_along_axis(X, rows, 1),
        X[pairs[..., 0], pairs[..., 1]],
        np.stack([X[n][inside[n, :, 0]] for n in range(2)]),
    )


def test_one_hot() -> None:
    places = np.array([[0, 2, 5], [1, 1, -1]], np.int64)
    on, off = tirx.const(1, "float32"), tirx.const(0, "float32")
    moved(
        lambda i: (R.one_hot(i, on, off, 4, -1), R.one_hot(i, on, off, 4, 1)),
        [places],
        (places[..., None] == np.arange(4)).astype(np.float32),
        (places[:, None] == np.arange(4)[None, :, None]).astype(np.float32),
    )


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_plain_images_resize(dtype: str) -> None:
    x = values((1, 2, 4, 5), dtype)
    size = {"size": (8, 10), "layout": "NCHW", "coordinate_transformation_mode": "asymmetric"}
    nearest = {"method": "nearest_neighbor", "rounding_method": "floor"}
    twice = x.repeat(2, 2).repeat(2, 3)
    first = np.arange(10) // 2
    middle = (x[..., first] + x[..., np.minimum(first + 1, 4)].astype(np.float64)) / 2
    rows = np.where(np.arange(10) % 2, middle, x[..., first])
    below = np.minimum(np.arange(8) // 2 + 1, 3)
    want = np.where(
        (np.arange(8) % 2)[:, None], (rows[:, :, np.arange(8) // 2] + rows[:, :, below]) / 2,
        rows[:, :, np.arange(8) // 2],
    )  # fmt: skip
    moved(
        lambda a: (
            R.image.resize2d(a, **size, **nearest),
            R.image.resize2d(a, **size, method="linear"),
        ),
        [x],
        twice,
        want,
    )


def test_packed_images_resize() -> None:
    x, w = values((2, 17, 5, 7)), values((17, 17, 1, 1))

    def emit(a: relax.Var) -> relax.Expr:
        y = R.nn.conv2d(a, relax.const(w))
        size = {"size": (10, 14), "layout": "NCHW", "method": "nearest_neighbor"}
        coordinates = {"coordinate_transformation_mode": "asymmetric", "rounding_method": "floor"}
        return R.nn.conv2d(R.image.resize2d(y, **size, **coordinates), relax.const(w))

    twice = conv2d(x, w).repeat(2, 2).repeat(2, 3)
    check(emit, [x], conv2d(twice, w), tolerance=1e-5)
