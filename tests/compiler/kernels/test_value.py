"""compiler/kernels/value.py: lazy tensors and their indices."""

import itertools

import pytest
from tvm import tirx

from compiler.kernels.value import (
    Value,
    broadcast,
    element_type,
    lanes_of,
    ravel,
    scalar,
    stored,
    typed,
    unravel,
)


def number(value: int) -> tirx.IntImm:
    return tirx.const(value, "int32")


@pytest.mark.parametrize("shape", [(4,), (2, 3), (1, 3, 1, 2), (2, 1, 5)])
def test_positions_there_and_back(shape: tuple[int, ...]) -> None:
    for flat, index in enumerate(itertools.product(*map(range, shape))):
        places = tuple(number(i) for i in index)
        assert int(ravel(places, shape)) == flat
        assert tuple(int(i) for i in unravel(number(flat), shape)) == index


def test_equal_requests_share_one_expression() -> None:
    value = stored(tirx.decl_buffer((6,), "float32"), (2, 3), "float32")
    index = (tirx.Var("i", "int32"), tirx.Var("j", "int32"))
    assert value.at(index).same_as(value.at(index))
    assert value.size == 6


def test_indices_of_different_types_are_told_apart() -> None:
    value = Value((4,), "int64", lambda i: i[0])
    narrow, wide = (value.at((tirx.const(1, t),)) for t in ("int32", "int64"))
    assert (element_type(narrow), element_type(wide)) == ("int32", "int64")


def test_broadcasting_follows_numpy() -> None:
    value = stored(tirx.decl_buffer((3,), "float32"), (3, 1), "float32")
    load = broadcast(value, (number(1), number(2), number(4)))
    assert int(load.indices[0]) == 2


def test_types_of_vectors() -> None:
    assert typed("float32", 8) == "float32x8"
    assert typed("int64", 1) == "int64"
    vector = tirx.Broadcast(tirx.const(1.0, "float32"), 8)
    assert (element_type(vector), lanes_of(vector)) == ("float32", 8)
    assert scalar(number(3), "int32").shape == ()
