"""What a graph computes of the sizes that only the data decide, as far as it can be told.

Beside a value of integers that is known at run time stands what its elements are: numbers, and the
lengths of padded values. So a shape that is put together for Reshape or Expand keeps its meaning.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, helper
from tvm import relax

from frontends.onnx.builder import Builder, Elements, Value, dtype
from frontends.onnx.fold import fold, foldable
from frontends.onnx.graph import Node

# Which inputs of an operator it hands on. Of Concat all.
MOVED: Mapping[str, Sequence[int]] = {
    **dict.fromkeys("Cast Gather Identity Reshape Slice Squeeze Unsqueeze".split(), (0,)),
    "Concat": range(1000),
    "Where": (1, 2),
}
Plain = Callable[[Sequence[Value | None]], Sequence[Value]]
INTEGERS = (TensorProto.INT32, TensorProto.INT64)
# An operator of two elements, and what as the second one changes nothing.
PAIRED: Mapping[str, tuple[Callable[[int, int], int], int | None]] = {
    "Add": (operator.add, 0),
    "Div": (operator.floordiv, 1),
    "Equal": (operator.eq, None),
    "Min": (min, None),
    "Mul": (operator.mul, 1),
}


@dataclass(frozen=True)
class _New:
    """A length that the node itself makes."""

    bound: int


def computed(
    b: Builder,
    node: Node,
    inputs: Sequence[Value | None],
    opsets: Mapping[str, int],
    plain: Plain,
) -> Sequence[Value] | None:
    """The node's result, with its elements noted. None: it is one like any other."""
    if node.domain or not any(
        isinstance(v, relax.Var) and b.elements(v) is not None for v in inputs
    ):
        return None
    made = None
    if node.op in MOVED:
        made = _moved(b, node, inputs, opsets, plain)
    elif node.op in PAIRED and len(inputs) == 2:
        made = _paired(b, node.op, *map(b.elements, inputs))
    if made is None:
        return None
    if not any(isinstance(e, (relax.Var, _New)) for e in made.flat):
        return [made.astype(_kind(node, inputs))]
    [y] = plain(inputs)
    for at, element in np.ndenumerate(made):
        if isinstance(element, _New):
            single = b.reshape(b.pick(y, [range(i, i + 1) for i in at]), ())
            made[at] = b.bounded(b.cast(single, "int64"), element.bound)
    return [b.noted(y, made)]


def _kind(node: Node, inputs: Sequence[Value | None]) -> Any:
    if node.op == "Equal":
        return bool
    if node.op == "Cast":
        return helper.tensor_dtype_to_np_dtype(node.attributes["to"])
    return next(dtype(v) for v in reversed(inputs) if isinstance(v, relax.Var))


def _moved(
    b: Builder,
    node: Node,
    inputs: Sequence[Value | None],
    opsets: Mapping[str, int],
    plain: Plain,
) -> Elements | None:
    """By the node itself, of the elements' numbers in a list."""
    if node.op == "Cast" and node.attributes["to"] not in INTEGERS:
        return None
    listed: list[Any] = []
    given: list[Any] = []
    for n, value in enumerate(inputs):
        if value is None or n not in MOVED[node.op]:
            given.append(value)
            continue
        if (elements := b.elements(value)) is None:
            return None
        given.append(np.asarray(len(listed) + np.arange(elements.size).reshape(elements.shape)))
        listed += elements.flat
    if any(isinstance(v, relax.Var) for v in given):
        return None
    made = fold(node, given, opsets) if foldable(node, given) else plain(given)
    if made is None or not isinstance(made[0], np.ndarray):
        return None
    found = np.empty(made[0].shape, object)
    for at, place in np.ndenumerate(made[0]):
        found[at] = listed[place]
    return found


def _paired(
    b: Builder, op: str, first: Elements | None, second: Elements | None
) -> Elements | None:
    if first is None or second is None:
        return None
    x, y = np.broadcast_arrays(first, second)
    found = np.empty(x.shape, object)
    for at in np.ndindex(x.shape):
        found[at] = _pair(b, op, x[at], y[at])
    return None if any(e is None for e in found.flat) else found


def _pair(b: Builder, op: str, x: Any, y: Any) -> Any:
    """None: it cannot be told."""
    function, neutral = PAIRED[op]
    if op == "Equal":
        return _equal(x, y)
    if isinstance(x, int) and isinstance(y, int):
        return function(x, y) if op != "Div" or y > 0 else None
    if isinstance(x, int):
        if op == "Div":
            return None
        x, y = y, x
    if isinstance(y, int) and (y == neutral or (op == "Min" and y >= b.bound(x))):
        return x
    return _New(function(b.bound(x), b.bound(y))) if b.bound(y) > 0 else None


def _equal(x: Any, y: Any) -> bool | None:
    if isinstance(x, int) and isinstance(y, int):
        return x == y
    if x is y:
        return True
    return False if any(isinstance(e, int) and e < 0 for e in (x, y)) else None
