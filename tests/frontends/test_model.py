"""frontends/model.py: the values are frozen and compare by content."""

from dataclasses import FrozenInstanceError

import pytest

from frontends.model import Signature, Tensor


def test_signatures_compare_by_content() -> None:
    x, y = Tensor("x", (1, 3), "float32"), Tensor("y", (), "int64")
    assert Signature((x,), (y,)) == Signature((Tensor("x", (1, 3), "float32"),), (y,))


def test_a_tensor_cannot_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Tensor("x", (1,), "float32").name = "y"  # type: ignore[misc]
