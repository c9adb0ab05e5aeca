"""compiler/kernels/attention.py: scores, softmax and the product with the values in one kernel."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import relax

from compiler import pipeline
from compiler.kernels.attention import Attention
from targets import Profile
from tests.compiler.kernels.harness import NARROW, WIDE, Array, check, main_of, values

R = relax.op
HEADS = 3


def attention(q: Array, k: Array, v: Array, mask: Array | None, heads: int, scale: float) -> Array:
    """q [B, T, H * D], k, v [B, S, H * D] -> [B, T, H * D], in double precision."""
    split = [x.astype(np.float64).reshape(*x.shape[:2], heads, -1) for x in (q, k, v)]
    queries, keys, content = (x.transpose(0, 2, 1, 3) for x in split)
    scores = queries @ keys.swapaxes(2, 3) * scale + (0 if mask is None else mask)
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    result = powers / powers.sum(-1, keepdims=True) @ content
    return np.asarray(result.transpose(0, 2, 1, 3).reshape(*q.shape[:2], -1))


def emitted(heads: int, scale: float, q: relax.Var, k: relax.Var, v: relax.Var,
            *mask: relax.Var) -> relax.Expr:  # fmt: skip
    def split(x: relax.Var, axes: list[int]) -> relax.Expr:
        batch, tokens, width = (int(n) for n in x.ty.shape)
        return R.permute_dims(R.reshape(x, (batch, tokens, heads, width // heads)), axes)

    factor = relax.const(np.float32(scale))
    scores = R.matmul(R.multiply(split(q, [0, 2, 1, 3]), factor), split(k, [0, 2, 3, 1]))
    for added in mask:
        scores = R.add(scores, added)
    joined = R.matmul(R.nn.softmax(scores, -1), split(v, [0, 2, 1, 3]))
    return R.reshape(R.permute_dims(joined, [0, 2, 1, 3]), [int(n) for n in q.ty.shape])


@pytest.mark.parametrize("masks", [None, (1, 1, 1), (1, 20, 0), (3, 1, 0)])
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_attention_of_heads(masks: tuple[int, int, int] | None, seed: int | None) -> None:
    q, k, v = (values((2, n, HEADS * 10), seed=n) for n in (20, 37, 37))
    mask = values((1, masks[0], masks[1], 37)) if masks else None
    got = [q, k, v] if mask is None else [q, k, v, mask]
    want = attention(q, k, v, mask, HEADS, 0.4)
    names = check(lambda *x: emitted(HEADS, 0.4, *x), got, want, seeds=[seed], tolerance=1e-5)
    assert names == ["attention"]


@pytest.mark.parametrize("keys", [16, 21])
def test_masks_of_several_shapes_add_up(keys: int) -> None:
    q, k, v = (values((2, n, HEADS * 8), seed=n) for n in (9, keys, keys))
    masks = [values((1, HEADS, 9, keys)), values((2, 1, 9, keys), seed=3), values((2, 1, 1, keys))]
    want = attention(q, k, v, masks[0] + masks[1] + masks[2], HEADS, 0.4)
    got = [q, k, v, *masks]
    check(lambda *x: emitted(HEADS, 0.4, *x), got, want,
          profiles=[NARROW, WIDE], tolerance=1e-5)  # fmt: skip


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 2), st.integers(1, 19), st.integers(1, 35), st.integers(1, 18))
def test_any_sizes(batch: int, rows: int, keys: int, depth: int) -> None:
    q, k, v = (values((batch, n, 2 * depth), seed=n) for n in (rows, keys, keys))
    want = attention(q, k, v, None, 2, 0.3)
    check(lambda *x: emitted(2, 0.3, *x), [q, k, v], want, profiles=[NARROW], tolerance=1e-5)


def test_a_row_without_any_key_is_zero_where_the_model_says_so() -> None:
    q, k, v = (values((1, 4, 16), seed=n) for n in range(3))
    mask = np.where(np.arange(4)[:, None] == 2, -np.inf, 0).astype(np.float32).reshape(1, 1, 4, 1)
    mask = np.broadcast_to(mask, (1, 1, 4, 4)).copy()

    rows = np.arange(4) != 2
    want = np.zeros((1, 1, 4, 16))
    want[0, 0, rows] = attention(q, k, v, None, 1, 1.0)[0, rows]
    check(safe, [q, k, v, mask], want, tolerance=1e-5)


def safe(*x: relax.Var) -> relax.Expr:
    builder = relax.BlockBuilder.current()
    heads = [R.reshape(a, (1, 1, 4, 16)) for a in x[:3]]
    scores = R.add(R.matmul(heads[0], R.permute_dims(heads[1], [0, 1, 3, 2])), x[3])
    shares = builder.emit(R.nn.softmax(scores, -1))
    shares = R.where(R.isnan(shares), relax.const(np.float32(0)), shares)
    return R.matmul(shares, heads[2])


@pytest.mark.parametrize("profile", [NARROW, WIDE], ids=lambda p: p.isa.name)
def test_the_estimate_is_near_the_peak_of_both_products(profile: Profile) -> None:
    x = np.zeros((1, 128, 768), np.float32)
    module = pipeline.lower(main_of(lambda *a: emitted(12, 0.125, *a), [x, x, x]), profile)
    (work,) = pipeline.workloads(module).values()
    cost = Attention().cost(work, profile, Attention().default(work, profile))
    peak = 2 * 12 * 128 * 128 * 128 / profile.cores / (4 * profile.isa.lanes)
    assert peak < cost < 3 * peak
    assert math.isinf(Attention().cost(work, profile, {"rows": 14, "vectors": 4, "parts": 1}))
