"""frontends/model.py: the values are frozen and compare by content."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from frontends.model import Signature, Tensor, cut


def test_signatures_compare_by_content() -> None:
    x, y = Tensor("x", (1, 3), "float32"), Tensor("y", (), "int64")
    assert Signature((x,), (y,)) == Signature((Tensor("x", (1, 3), "float32"),), (y,))


def test_a_tensor_cannot_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Tensor("x", (1,), "float32").name = "y"  # type: ignore[misc]


def test_an_output_is_cut_to_its_shape() -> None:
    x, y = Tensor("x", (2, 4), "float32"), Tensor("y", (3,), "float32")
    assert Signature((), (x, y, Tensor("x:shape", (2,), "int64"))).own == (x, y)
    given = {"x": np.arange(8).reshape(2, 4), "y": np.ones(3), "x:shape": np.array([2, 1])}
    made = cut(given)
    assert list(made) == ["x", "y"]
    assert made["x"].tolist() == [[0], [4]]
