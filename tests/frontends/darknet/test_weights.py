"""The numbers of a .weights file."""

import numpy as np
import pytest

from frontends.darknet.weights import Weights
from frontends.model import ModelError
from tests.frontends.darknet.reference import head

NUMBERS = np.arange(6, dtype="<f4")


@pytest.mark.parametrize(
    ("version", "seen", "transposed"),
    [((0, 1, 0), "<I", False), ((0, 2, 5), "<Q", False), ((1, 0, 0), "<Q", False),
     ((2000, 1, 0), "<I", True)],
)  # fmt: skip
def test_heads_of_every_version(version: tuple[int, int, int], seen: str, transposed: bool) -> None:
    weights = Weights(head(version, seen) + NUMBERS.tobytes())
    assert weights.transposed is transposed
    assert weights.version == ".".join(map(str, version))
    np.testing.assert_array_equal(weights.take(2, 2), [[0, 1], [2, 3]])
    assert weights.left == 2
    with pytest.raises(ModelError, match="2 are left over"):
        weights.check_end()
    np.testing.assert_array_equal(weights.take(2), [4, 5])
    weights.check_end()


def test_too_few_numbers() -> None:
    weights = Weights(head() + NUMBERS.tobytes())
    weights.take(5)
    with pytest.raises(ModelError, match=r"needs 2 numbers more, but .* has 1 left of 6"):
        weights.take(2)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "has 0 bytes"),
        (b"\xff" * 40, "does not begin with its version"),
        (head() + b"abc", "no whole number of float32"),
        (head()[:16], "no whole number|needs"),
    ],
)
def test_what_is_no_weights(data: bytes, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        Weights(data).take(1)
