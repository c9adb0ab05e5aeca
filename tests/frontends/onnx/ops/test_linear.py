"""Matrix products by numpy's rules, and Gemm with its factors folded."""

from collections.abc import Callable

import pytest

from frontends.model import Model

Agrees = Callable[..., Model]

SHAPES = [("3,4", "4,5"), ("2,1,3,4", "5,4,2"), ("4", "4,3"), ("2,3,4", "4"), ("4", "4")]


@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_matmul(agrees: Agrees, left: str, right: str) -> None:
    agrees(f"g (float[{left}] x, float[{right}] z) => (float[] y) {{ y = MatMul(x, z) }}")


@pytest.mark.parametrize("attributes", ["transB=1, alpha=0.5, beta=2.0", "transA=1, transB=1"])
def test_gemm(agrees: Agrees, attributes: str) -> None:
    rows = "4,3" if "transA" in attributes else "3,4"
    agrees(
        f"g (float[{rows}] x) => (float[] y) {{ y = Gemm<{attributes}>(x, w, b) }}",
        w=(5, 4),
        b=(5,),
    )


def test_gemm_of_two_inputs(agrees: Agrees) -> None:
    agrees("g (float[4,3] x, float[4,5] z) => (float[] y) { y = Gemm<transA=1, alpha=3.0>(x, z) }")


def test_a_constant_gemm_is_matmul_and_add(load: Agrees) -> None:
    model = load(
        "g (float[3,4] x) => (float[] y) { y = Gemm<transB=1, alpha=0.5>(x, w, b) }",
        w=(5, 4),
        b=(5,),
    )
    names = [str(b.value.op.name) for b in model.module["main"].body.blocks[0].bindings[:-1]]
    assert names == ["relax.matmul", "relax.add"]


EQUATIONS = [
    ("ij,jk->ik", "3,4", "4,5"),
    ("bij,bjk->bik", "2,3,4", "2,4,5"),
    ("bhqd,bhkd->bhqk", "1,2,3,4", "1,2,5,4"),
    ("i,j->ij", "3", "4"),
    ("ij,ij->i", "3,4", "3,4"),
    ("...ij,...jk->...ik", "2,3,4", "4,5"),
    ("ij,kj", "3,4", "5,4"),
]


@pytest.mark.parametrize(("equation", "left", "right"), EQUATIONS)
def test_einsum(agrees: Agrees, equation: str, left: str, right: str) -> None:
    node = f'y = Einsum<equation="{equation}">(x, z)'
    agrees(f"g (float[{left}] x, float[{right}] z) => (float[] y) {{ {node} }}")


@pytest.mark.parametrize("equation", ["ij->ji", "ij->i", "...ij->...ji"])
def test_einsum_of_one(agrees: Agrees, equation: str) -> None:
    agrees(f'g (float[3,4] x) => (float[] y) {{ y = Einsum<equation="{equation}">(x) }}')


@pytest.mark.parametrize("equation", ["...ii->...i", "aba->b", "ii"])
def test_a_letter_twice_is_a_diagonal(agrees: Agrees, equation: str) -> None:
    dims = {"aba->b": "3,4,3", "ii": "4,4"}.get(equation, "2,3,3")
    agrees(f'g (float[{dims}] x) => (float[] y) {{ y = Einsum<equation="{equation}">(x) }}')
