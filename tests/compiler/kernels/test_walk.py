"""compiler/kernels/walk.py: which axes are walked as one."""

import pytest
from tvm import tirx
from tvm.sym import Analyzer

from compiler.kernels.value import Expr, Value, ravel, stored, unravel
from compiler.kernels.walk import Walk, merged

SHAPE = (2, 5, 7)


def tensor(shape: tuple[int, ...] = SHAPE) -> Value:
    return stored(tirx.decl_buffer((1000,), "float32"), shape, "float32")


def permuted(order: tuple[int, ...]) -> Value:
    source = tensor()
    shape = tuple(SHAPE[a] for a in order)
    return Value(shape, "float32", lambda i: source.at(tuple(i[order.index(d)] for d in range(3))))


def reshaped(to: tuple[int, ...]) -> Value:
    source = tensor()
    return Value(to, "float32", lambda i: source.at(unravel(ravel(i, to), SHAPE)))


def broadcast() -> Value:
    source = tensor((5,))
    return Value(SHAPE, "float32", lambda i: source.at((i[1],)))


def masked() -> Value:
    source = tensor()
    zero = tirx.const(0.0, "float32")
    return Value(SHAPE, "float32", lambda i: tirx.Select(i[2] < 3, source.at(i), zero))


def masked_behind_a_load() -> Value:
    """The condition is a part of an index that was met before."""
    source, zero = tensor(), tirx.const(0.0, "float32")

    def compute(i: tuple[Expr, ...]) -> Expr:
        return source.at(i) + tirx.Select(i[2] < 3, source.at(i), zero)

    return Value(SHAPE, "float32", compute)


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (tensor(), (70,)),
        (permuted((1, 2, 0)), (35, 2)),
        (permuted((2, 0, 1)), (7, 10)),
        (permuted((2, 1, 0)), (7, 5, 2)),
        (reshaped((7, 2, 5)), (70,)),
        (broadcast(), (2, 5, 7)),
        (masked(), (10, 7)),
        (masked_behind_a_load(), (10, 7)),
    ],
    ids=[
        "plain",
        "channels last",
        "last first",
        "reversed",
        "reshaped",
        "broadcast",
        "masked",
        "masked behind a load",
    ],
)
def test_axes_merge_where_every_load_allows_it(value: Value, shape: tuple[int, ...]) -> None:
    result, within, origin = merged(value, value.shape, (0, 0, 0))
    assert result.shape == within == shape
    assert origin == (0,) * len(shape)


def test_a_box_merges_only_what_it_fills() -> None:
    result, within, origin = merged(tensor(), (4, 5, 9), (1, 0, 2))
    assert (result.shape, within, origin) == ((10, 7), (20, 9), (5, 2))
    result, within, origin = merged(tensor(), (4, 6, 7), (1, 1, 0))
    assert (result.shape, within, origin) == ((2, 35), (4, 42), (1, 7))


def test_the_merged_index_reads_the_same_element() -> None:
    walk = Walk(tensor())
    assert walk.merge(1)
    load = walk.value().at((tirx.const(1, "int32"), tirx.const(9, "int32")))
    assert int(Analyzer().simplify(load.indices[0])) == 44
    assert walk.mergeable(0)
