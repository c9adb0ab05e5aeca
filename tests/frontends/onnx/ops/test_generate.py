"""Tensors made from numbers, and what must be known to make them."""

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest

from frontends.model import Model, ModelError

Load = Callable[..., Model]


def test_ranges_and_constants_are_known_at_import(agrees: Load) -> None:
    agrees(
        "g (float[4] x) => (float[] y) { r = Range(a, b, c) z = ConstantOfShape(s) "
        "y = Sum(x, r, z) }",
        a=np.float32(2),
        b=np.float32(-1.5),
        c=np.float32(-1),
        s=[4],
    )


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ("y = Range(x, a, b)", "start must be a constant"),
        ("y = MelWeightMatrix(x, a, a, b, b)", "num_mel_bins must be a constant"),
    ],
)
def test_what_decides_a_size_must_be_known(load: Load, node: str, words: str) -> None:
    text = f"g (float x) => (float[] y) {{ {node} }}"
    with pytest.raises(ModelError, match=words):
        load(text, a=np.float32(3), b=np.float32(1))


def test_narrow_constants_may_be_all_that_there_is(load: Load) -> None:
    one = np.asarray(1, ml_dtypes.bfloat16)
    model = load("g () => (bfloat16[] y) { y = Range(a, b, a) }", 27, a=one, b=one * 5)
    assert [(t.shape, t.dtype) for t in model.signature.outputs] == [((4,), "bfloat16")]


@pytest.mark.parametrize(
    "node", ["Bernoulli(x)", "RandomNormalLike(x)", "RandomUniform<shape=[2]>()"]
)
def test_random_values_are_refused_with_the_remedy(load: Load, node: str) -> None:
    with pytest.raises(ModelError, match="give them to it as an input"):
        load(f"g (float[2] x) => (float[] y) {{ r = {node} y = Add(x, r) }}")
