"""Names and shapes that a client gives, and those that a file declares."""

from typing import Any

import pytest

from frontends.tensorflow.declared import Input, Open, Refused, chosen, shape_of

IMAGE = Input(("serving_default_x", "serving_default_x:0", "x"), (-1, 4, 4, 3), "float32")
SIZE = Input(("serving_default_n", "serving_default_n:0", "n"), (), "int32")


def job(names: list[str] | None, *given: Any) -> dict[str, Any]:
    entries = [g if isinstance(g, dict) else {"shape": list(g)} for g in given]
    return {"names": names, "given": entries if given else None}


@pytest.mark.parametrize("name", ["x", "serving_default_x", "serving_default_x:0", "x:0"])
def test_an_input_goes_by_several_names(name: str) -> None:
    [one] = chosen([IMAGE], job([name], (2, 4, 4, 3)))
    assert (one.name, one.shape, one.channels_first) == (name, (2, 4, 4, 3), False)


def test_names_in_any_order_and_shapes_in_that_of_the_model() -> None:
    both = chosen([IMAGE, SIZE], job(["n", "x"], (), (1, 4, 4, 3)))
    assert [c.name for c in both] == ["x", "n"] and both[1].shape == ()
    assert [c.shape for c in chosen([IMAGE, SIZE], job(None, (1, 4, 4, 3), ()))] == [
        (1, 4, 4, 3),
        (),
    ]


def test_a_value_has_a_shape() -> None:
    assert shape_of([[1, 2, 3], [4, 5, 6]]) == (2, 3) and shape_of(7) == ()
    assert chosen([SIZE], job(["n"], {"value": 7}))[0].shape == ()


def test_without_shapes_one_is_computed_at_once() -> None:
    assert chosen([IMAGE], job(None))[0].shape == (1, 4, 4, 3)
    for shape in (None, (-1, -1, 4, 3)):
        with pytest.raises(Open, match="input 'x' having the shape"):
            chosen([Input(("x",), shape, "float32")], job(None))


@pytest.mark.parametrize(
    ("names", "given", "text"),
    [
        (["y"], [(1, 4, 4, 3)], "names the input 'y', which the model does not have"),
        (["x", "serving_default_x"], [(1, 4, 4, 3)] * 2, "are one input"),
        (["x"], [(4, 4, 3)], "3 dimensions"),
        (["x"], [(1, 3, 4, 4)], "3 at dimension 1, which the model fixes to 4"),
        (None, [(1, 4, 4, 3), (1,)], "lists 2 shapes; the model has 1 inputs"),
    ],
)
def test_what_does_not_fit(names: list[str] | None, given: list[Any], text: str) -> None:
    with pytest.raises(Refused, match=text):
        chosen([IMAGE], job(names, *given))


def test_an_input_without_a_shape() -> None:
    with pytest.raises(Refused, match=r"'serving_default_n'\. Please specify all input layers"):
        chosen([IMAGE, SIZE], job(["x"], (1, 4, 4, 3)))
