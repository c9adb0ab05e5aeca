"""What the data choose: its size is known at run time, and its upper bound before."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model, ModelError

Load = Callable[..., Model]
SOME = {"x": np.array([[0, 2, -1], [2, 0, 0.5]], np.float32)}
NONE = {"x": np.zeros((2, 3), np.float32)}
ALL = {"x": np.full((2, 3), 3, np.float32)}


@pytest.mark.parametrize("feeds", [SOME, NONE, ALL])
def test_non_zero(agrees: Load, feeds: dict[str, np.ndarray]) -> None:
    model = agrees("g (float[2,3] x) => (int64[] y) { y = NonZero(x) }", feeds=feeds)
    outputs = [(t.name, t.shape, t.dtype) for t in model.signature.outputs]
    assert outputs == [("y", (2, 6), "int64"), ("y:shape", (2,), "int64")]


@pytest.mark.parametrize("attributes", ["axis=0", "axis=-1"])
def test_compress(agrees: Load, attributes: str) -> None:
    """The condition is shorter than the second axis."""
    feeds = {"c": np.array([True, False])}
    text = f"g (float[2,3] x, bool[2] c) => (float[] y) {{ y = Compress<{attributes}>(x, c) }}"
    agrees(text, feeds=feeds)
    with pytest.raises(ModelError, match="9 conditions for"):
        agrees(text.replace("[2] c", "[9] c"), feeds=feeds)


@pytest.mark.parametrize("ordered", [0, 1])
@pytest.mark.parametrize("shape", ["2,3", "1", "6,2,2"])
def test_unique(agrees: Load, shape: str, ordered: int) -> None:
    axis = "axis=1, " if shape == "6,2,2" else ""
    kinds = "(int64[] y, int64[] i, int64[] j, int64[] c)"
    dims = [int(d) for d in shape.split(",")]
    feeds = {"x": np.random.default_rng(0).integers(0, 2, dims)}
    node = f"Unique<{axis}sorted={ordered}>(x)"
    agrees(f"g (int64[{shape}] x) => {kinds} {{ y, i, j, c = {node} }}", feeds=feeds)


@pytest.mark.parametrize(("limit", "bound"), [("", 0), ("m", 10), ("k", 4)])
def test_non_max_suppression(agrees: Load, limit: str, bound: int) -> None:
    rng = np.random.default_rng(0)
    feeds = {
        "b": rng.random((2, 10, 4), np.float32),
        "s": rng.random((2, 3, 10), np.float32),
        "m": np.array(3),
    }
    model = agrees(
        f"""g (float[2,10,4] b, float[2,3,10] s, int64 m) => (int64[] y)
        {{ y = NonMaxSuppression(b, s, {limit}, o) }}""",
        feeds=feeds,
        k=[4],
        o=np.float32(0.2),
    )
    assert model.signature.outputs[0].shape == (2 * 3 * bound, 3)
