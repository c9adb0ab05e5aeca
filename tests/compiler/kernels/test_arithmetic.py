"""compiler/kernels/arithmetic.py: sums of products of integers, exactly, over the whole range."""

import re
from dataclasses import replace

import numpy as np
import pytest
from tvm import relax

import targets
from compiler import codegen
from compiler.kernels.arithmetic import Pairs
from targets import Profile
from tests.compiler.kernels.harness import NARROW, WIDE, Sizes, check, lowered
from tests.compiler.kernels.references import conv2d

R = relax.op

# batch, channels, height, width, out channels, kernel, strides, padding, dilation
CASES = [
    (1, 3, 9, 11, 5, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1)),
    (2, 17, 7, 13, 19, (3, 2), (2, 1), (1, 0, 2, 1), (1, 2)),
    (1, 1, 1, 1, 4, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1)),
    (1, 37, 12, 6, 40, (1, 1), (2, 2), (0, 0, 0, 0), (1, 1)),
    (1, 5, 4, 15, 9, (2, 13), (1, 1), (1, 6, 0, 6), (1, 1)),
]


def agrees(case: Sizes, kind: str, profile: Profile, seed: int | None, widest: int = 128) -> None:
    n, c, h, w, o, kernel, strides, padding, dilation = case
    rng, limits = np.random.default_rng(sum(case[:5])), np.iinfo(kind)
    x = rng.integers(limits.min, limits.max + 1, (n, c, h, w)).astype(kind)
    x.flat[0], zero = limits.min, limits.max
    weight = rng.integers(-widest, widest, (o, c, *kernel)).astype(np.int32)
    weight.flat[:2] = -widest
    sizes = {"strides": strides, "padding": padding, "dilation": dilation}

    def emit(a: relax.Var) -> relax.Expr:
        middle = R.subtract(R.astype(a, "int32"), relax.const(zero, "int32"))
        return R.nn.conv2d(middle, relax.const(weight), **sizes, out_dtype="int32")

    want = conv2d(x.astype(np.int64) - zero, weight.astype(np.int64), strides, padding, dilation, 1)
    names = check(emit, [x], want, profiles=[profile], seeds=[seed])
    assert "conv2d" in names


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("profile", [NARROW, WIDE], ids=["8", "16"])
def test_sums_are_exact(case: Sizes, profile: Profile) -> None:
    agrees(case, "int8" if profile is NARROW else "uint8", profile, None)


@pytest.mark.parametrize("seed", [1, 2])
def test_points_of_the_space_are_exact(seed: int) -> None:
    agrees(CASES[seed - 1], "uint8", (NARROW, WIDE)[seed % 2], seed)


# rows, depth, columns
PRODUCTS = [((5,), 16, 19), ((2, 3), 386, 40), ((33,), 1536, 24), ((1,), 130, 9)]


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize(("rows", "depth", "columns"), PRODUCTS)
def test_matrix_products_are_exact(
    rows: tuple[int, ...], depth: int, columns: int, seed: int | None
) -> None:
    rng = np.random.default_rng(depth)
    x = rng.integers(0, 256, (*rows, depth)).astype(np.uint8)
    widest = 128 if len(rows) == 1 else 256
    weight = rng.integers(-widest, widest, (depth, columns)).astype(np.int32)

    def emit(a: relax.Var) -> relax.Expr:
        middle = R.subtract(R.astype(a, "int32"), relax.const(255, "int32"))
        return R.matmul(middle, relax.const(weight.clip(-255)))

    want = (x.astype(np.int64) - 255) @ weight.clip(-255)
    names = check(emit, [x], want, profiles=[NARROW, WIDE], seeds=[seed])
    assert "matmul" in names


def test_weights_of_nine_bits() -> None:
    """Such have a zero point that is not 0."""
    agrees(CASES[0], "int8", NARROW, None, widest=255)


def test_vectors_are_as_wide_as_the_target_multiplies() -> None:
    narrow, wide = targets.PROFILES["ml_c4"], targets.PROFILES["ml_c5"]
    assert [Pairs.of(p).parts for p in (narrow, wide)] == [1, 1]
    assert Pairs.of(replace(wide, llvm=narrow.llvm)).parts == 2
    assert Pairs.of(replace(narrow, llvm=wide.llvm)).parts == 1


@pytest.mark.parametrize(("cpu", "fused"), [("skylake-avx512", False), ("cascadelake", True)])
def test_sums_are_one_instruction_where_the_cpu_has_it(cpu: str, fused: bool) -> None:
    """Read, not run: this machine may have neither."""
    wide = targets.PROFILES["ml_c5"]
    profile = replace(wide, llvm={**wide.llvm, "mcpu": cpu})
    weight = relax.const(np.ones((64, 64, 1, 1), np.int8))
    made = lowered(
        lambda a: R.nn.conv2d(a, weight, out_dtype="int32"),
        [np.zeros((1, 64, 14, 14), np.int16)],
        profile,
    )
    name = next(n for n, k in made.kernels.items() if k.work.operator == "neoc.conv2d")
    text = codegen.build({name: made.kernels[name]}, profile).inspect_source("asm")
    assert bool(re.search(r"vpdpwssd\s+%zmm", text)) == fused
    assert fused or re.search(r"vpmaddwd\s+%zmm", text)
