"""compiler/kernels/scatter.py: updates at places that the data choose."""

import numpy as np
import pytest
from tvm import relax

from tests.compiler.kernels.harness import NARROW, Sizes, check, values

R = relax.op
Array = np.ndarray
RNG = np.random.default_rng(0)
REDUCTIONS = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def applied(data: Array, where: tuple[Array, ...], updates: Array, reduction: str) -> Array:
    out = data.astype(np.float64) if data.dtype.kind == "f" else data.copy()
    if reduction == "update":
        out[where] = updates
    else:
        REDUCTIONS[reduction].at(out, where, updates.astype(out.dtype))
    return out


@pytest.mark.parametrize("dtype", ["float32", "int64", "float16"])
@pytest.mark.parametrize(
    ("shape", "places", "axis"),
    [((3, 5, 7), (3, 2, 7), 1), ((3, 5, 7), (2, 5, 3), 2), ((6, 4), (9, 4), 0)],
)
def test_scatter_elements(shape: Sizes, places: Sizes, axis: int, dtype: str) -> None:
    x, updates = values(shape, dtype), values(places, dtype, 3)
    index = RNG.integers(-shape[axis], shape[axis], places)
    where = [np.asarray(i) for i in np.indices(places)]
    where[axis] = index % shape[axis]
    check(
        lambda a, i, u: tuple(R.scatter_elements(a, i, u, axis, r) for r in REDUCTIONS),
        [x, index, updates],
        *(applied(x, tuple(where), updates, r) for r in REDUCTIONS),
        profiles=[NARROW],
    )


def test_of_colliding_updates_the_last_wins() -> None:
    x, updates = values((4, 3)), values((9, 3), seed=3)
    index = np.tile(np.array([0, 2, 0])[:, None], (3, 3))
    want = x.copy()
    want[0], want[2] = updates[8], updates[7]
    check(lambda a, i, u: R.scatter_elements(a, i, u, 0), [x, index, updates], want)


def test_no_index_leaves_its_tensor() -> None:
    x, updates = values((3, 5)), values((1, 5))
    far = np.full((1, 5), 2**30)
    want = np.concatenate([x[:2], updates])
    check(lambda a, i, u: R.scatter_elements(a, i, u, 0), [x, far, updates], want)


@pytest.mark.parametrize(
    ("shape", "places"),
    [((5, 6), (7, 2)), ((8, 40), (3, 1)), ((4, 5, 300), (2, 3, 2)), ((4, 5, 3), (2, 2, 3))],
)
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_scatter_nd(shape: Sizes, places: Sizes, dtype: str) -> None:
    depth = places[-1]
    x, updates = values(shape, dtype), values((*places[:-1], *shape[depth:]), dtype, 3)
    total, count = int(np.prod(shape[:depth])), int(np.prod(places[:-1]))

    def coordinates(flat: Array) -> Array:
        return np.stack(np.unravel_index(flat, shape[:depth]), -1).reshape(places).astype(np.int64)

    many = coordinates(RNG.integers(0, total, count))
    once = coordinates(RNG.permutation(total)[:count])
    check(
        lambda a, m, o, u: (
            R.scatter_nd(a, o, u, "update"),
            *(R.scatter_nd(a, m, u, r) for r in REDUCTIONS),
        ),
        [x, many, once, updates],
        applied(x, tuple(np.moveaxis(once, -1, 0)), updates, "update"),
        *(applied(x, tuple(np.moveaxis(many, -1, 0)), updates, r) for r in REDUCTIONS),
    )
