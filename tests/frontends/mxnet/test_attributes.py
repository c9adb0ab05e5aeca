"""Text of attributes, by what an operator's function asks for."""

from typing import Any

import pytest

from frontends.model import ModelError
from frontends.mxnet import attributes
from frontends.mxnet.attributes import Floats, Ints, Spans


def function(
    g: object,
    x: object,
    *,
    whole: int = 0,
    flag: bool = False,
    number: float = 0.0,
    maybe: int | None = None,
    ints: Ints = (),
    spans: Spans = (),
    floats: Floats = (),
) -> None: ...


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("whole", "3", 3),
        ("whole", "3L", 3),
        ("flag", "True", True),
        ("flag", "0", False),
        ("number", "1e-05", 1e-5),
        ("maybe", "None", None),
        ("maybe", "-1", -1),
        ("ints", "(2L, 2L)", (2, 2)),
        ("ints", "[1,2]", (1, 2)),
        ("ints", "3", (3,)),
        ("ints", "()", ()),
        ("ints", "None", ()),
        ("spans", "(None, 2, -1)", (None, 2, -1)),
        ("floats", "(0.5, 1)", (0.5, 1.0)),
    ],
)
def test_values(name: str, text: str, value: Any) -> None:
    assert attributes.read(function, {name: text}) == {name: value}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("whole", "x"),
        ("whole", "1.5"),
        ("flag", "maybe"),
        ("ints", "(1, 'a')"),
        ("ints", "__import__('os')"),
        ("ints", "(" * 10_000),
        ("ints", "1.5"),
        ("ints", "1," * 100_000),
    ],
)
def test_nonsense_is_refused(name: str, text: str) -> None:
    with pytest.raises(ModelError, match=f"the attribute {name} cannot be"):
        attributes.read(function, {name: text})


def test_what_is_unknown_is_refused_and_training_is_not() -> None:
    assert attributes.read(function, {"workspace": "1024", "__lr_mult__": "2"}) == {}
    with pytest.raises(ModelError, match="the attribute colour='blue' is unknown"):
        attributes.read(function, {"colour": "blue"})


def test_a_shape_that_is_not_whole_is_none() -> None:
    assert attributes.shape("(1, 3, 8)") == (1, 3, 8)
    assert attributes.shape("(0, 3, 8)") is None and attributes.shape(None) is None
