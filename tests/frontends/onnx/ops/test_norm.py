"""Normalisations: constants fold to one multiply and one add, others are computed."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model

Agrees = Callable[..., Model]


def test_batch_norm(agrees: Agrees) -> None:
    agrees(
        "g (float[2,5,3,4] x) => (float[] y) { y = BatchNormalization(x, s, b, m, v) }",
        s=(5,), b=(5,), m=(5,), v=np.linspace(0.1, 2, 5, dtype=np.float32),
    )  # fmt: skip


def test_batch_norm_of_computed_statistics(agrees: Agrees) -> None:
    agrees(
        "g (float[2,5,3] x, float[5] s) => (float[] y)"
        " { v = Exp(s) y = BatchNormalization<epsilon=0.1>(x, s, s, s, v) }"
    )


def test_instance_norm(agrees: Agrees) -> None:
    text = "g (float[2,3,4,5] x) => (float[] y) { y = InstanceNormalization(x, s, b) }"
    agrees(text, s=(3,), b=(3,))


@pytest.mark.parametrize(("opset", "count"), [(18, 2), (21, 6)])
def test_group_norm(agrees: Agrees, opset: int, count: int) -> None:
    agrees(
        "g (float[2,6,4,5] x) => (float[] y) { y = GroupNormalization<num_groups=2>(x, s, b) }",
        opset,
        s=(count,),
        b=(count,),
    )


@pytest.mark.parametrize("axis", [-1, 1])
def test_layer_norm(agrees: Agrees, axis: int) -> None:
    dims = (2, 3, 5)[axis:]
    text = f"g (float[2,3,5] x) => (float[] y) {{ y = LayerNormalization<axis={axis}>(x, s, b) }}"
    agrees(text, s=dims, b=dims)


def test_layer_norm_without_bias_gives_its_statistics(agrees: Agrees) -> None:
    agrees(
        "g (float[2,3,5] x) => (float[] y, float[] m, float[] d)"
        " { y, m, d = LayerNormalization<epsilon=0.01>(x, s) }",
        s=(5,),
    )


@pytest.mark.parametrize("p", [1, 2])
def test_lp_norm(agrees: Agrees, p: int) -> None:
    agrees(f"g (float[2,3,5] x) => (float[] y) {{ y = LpNormalization<axis=1, p={p}>(x) }}")


def test_training_moves_the_statistics(agrees: Agrees) -> None:
    agrees(
        "g (float[2,3,4] x) => (float[] y, float[] m, float[] v)"
        " { y, m, v = BatchNormalization<training_mode=1, momentum=0.7>(x, s, b, a, c) }",
        s=(3,),
        b=(3,),
        a=np.array([0.1, 0.2, 0.3], np.float32),
        c=np.array([1, 2, 3], np.float32),
    )


@pytest.mark.parametrize("dims", ["3", "3,2"])
def test_statistics_of_every_place(agrees: Agrees, dims: str) -> None:
    given = ", ".join(f"float[{dims}] {name}" for name in "sbm")
    agrees(
        f"g (float[2,{dims}] x, {given}) => (float[] y) "
        "{ v = Exp(s) y = BatchNormalization<spatial=0>(x, s, b, m, v) }",
        8,
    )
