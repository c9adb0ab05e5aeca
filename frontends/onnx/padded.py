"""Values of a size that only the data decide: as large as they may become, with their lengths.

What stands behind a length is anything: finite or not, but never read for an element that is to be
seen. A rule says, for each operator that may take such a value, where the padding is in its
results, and fills it with something harmless where the operator would mix it in. An operator
without a rule is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import (
    Builder,
    Lengths,
    R,
    Value,
    axis_of,
    constant,
    dtype,
    integers,
    is_float,
    rank,
    shape,
    size,
)
from frontends.onnx.graph import NARROW, WIDE, Node
from frontends.onnx.ops import selection

Given: TypeAlias = Value | None


@dataclass(frozen=True)
class Operator:
    """A node some of whose inputs are padded. plain: what it makes of tensors of a known size."""

    b: Builder
    node: Node
    plain: Callable[[Sequence[Given]], Sequence[Value]]

    def attribute(self, name: str, default: Any) -> Any:
        return self.node.attributes.get(name, default)

    def made(self, inputs: Sequence[Given], lengths: Lengths) -> list[Value]:
        """The same padding in every result."""
        return [self.b.padded(v, lengths) for v in self.plain(inputs)]


Rule: TypeAlias = Callable[..., Sequence[Value]]


def concerns(b: Builder, node: Node, inputs: Sequence[Any]) -> bool:
    """Whether an input is padded, or a size that the node makes may be such a length."""
    if any(is_padded(b, v) for v in inputs):
        return True
    place = SIZES.get(node.op, len(inputs))
    return not node.domain and place < len(inputs) and _tells(b, inputs[place])


def is_padded(b: Builder, value: Value | list[Value] | None) -> bool:
    return any(map(b.lengths, value)) if isinstance(value, list) else bool(b.lengths(value))


def _tells(b: Builder, value: Given) -> bool:
    return not isinstance(value, np.ndarray) and b.elements(value) is not None


def _bounds(b: Builder, value: Given) -> tuple[Given, list[Any]]:
    """Sizes at their upper bounds, and what they are; a value of another kind as it is."""
    elements = b.elements(value)
    if elements is None:
        return value, []
    bounds = np.array([b.bound(e) for e in elements.flat], np.int64)
    return bounds.reshape(elements.shape), list(elements.flat)


def _lengths_among(sizes: Sequence[Any]) -> dict[int, Value]:
    return {n: e for n, e in enumerate(sizes) if not isinstance(e, int)}


def convert(operator: Operator, inputs: Sequence[Given]) -> Sequence[Value]:
    """Raises ModelError where no rule knows what becomes of the padding."""
    rule = RULES.get(operator.node.op) if not operator.node.domain else None
    if rule is None:
        names = [
            n for n, v in zip(operator.node.inputs, inputs, strict=True) if is_padded(operator.b, v)
        ]
        raise ModelError(
            f"its input '{names[0]}' has a size that only the data decide, which {operator.node.op}"
            " cannot take; end the model before it, and compute the rest outside"
        )
    return rule(operator, *inputs)


def seen(b: Builder, x: Value, fill: float | bool = 0) -> Value:
    """x with `fill` behind its lengths."""
    if (kind := dtype(x)) in NARROW and b.lengths(x):
        wide = b.padded(b.cast(x, WIDE[kind]), b.lengths(x))
        return b.cast(seen(b, wide, fill), kind)
    value = np.asarray(fill).astype(dtype(x))
    for axis, length in b.lengths(x).items():
        place = np.arange(shape(x)[axis]).reshape([-1] + [1] * (rank(x) - axis - 1))
        x = b(R.where, b(R.less, place, length), x, value)
    return x


def sizes(b: Builder, x: Value) -> Value:
    """The shape that is to be seen, int64 [rank]."""
    lengths = b.lengths(x)
    parts: list[Value] = [
        b.reshape(lengths[axis], (1,)) if axis in lengths else np.array([extent])
        for axis, extent in enumerate(shape(x))
    ]
    return b.concat(parts, 0) if len(parts) > 1 else parts[0]


def _lowest(kind: str) -> float | int | bool:
    if "float" in kind:
        return -math.inf
    return False if kind == "bool" else int(np.iinfo(kind).min)


def _highest(kind: str) -> float | int | bool:
    if "float" in kind:
        return math.inf
    return True if kind == "bool" else int(np.iinfo(kind).max)


def _refuse(why: str) -> ModelError:
    return ModelError(f"one of its inputs has a size that only the data decide: {why}")


def _same(found: dict[int, Value], axis: int, length: Value) -> None:
    """Two lengths of one axis must be one value."""
    if found.setdefault(axis, length) is not length:
        raise _refuse("another one has another such size along the same axis")


# ---- element by element ----


def pointwise(o: Operator, *inputs: Given) -> Sequence[Value]:
    return o.made(inputs, _aligned(o.b, [v for v in inputs if v is not None]))


def _aligned(b: Builder, values: Sequence[Value]) -> Lengths:
    """Of the result of values that broadcast as numpy's do."""
    dims, found = np.broadcast_shapes(*map(shape, values)), dict[int, Value]()
    for value in values:
        for axis, length in b.lengths(value).items():
            _same(found, axis + len(dims) - rank(value), length)
    for value in values:
        moved = len(dims) - rank(value)
        fixed = {a + moved for a, d in enumerate(shape(value)) if d > 1} - {
            a + moved for a in b.lengths(value)
        }
        if clash := fixed & found.keys():
            raise _refuse(f"another one has a fixed size along axis {min(clash)}")
    return found


def kept(o: Operator, *inputs: Given) -> Sequence[Value]:
    """What only hands values on."""
    return o.plain(inputs)


# ---- shapes ----


def transpose(o: Operator, x: Value) -> Sequence[Value]:
    order = list(o.attribute("perm", ())) or list(reversed(range(rank(x))))
    return o.made([x], {order.index(a): n for a, n in o.b.lengths(x).items()})


def reshape(o: Operator, x: Value, *how: Given) -> Sequence[Value]:
    """The padded axis stays, or it is the outermost one, and the elements to be seen come first."""
    if o.node.op == "Squeeze" and not how and "axes" not in o.node.attributes:
        raise _refuse("name the axes to squeeze")
    wanted: dict[int, Value] = {}
    if o.node.op == "Reshape" and how:
        to, asked = _bounds(o.b, how[0])
        how, wanted = (to,), _lengths_among(asked)
    [y] = o.plain([x, *how])
    found: dict[int, Value] = {}
    for axis, length in o.b.lengths(x).items():
        before, behind = math.prod(shape(x)[:axis]), math.prod(shape(x)[axis + 1 :])
        extent = shape(x)[axis]
        target = next(
            (
                a
                for a, d in enumerate(shape(y))
                if d == extent > 1 and math.prod(shape(y)[:a]) == before
            ),
            None,
        )
        if target is None:
            first = next((a for a, d in enumerate(shape(y)) if d > 1), None)
            if first is None or before > 1 or len(o.b.lengths(x)) > 1:
                raise _refuse(f"{list(shape(x))} cannot become {list(shape(y))}")
            target, rest = first, math.prod(shape(y)[first + 1 :])
            length = o.b(R.floor_divide, o.b(R.multiply, length, behind), rest)
        found[target] = length
    if not wanted.keys() <= found.keys():
        raise _refuse(f"{list(shape(x))} cannot become {list(shape(y))}")
    return [o.b.padded(y, found)]


def shape_node(o: Operator, x: Value) -> Sequence[Value]:
    picked = range(rank(x))[slice(o.attribute("start", 0), o.attribute("end", None))]
    lengths = o.b.lengths(x)
    if not lengths.keys() & set(picked):
        return [np.array([shape(x)[a] for a in picked], np.int64)]
    elements = np.array([lengths.get(a, shape(x)[a]) for a in picked], object)
    return [o.b.noted(o.b.pick(sizes(o.b, x), [picked]), elements)]


def size_node(o: Operator, x: Value) -> Sequence[Value]:
    total: Value = np.array(1, np.int64)
    for axis, extent in enumerate(shape(x)):
        total = o.b(R.multiply, total, o.b.lengths(x).get(axis, np.array(extent)))
    return [total]


def expand(o: Operator, x: Value, to: Value) -> Sequence[Value]:
    bounds, asked = _bounds(o.b, to)
    [y] = o.plain([x, bounds])
    found = {a + rank(y) - rank(x): n for a, n in o.b.lengths(x).items()}
    fixed = {a + rank(y) - rank(x) for a, d in enumerate(shape(x)) if d > 1} - found.keys()
    for n, length in _lengths_among(asked).items():
        axis = n + rank(y) - len(asked)
        if axis in fixed:
            raise _refuse(f"its input has a fixed size along axis {axis}")
        _same(found, axis, length)
    return [o.b.padded(_apart(o.b, y, x), found)]


def constant_of_shape(o: Operator, to: Value) -> Sequence[Value]:
    bounds, asked = _bounds(o.b, to)
    [whole] = o.plain([bounds])
    if not size(whole):
        return [whole]
    assert isinstance(whole, np.ndarray)
    y = o.b(R.broadcast_to, whole.reshape(-1)[:1], shape=whole.shape)
    return [o.b.padded(y, _lengths_among(asked))]


def range_node(o: Operator, start: Value, limit: Value, delta: Value) -> Sequence[Value]:
    first, step = constant(start, "start"), constant(delta, "delta")
    bound, [length] = _bounds(o.b, limit)
    if first != 0 or step != 1:
        raise _refuse("a range must count from 0 by 1")
    [whole] = o.plain([first, bound, step])
    if not size(whole):
        return [whole]
    return [o.b.padded(o.b(R.minimum, whole, limit), {0: length})]


def concat(o: Operator, *inputs: Value) -> Sequence[Value]:
    """Along a padded axis: what is to be seen of each part is taken together."""
    b, axis = o.b, axis_of(o.attribute("axis", 1), rank(inputs[0]))
    others: dict[int, Value] = {}
    for value in inputs:
        for a, length in b.lengths(value).items():
            if a != axis:
                _same(others, a, length)
    if any(others.keys() - b.lengths(v).keys() for v in inputs if size(v)):
        raise _refuse("its parts are of different sizes along another axis")
    if not any(axis in b.lengths(v) for v in inputs):
        return o.made(inputs, others)
    [whole] = o.plain(inputs)
    parts = [v for v in inputs if size(v)]
    marks = [_seen_along(b, v, axis) for v in parts]
    places, count = selection.chosen(b, b.concat(marks, 0))
    return [b.padded(b.take(whole, places, axis), {**others, axis: count})]


def _seen_along(b: Builder, x: Value, axis: int) -> Value:
    place, lengths = np.arange(shape(x)[axis]), b.lengths(x)
    return b(R.less, place, lengths[axis]) if axis in lengths else np.ones(place.shape, bool)


def slice_node(
    o: Operator, x: Value, starts: Given = None, ends: Given = None, *rest: Given
) -> Sequence[Value]:
    """Along a padded axis: forwards, with both ends counted from the front."""
    if "starts" in o.node.attributes:
        starts, ends = (np.asarray(o.node.attributes[n]) for n in ("starts", "ends"))
        rest = (o.attribute("axes", None),)
    axes, steps = [*rest, None, None][:2]
    ends, asked = _bounds(o.b, ends)
    begins, stops = (integers(constant(v, n), n) for v, n in ((starts, "starts"), (ends, "ends")))
    along = list(range(len(begins))) if axes is None else integers(axes, "axes")
    strides = [1] * len(begins) if steps is None else integers(steps, "steps")
    found, limits = dict(o.b.lengths(x)), _lengths_among(asked)
    for n, (a, begin, stop, step) in enumerate(zip(along, begins, stops, strides, strict=True)):
        axis = axis_of(a, rank(x))
        if axis not in found and n not in limits:
            continue
        if min(begin, stop) < 0 or step < 1:
            raise _refuse(f"it slices axis {axis} from the end or backwards")
        whole = found.get(axis, np.array(shape(x)[axis]))
        end = limits.get(n, np.array(min(stop, shape(x)[axis])))
        if (
            begin == 0
            and step == 1
            and (end is whole or (stop >= shape(x)[axis] and n not in limits))
        ):
            continue
        last = o.b(R.minimum, whole, end)
        count = o.b(R.maximum, o.b(R.subtract, last, begin - step + 1), 0)
        found[axis] = count if step == 1 else o.b(R.floor_divide, count, step)
    [y] = o.plain([x] if "starts" in o.node.attributes else [x, starts, ends, *rest])
    return [o.b.padded(_apart(o.b, y, x), found) if size(y) else y]


def _apart(b: Builder, y: Value, x: Value) -> Value:
    """y, so that what is noted of it is not noted of x."""
    return b(R.reshape, y, shape=shape(y)) if y is x else y


def split(o: Operator, x: Value, *how: Given) -> Sequence[Value]:
    _beside(o, x, axis_of(o.attribute("axis", 0), rank(x)))
    return o.made([x, *how], o.b.lengths(x))


def _beside(o: Operator, x: Value, *axes: int) -> None:
    if clash := o.b.lengths(x).keys() & set(axes):
        raise _refuse(f"it works along that axis, {min(clash)}")


# ---- lookups ----


def gather(o: Operator, x: Value, indices: Value) -> Sequence[Value]:
    axis, found = axis_of(o.attribute("axis", 0), rank(x)), dict[int, Value]()
    for a, length in o.b.lengths(x).items():
        if a != axis:
            found[a if a < axis else a + rank(indices) - 1] = length
    found |= {axis + a: length for a, length in o.b.lengths(indices).items()}
    return o.made([x, _from_front(o.b, indices, o.b.lengths(x).get(axis))], found)


def _from_front(b: Builder, indices: Value, length: Given) -> Value:
    """Negative indices count from the end of what is to be seen."""
    known = isinstance(indices, np.ndarray) and not (indices < 0).any()
    if length is None or known or dtype(indices).startswith("uint"):
        return indices
    shifted = b(R.add, indices, b.cast(length, dtype(indices)))
    return b(R.where, b(R.less, indices, 0), shifted, indices)


def gather_elements(o: Operator, x: Value, indices: Value) -> Sequence[Value]:
    axis = axis_of(o.attribute("axis", 0), rank(x))
    moved = _from_front(o.b, indices, o.b.lengths(x).get(axis))
    return o.made([x, moved], o.b.lengths(indices))


def gather_nd(o: Operator, x: Value, indices: Value) -> Sequence[Value]:
    if o.attribute("batch_dims", 0):
        raise _refuse("attribute batch_dims must be 0")
    _beside(o, indices, rank(indices) - 1)
    depth, found = shape(indices)[-1], dict(o.b.lengths(indices))
    for a, length in o.b.lengths(x).items():
        if a >= depth:
            found[a - depth + rank(indices) - 1] = length
    ends = None
    if any(a < depth for a in o.b.lengths(x)):
        ends = o.b.pick(sizes(o.b, x), [range(depth)])
    return o.made([x, _from_front(o.b, indices, ends)], found)


def one_hot(o: Operator, indices: Value, *rest: Given) -> Sequence[Value]:
    axis = axis_of(o.attribute("axis", -1), rank(indices) + 1)
    found = {a + (a >= axis): n for a, n in o.b.lengths(indices).items()}
    return o.made([indices, *rest], found)


def scatter(o: Operator, x: Value, indices: Value, updates: Value) -> Sequence[Value]:
    """What is not to be seen goes to a place more along an axis, which is cut off again."""
    b, each = o.b, o.node.op == "ScatterND"
    _only(o, (1, 2), [x, indices, updates])
    if each:
        _beside(o, indices, rank(indices) - 1)
    if b.lengths(updates) not in ({}, b.lengths(indices)):
        raise _refuse("there are places and updates of different sizes")
    axis = 0 if each else axis_of(o.attribute("axis", 0), rank(x))
    ends = shape(x)[: shape(indices)[-1]] if each else shape(x)[axis : axis + 1]
    lengths, extent = b.lengths(indices), shape(x)[axis]
    places = b.padded(_from_front(b, indices, np.array(ends, np.int64)), lengths)
    if each:
        first, *rest = b.split(places, [1, *[1] * (len(ends) - 1)], rank(indices) - 1)
        parts = [seen(b, b.padded(first, lengths), extent)]
        parts += [seen(b, b.padded(v, lengths)) for v in rest]
        places = b.concat(parts, rank(indices) - 1) if rest else parts[0]
    else:
        places = seen(b, places, extent)
    room = [*shape(x)[:axis], 1, *shape(x)[axis + 1 :]]
    [y] = o.plain([b.concat([x, np.zeros(room, dtype(x))], axis), places, updates])
    return [b.pick(y, [range(d) for d in shape(x)])]


# ---- along an axis ----

# What changes nothing of a reduction.
NEUTRAL: Mapping[str, Callable[[str], float | int | bool]] = {
    **dict.fromkeys(
        ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceMean", "ReduceSum", "ReduceSumSquare"),
        lambda kind: 0,
    ),
    "ReduceProd": lambda kind: 1,
    **dict.fromkeys(("ArgMax", "ReduceLogSumExp", "ReduceMax"), _lowest),
    **dict.fromkeys(("ArgMin", "ReduceMin"), _highest),
}


def reduction(o: Operator, x: Value, axes: Given = None) -> Sequence[Value]:
    given = integers(axes, "axes") if axes is not None else o.attribute("axes", ())
    if not len(given) and o.attribute("noop_with_empty_axes", 0):
        return pointwise(o, x)
    gone = {axis_of(a, rank(x)) for a in given} or set(range(rank(x)))
    return _reduced(o, x, gone, [axes] if axes is not None else [])


def argument(o: Operator, x: Value) -> Sequence[Value]:
    axis = axis_of(o.attribute("axis", 0), rank(x))
    if o.attribute("select_last_index", 0):
        _beside(o, x, axis)
    return _reduced(o, x, {axis}, [])


def _reduced(o: Operator, x: Value, gone: set[int], rest: list[Given]) -> Sequence[Value]:
    lengths, op = o.b.lengths(x), o.node.op
    left = [a for a in range(rank(x)) if a not in gone]
    place = {a: a if o.attribute("keepdims", 1) else left.index(a) for a in left}
    found = {place[a]: n for a, n in lengths.items() if a in place}
    mixed = {a: n for a, n in lengths.items() if a in gone}
    if not mixed:
        return o.made([x, *rest], found)
    [y] = o.plain([seen(o.b, x, NEUTRAL[op](dtype(x))), *rest])
    if op == "ReduceMean":
        if not is_float(x):
            raise _refuse("a mean of integers")
        for a, length in mixed.items():
            share = o.b(R.divide, np.asarray(shape(x)[a], dtype(x)), o.b.cast(length, dtype(x)))
            y = o.b(R.multiply, y, share)
    return [o.b.padded(y, found)]


def top_k(o: Operator, x: Value, *k: Given) -> Sequence[Value]:
    """As many as there are, at most, where the number of the best is such a length."""
    axis = axis_of(o.attribute("axis", -1), rank(x))
    lengths = o.b.lengths(x)
    if axis in lengths:
        worst = _lowest if o.attribute("largest", 1) else _highest
        x = seen(o.b, x, worst(dtype(x)))
    found = {a: n for a, n in lengths.items() if a != axis}
    if k:
        most, asked = _bounds(o.b, k[0])
        k = (most,)
        for length in _lengths_among(asked).values():
            found[axis] = length
    return o.made([x, *k], found)


def softmax(o: Operator, x: Value) -> Sequence[Value]:
    """Before opset 13 along all axes from the given one on."""
    return o.made([seen(o.b, x, -math.inf)], o.b.lengths(x))


def normalization(o: Operator, x: Value, *rest: Given) -> Sequence[Value]:
    _beside(o, x, *range(axis_of(o.attribute("axis", -1), rank(x)), rank(x)))
    y, *further = o.plain([x, *rest])
    return [o.b.padded(y, o.b.lengths(x)), *further]


def cumulative(o: Operator, x: Value, axis: Value) -> Sequence[Value]:
    if o.attribute("reverse", 0):
        _beside(o, x, axis_of(integers(axis, "axis")[0], rank(x)))
    return o.made([x, axis], o.b.lengths(x))


# ---- products, images ----


def matmul(o: Operator, x: Value, y: Value) -> Sequence[Value]:
    if min(rank(x), rank(y)) < 2:
        raise _refuse("a product with a vector")
    b, dims = o.b, max(rank(x), rank(y))
    lengths = [{a - rank(v): n for a, n in b.lengths(v).items()} for v in (x, y)]
    if lengths[0].get(-1) is not lengths[1].get(-2):
        raise _refuse("the other one has a fixed size along the axis of the sum")
    if -1 in lengths[0]:
        x, y = seen(b, x), seen(b, y)
    found: dict[int, Value] = {}
    for side, summed in zip(lengths, (-1, -2), strict=True):
        for a, length in side.items():
            if a != summed:
                _same(found, a + dims, length)
    return o.made([x, y], found)


def gemm(o: Operator, x: Value, *rest: Given) -> Sequence[Value]:
    _only(o, 0, [x, *rest])
    _beside(o, x, 0 if o.attribute("transA", 0) else 1)
    [length] = o.b.lengths(x).values()
    return o.made([x, *rest], {0: length})


def batched(*padded: int) -> Rule:
    """Each element along the first axis is computed from that of the inputs `padded` alone."""

    def rule(o: Operator, *inputs: Given) -> Sequence[Value]:
        _only(o, padded, inputs)
        found: dict[int, Value] = {}
        for n in padded:
            for axis, length in o.b.lengths(inputs[n]).items():
                if axis:
                    raise _refuse("it may only be that of the first axis")
                _same(found, 0, length)
        return o.made(inputs, found)

    return rule


def _only(o: Operator, padded: int | Sequence[int], inputs: Sequence[Given]) -> None:
    allowed = {padded} if isinstance(padded, int) else set(padded)
    for n, value in enumerate(inputs):
        if n not in allowed and o.b.lengths(value):
            raise _refuse(f"it cannot be '{o.node.inputs[n]}'")


# ---- what itself chooses ----


def non_zero(o: Operator, x: Value) -> Sequence[Value]:
    return o.plain([seen(o.b, x)])


def compress(o: Operator, x: Value, condition: Value) -> Sequence[Value]:
    axis = o.attribute("axis", None)
    if axis is None and rank(x) > 1:
        _beside(o, x, *range(rank(x)))
    along = axis_of(axis or 0, rank(x))
    [y] = o.plain([x, seen(o.b, condition)])
    others = {a: n for a, n in o.b.lengths(x).items() if a != along}
    return [o.b.padded(y, {**others, **o.b.lengths(y)})]


def non_max_suppression(o: Operator, boxes: Value, scores: Value, *how: Given) -> Sequence[Value]:
    """A box that is not to be seen has a score below every threshold."""
    _beside(o, boxes, 0, 2)
    _beside(o, scores, 0, 1)
    most, overlap, threshold = [*how, None, None, None][:3]
    least = np.array([-math.inf], np.float32) if threshold is None else threshold
    if 1 in o.b.lengths(boxes) and 2 not in o.b.lengths(scores):
        raise _refuse("there are boxes and scores of different sizes")
    return o.plain([boxes, seen(o.b, scores, -math.inf), most, overlap, least])


POINTWISE = (
    "Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr "
    "BitwiseXor Cast CastLike Ceil Celu Clip Cos Cosh Div Elu Equal Erf Exp Floor Gelu Greater "
    "GreaterOrEqual HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Less LessOrEqual Log Max "
    "Mean Min Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh "
    "Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor"
)
KEPT = (
    "Optional OptionalGetElement OptionalHasElement SequenceAt SequenceConstruct SequenceErase "
    "SequenceInsert SequenceLength"
)
BATCHED = (
    "AveragePool BatchNormalization Conv ConvTranspose GlobalAveragePool GlobalMaxPool MaxPool"
)
# Which input of an operator is a size that it gives its result.
SIZES = {"ConstantOfShape": 0, "Expand": 1, "Range": 1, "Reshape": 1, "Slice": 2, "TopK": 1}
RULES: Mapping[str, Rule] = {
    **dict.fromkeys(POINTWISE.split(), pointwise),
    **dict.fromkeys(KEPT.split(), kept),
    **dict.fromkeys(BATCHED.split(), batched(0)),
    **dict.fromkeys((n for n in NEUTRAL if n.startswith("Reduce")), reduction),
    **dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Unsqueeze"), reshape),
    **dict.fromkeys(("LogSoftmax", "Softmax"), softmax),
    "ArgMax": argument,
    "ArgMin": argument,
    "Compress": compress,
    "Concat": concat,
    "ConstantOfShape": constant_of_shape,
    "CumSum": cumulative,
    "Expand": expand,
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "Gemm": gemm,
    "LayerNormalization": normalization,
    "MatMul": matmul,
    "NonMaxSuppression": non_max_suppression,
    "NonZero": non_zero,
    "OneHot": one_hot,
    "Range": range_node,
    "RoiAlign": batched(1, 2),
    "ScatterElements": scatter,
    "ScatterND": scatter,
    "Shape": shape_node,
    "Size": size_node,
    "Slice": slice_node,
    "Split": split,
    "TopK": top_k,
    "Transpose": transpose,
}
