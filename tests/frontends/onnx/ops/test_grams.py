"""Counts of n-grams against ONNX Runtime."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frontends.model import Model, ModelError

Agrees = Callable[..., Model]
POOL = "pool_int64s=[2,3,5,4,5,6,7,8,6,7], ngram_counts=[0,4], ngram_indexes=[0,2,1,3,4,6,5]"
WEIGHTS = "weights=[0.5,1.5,2.5,3.5,4.5,5.5,6.5]"


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(["12", "3,12", "2,2", "1"]),
    st.sampled_from(["int32", "int64"]),
    st.sampled_from(["TF", "IDF", "TFIDF"]),
    st.integers(0, 6),
    st.sampled_from([(1, 1), (1, 2), (2, 2)]),
    st.sampled_from(["", WEIGHTS]),
)
def test_counts(
    agrees: Agrees,
    dims: str,
    kind: str,
    mode: str,
    skips: int,
    lengths: tuple[int, int],
    weights: str,
) -> None:
    shape = [int(d) for d in dims.split(",")]
    x = np.random.default_rng(skips).integers(2, 9, shape).astype(kind)
    how = f'mode="{mode}", max_skip_count={skips}, min_gram_length={lengths[0]}'
    attributes = f"{how}, max_gram_length={lengths[1]}, {POOL}{', ' * bool(weights)}{weights}"
    agrees(f"g ({kind}[{dims}] x) => (float[] y) {{ y = TfIdfVectorizer<{attributes}>(x) }}",
           feeds={"x": x})  # fmt: skip


def test_grams_of_one_column_are_summed(agrees: Agrees) -> None:
    agrees(
        'g (int64[9] x) => (float[] y) { y = TfIdfVectorizer<mode="TF", max_skip_count=0, '
        "min_gram_length=1, max_gram_length=1, pool_int64s=[0,1,2,4], ngram_counts=[0], "
        "ngram_indexes=[3,1,3,3]>(x) }"
    )


def test_words_are_refused(load: Agrees) -> None:
    with pytest.raises(ModelError, match="n-grams are of text"):
        load(
            'g (int64[9] x) => (float[] y) { y = TfIdfVectorizer<mode="TF", max_skip_count=0, '
            'min_gram_length=1, max_gram_length=1, pool_strings=["a"], ngram_counts=[0], '
            "ngram_indexes=[0]>(x) }"
        )
