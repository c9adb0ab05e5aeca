"""Of boxes that overlap the one with the best score: ONNX's NonMaxSuppression.

    for each image and class in parallel:
        candidates = a heap of those above the score threshold
        until there are enough: take the best one, of equal ones the first, and
            keep it unless it overlaps one that was kept, which are compared by vectors

    neoc.suppress(boxes [n, boxes, 4], scores [n, classes, boxes], limit, overlap, threshold,
                  [most, centred, filtered]) -> int64 [n, classes, most]: boxes' numbers, then -1

Boxes are two opposite corners, or, if centred, x, y, width and height.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import bound, either, kernel, loop, nest, registers, vector_at, workspace
from compiler.kernels.operators import integers
from compiler.kernels.order import collect, scalar
from compiler.kernels.template import FIXED, Point, Space, Template
from compiler.kernels.value import ZERO, Expr, Index, Value, ravel
from compiler.kernels.vector import Evaluator
from compiler.kernels.workload import Workload
from targets import Profile

KIND = "float32"
SIDES = 4  # lowest y and x, highest y and x
NONE = tirx.const(-1, "int64")


@dataclass(frozen=True)
class Box:
    """Its sides and its area, as expressions."""

    sides: tuple[Expr, ...]
    area: Expr

    def overlaps(self, other: Box, limit: Expr) -> Expr:
        """Whether what they share is a larger part of both together than the limit."""
        low = [tirx.max(a, b) for a, b in zip(self.sides[:2], other.sides[:2], strict=True)]
        high = [tirx.min(a, b) for a, b in zip(self.sides[2:], other.sides[2:], strict=True)]
        shared = (high[0] - low[0]) * (high[1] - low[1])
        union = self.area + other.area - shared
        zero = tirx.const(0, KIND)
        is_some = tirx.And(high[0] > low[0], high[1] > low[1])
        is_some = tirx.And(is_some, tirx.And(self.area > zero, other.area > zero))
        return tirx.And(tirx.And(is_some, union > zero), shared / union > limit)


class Suppress(Template):
    name = "suppress"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.operator == "neoc.suppress"

    def space(self, work: Workload, profile: Profile) -> Space:
        return FIXED

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        call = work.anchor
        assert call is not None
        most, centred, filtered = integers(call.args[-1])
        with kernel(name, work.parameters) as (buffers, done):
            boxes, scores, limit, overlap, threshold = work.bind(buffers).operands()
            images, classes, count = scores.shape
            most_here, least = scalar(limit.at((ZERO,))), scalar(overlap.at((ZERO,)))
            above = scalar(threshold.at((ZERO,)))

            def row(index: Index) -> None:
                heap = _Heap(count, lambda i: scalar(scores.at((*index, i))))
                heap.fill(
                    lambda i: scores.at((*index, i)) > above if filtered else tirx.const(1, "bool")
                )
                kept = _Kept(most, profile.isa.lanes, least)
                out, base = buffers[-1], bound(ravel((*index, ZERO), (images, classes, most)))
                with loop(most) as i:
                    T.buffer_store(out, NONE, [base + i])
                enough = T.bind(tirx.min(most_here, tirx.const(most, "int64")).astype("int32"))
                with T.While(tirx.And(heap.left[0] > 0, kept.count[0] < enough)):
                    place = heap.take()
                    box = _box(boxes, index[0], place, bool(centred))
                    number = T.bind(kept.count[0])

                    def keep() -> None:
                        kept.add(box)
                        T.buffer_store(out, place.astype("int64"), [base + number])

                    either(kept.clear_of(box), keep, lambda: None)

            nest((images, classes), row, images * classes > 1)
        return done[0]


class _Heap:
    """Places, of which none has a better key than the one at half its number."""

    def __init__(self, room: int, key: Callable[[Expr], Expr]) -> None:
        self.key = key
        self.places = workspace(room, "int32")
        self.left, self.room = registers(1, 1, "int32"), room

    def fill(self, chosen: Callable[[Expr], Expr]) -> None:
        found = collect(self.places, self.room, chosen)
        T.buffer_store(self.left, found, [0])
        half = T.bind(tirx.floordiv(found, 2))
        with T.serial(0, half) as n:
            root = T.bind(half - 1 - n)
            self._sink(T.bind(self.places[root]), root, found)

    def take(self) -> Expr:
        """The best place; the last one takes its room."""
        last = T.bind(self.left[0] - 1)
        best = T.bind(self.places[0])
        T.buffer_store(self.left, last, [0])
        self._sink(T.bind(self.places[last]), ZERO, last)
        return best

    def _sink(self, place: Expr, root: Expr, count: Expr) -> None:
        """Puts a place where it belongs below a root whose own place is free."""
        at, child = registers(1, 1, "int32"), registers(1, 1, "int32")
        key = self.key(place)
        T.buffer_store(at, root, [0])
        T.buffer_store(child, 2 * root + 1, [0])
        with T.While(child[0] < count):
            left = T.bind(child[0])
            right = T.bind(tirx.min(left + 1, count - 1))
            a, b = T.bind(self.places[left]), T.bind(self.places[right])
            first = T.bind(self.key(a)), a
            other = T.bind(self.key(b)), b
            is_other = T.bind(_before(other, first).astype("int32"))
            best = T.bind(tirx.Select(is_other > 0, b, a))
            best_key = T.bind(tirx.Select(is_other > 0, other[0], first[0]))

            def rise() -> None:
                T.buffer_store(self.places, best, [T.bind(at[0])])
                now = T.bind(tirx.Select(is_other > 0, right, left))
                T.buffer_store(at, now, [0])
                T.buffer_store(child, 2 * now + 1, [0])

            either(
                _before((best_key, best), (key, place)),
                rise,
                lambda: T.buffer_store(child, count, [0]),
            )
        T.buffer_store(self.places, place, [T.bind(at[0])])


def _before(one: tuple[Expr, Expr], other: tuple[Expr, Expr]) -> Expr:
    """By falling keys, then by places."""
    return tirx.Or(one[0] > other[0], tirx.And(tirx.EQ(one[0], other[0]), one[1] < other[1]))


class _Kept:
    """The boxes that were kept: one row for each side and for the area. Unused boxes have none."""

    def __init__(self, most: int, lanes: int, limit: Expr) -> None:
        self.lanes, self.limit = lanes, limit
        self.room = -(-most // lanes) * lanes
        self.rows = workspace((SIDES + 1) * self.room, KIND)
        self.count = registers(1, 1, "int32")
        T.buffer_store(self.count, ZERO, [0])
        with loop((SIDES + 1) * self.room // lanes) as i:
            T.buffer_store(
                self.rows,
                tirx.Broadcast(tirx.const(0, KIND), lanes),
                [vector_at(bound(i * lanes), lanes)],
            )

    def add(self, box: Box) -> None:
        number = T.bind(self.count[0])
        for n, value in enumerate((*box.sides, box.area)):
            T.buffer_store(self.rows, value, [number + n * self.room])
        T.buffer_store(self.count, number + 1, [0])

    def clear_of(self, box: Box) -> Expr:
        """Whether it overlaps none of them."""
        lane, at = tirx.Var("lane", "int32"), registers(1, 1, "int32")
        hit, hits = registers(1, 1, "int32"), registers(1, self.lanes, "int32")
        T.buffer_store(at, ZERO, [0])
        T.buffer_store(hit, ZERO, [0])
        with T.While(tirx.And(at[0] < self.count[0], hit[0] == 0)):
            first = T.bind(at[0])
            *sides, area = (self.rows[first + n * self.room + lane] for n in range(SIDES + 1))
            overlaps = Box(tuple(sides), area).overlaps(box, self.limit).astype("int32")
            T.buffer_store(hits, Evaluator(lane, self.lanes)(overlaps), [vector_at(0, self.lanes)])
            with loop(self.lanes) as i:
                T.buffer_store(hit, T.bind(hit[0]) | T.bind(hits[i]), [0])
            T.buffer_store(at, first + self.lanes, [0])
        return hit[0] == 0


def _box(boxes: Value, image: Expr, place: Expr, centred: bool) -> Box:
    a, b, c, d = (scalar(boxes.at((image, place, tirx.const(n, "int32")))) for n in range(SIDES))
    if centred:
        half = tirx.const(0.5, KIND)
        a, b, c, d = (b - d * half, a - c * half, b + d * half, a + c * half)
    else:
        a, b, c, d = (tirx.min(a, c), tirx.min(b, d), tirx.max(a, c), tirx.max(b, d))
    sides = tuple(T.bind(side) for side in (a, b, c, d))
    return Box(sides, T.bind((sides[2] - sides[0]) * (sides[3] - sides[1])))
