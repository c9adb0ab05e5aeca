"""Shapes of Keras inputs in either order, and Neo's words."""

from typing import Any

import pytest

from frontends.keras import layout
from frontends.tensorflow.declared import Chosen, Input, Wrong


def chosen(own: tuple[int, ...], shape: Any, first: bool = False) -> Chosen:
    job = {"names": ["x"], "given": [{"shape": list(shape)}]}
    [one] = layout.chosen([Input(("x",), own, "float32")], job, first)
    assert one.shape == tuple(shape) and one.input.shape == own
    return one


@pytest.mark.parametrize(
    ("own", "shape", "moved"),
    [
        ((-1, 224, 224, 3), (1, 3, 224, 224), True),
        ((-1, 224, 224, 3), (1, 224, 224, 3), False),
        ((-1, 64, 64, 1), (1, 1, 64, 64), True),
        ((-1, -1, -1, 3), (2, 3, 10, 12), True),
        ((-1, -1, -1, 3), (2, 10, 12, 3), False),
        ((-1, -1, -1, 3), (1, 3, 10, 3), True),  # either: as documented
        ((-1, 8, 9, 10, 2), (1, 2, 8, 9, 10), True),
        ((-1, 10, 4), (1, 10, 4), False),
        ((-1, 7), (3, 7), False),
    ],
)
def test_both_orders(own: tuple[int, ...], shape: tuple[int, ...], moved: bool) -> None:
    assert chosen(own, shape).channels_first == moved


def test_a_model_with_channels_first() -> None:
    assert not chosen((-1, 3, 8, 9), (1, 3, 8, 9), first=True).channels_first


@pytest.mark.parametrize(
    ("own", "shape", "text"),
    [
        ((-1, 8, 9, 3), (1, 4, 8, 9), r"NCHW format. For example, \(None,3,8,9\)"),
        ((2, 8, 9, 3), (1, 3, 8, 9), "wrong batch size"),
        ((-1, 7), (1, 8), "wrong shape in Input Shape dictionary"),
    ],
)
def test_wrong_shapes(own: tuple[int, ...], shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(Wrong, match=text):
        chosen(own, shape)


def test_an_input_that_is_not_given() -> None:
    inputs = [Input((name,), (-1, 2), "float32") for name in "ab"]
    with pytest.raises(Wrong, match=r"^Model contains input layer \(b\) not specified"):
        layout.chosen(inputs, {"names": ["a"], "given": [{"shape": [1, 2]}]}, False)


def test_there_and_back() -> None:
    for rank in layout.IMAGES:
        there, back = layout.to_first(rank), layout.to_last(rank)
        assert [there[n] for n in back] == list(range(rank))
