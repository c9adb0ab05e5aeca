"""Shapes and types are known as soon as a node is made."""

import numpy as np
import pytest

from frontends.model import ModelError
from frontends.mxnet.graph import Graph, Value
from tests.frontends.mxnet.conftest import ran

X = Value("x", (2, 3), "float32")


def test_numbers_take_the_type_of_what_is_beside_them() -> None:
    g = Graph()
    g.label = "y"
    y = g("Mul", Value("x", (2, 3), "int32"), 2)
    assert (y.shape, y.dtype) == ((2, 3), "int32")
    chosen = g("Where", Value("c", (3,), "bool"), X, 0.0)
    assert (chosen.shape, chosen.dtype) == ((2, 3), "float32")
    assert [n.name for n in g.nodes] == ["y", chosen.name]


def test_a_model() -> None:
    g = Graph()
    g.label = "y"
    y = g.transpose(g.reshape(X, (3, 2)), (1, 0))
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    (got,) = ran(g.model([X], [("out", y)]), {"x": x})
    np.testing.assert_array_equal(got, x.reshape(3, 2).T)
    assert g.transpose(X, (0, 1)) is X and g.cast(X, "float32") is X


def test_what_does_not_fit_is_refused() -> None:
    g = Graph()
    with pytest.raises(ModelError, match=r"MatMul of the shapes \[\[2, 3\], \[2, 3\]\]"):
        g("MatMul", X, X)
    with pytest.raises(ModelError, match=r"\[2, 3\] cannot become \[4, 2\]"):
        g.reshape(X, (4, 2))
    with pytest.raises(ModelError, match="no axis 2"):
        X.axis(2)
