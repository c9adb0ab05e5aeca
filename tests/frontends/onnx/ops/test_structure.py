"""What only moves elements."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model, ModelError

Agrees = Callable[..., Model]

CASES = [
    ("x[2,3,4]", "y = Reshape(x, w)", {"w": [0, -1]}, 17),
    ("x[2,3,4]", "y = Reshape<shape=[4,6]>(x)", {}, 1),
    ("x[2,3,4]", "y = Flatten<axis=-1>(x)", {}, 13),
    ("x[2,3,4]", "y = Transpose(x)", {}, 17),
    ("x[2,3,4]", "y = Transpose<perm=[1,0,2]>(x)", {}, 17),
    ("x[1,3,1]", "y = Squeeze(x)", {}, 17),
    ("x[1,3,1]", "y = Squeeze<axes=[-1]>(x)", {}, 11),
    ("x[2,3]", "y = Unsqueeze(x, w)", {"w": [0, -1]}, 17),
    ("x[2,3]", "y = Unsqueeze<axes=[1]>(x)", {}, 11),
    ("x[2,3]", "y = Concat<axis=-1>(x, x, w)", {"w": (2, 4)}, 17),
    ("x[7,3]", "a, b, c = Split(x, w) y = Concat<axis=0>(c, a, b)", {"w": [2, 4, 1]}, 17),
    ("x[6,3]", "a, b = Split<axis=0>(x) y = Sub(a, b)", {}, 11),
    ("x[7,3]", "a, b = Split<num_outputs=2>(x) c = Concat<axis=0>(b, a) y = Neg(c)", {}, 18),
    ("x[5,6]", "y = Slice(x, a, b, c, d)", {"a": [-1], "b": [-9], "c": [1], "d": [-2]}, 17),
    ("x[5,2]", "y = Slice(x, a, b, c, d)", {"a": [-3], "b": [-3], "c": [1], "d": [-1]}, 17),
    ("x[5,6]", "y = Slice(x, a, b)", {"a": [1, -9], "b": [99, -1]}, 17),
    ("x[5,6]", "y = Slice<starts=[1,0], ends=[9,-1]>(x)", {}, 9),
    ("x[5,6]", "y = Slice(x, a, b, c, d)", {"a": [0], "b": [6], "c": [-1], "d": [4]}, 17),
    ("x[3,1]", "y = Expand(x, w)", {"w": [2, 1, 4]}, 17),
    ("x[2,3]", "y = Tile(x, w)", {"w": [2, 3]}, 17),
    ("x[3,4]", "y = Pad(x, w)", {"w": [0, 1, 2, 3]}, 17),
    ("x[3,4]", "y = Pad(x, w, v)", {"w": [0, -1, 2, 1], "v": np.float32(2.5)}, 17),
    ("x[3,4]", 'y = Pad<mode="reflect">(x, w)', {"w": [1, 1, 2, 3]}, 17),
    ("x[3,4]", 'y = Pad<mode="edge">(x, w)', {"w": [1, 1, 2, 3]}, 17),
    ("x[3,4]", 'y = Pad<pads=[0,1,2,3], value=1.5>(x)', {}, 10),
    ("x[1,8,2,3]", "y = DepthToSpace<blocksize=2>(x)", {}, 17),
    ("x[1,8,2,3]", 'y = DepthToSpace<blocksize=2, mode="CRD">(x)', {}, 17),
    ("x[1,2,4,6]", "y = SpaceToDepth<blocksize=2>(x)", {}, 17),
    ("x[2,4,5]", "y = Trilu<upper=0>(x, k)", {"k": 1}, 17),
    ("x[2,4,5]", "y = Trilu(x)", {}, 17),
]  # fmt: skip


@pytest.mark.parametrize(("x", "nodes", "constants", "opset"), CASES)
def test_structure(
    agrees: Agrees, x: str, nodes: str, constants: dict[str, object], opset: int
) -> None:
    dims = x.removeprefix("x")
    agrees(f"g (float{dims} x) => (float[] y) {{ {nodes} }}", opset, **constants)


def test_a_reshape_that_does_not_fit_is_refused(load: Agrees) -> None:
    with pytest.raises(ModelError, match=r"\[2, 3\] cannot take the shape \[4, 2\]"):
        load("g (float[2,3] x) => (float[] y) { y = Reshape(x, w) }", w=[4, 2])


def test_a_computed_shape_is_refused(load: Agrees) -> None:
    with pytest.raises(ModelError, match="the new shape must be a constant"):
        load("g (float[2,3] x, int64[1] w) => (float[] y) { y = Reshape(x, w) }")
