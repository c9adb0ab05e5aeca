"""Layers that are outputs: as Darknet's network gives them, before boxes are made of them."""

from __future__ import annotations

from frontends.darknet.cfg import Section
from frontends.darknet.graph import Graph, Value
from frontends.model import ModelError


def yolo(g: Graph, s: Section, x: Value) -> Value:
    """Of each box: x and y, width and height, objectness and classes."""
    boxes = len(s.integers("mask")) or s.integer("num", 1, 1)
    classes = s.integer("classes", 20, 0)
    height, width = _grid(x, boxes, classes + 5)
    parted = g.reshaped(x.name, boxes, classes + 5, height, width)
    place, size, rest = g.split(parted, [2, 2, classes + 1], 2)
    if not s.integer("new_coords", 0):
        place, rest = g.add("Sigmoid", place), g.add("Sigmoid", rest)
    scale = s.number("scale_x_y", 1)
    if scale != 1:
        place = g.add("Sub", g.scaled(place, scale), g.scalar((scale - 1) / 2))
    joined = g.add("Concat", place, size, rest, axis=2)
    return Value(g.reshaped(joined, *x.dims), x.dims)


def region(g: Graph, s: Section, x: Value) -> Value:
    boxes, classes = s.integer("num", 1, 1), s.integer("classes", 20, 0)
    coords, background = s.integer("coords", 4, 2), bool(s.integer("background", 0))
    height, width = _grid(x, boxes, coords + classes + 1)
    parted = g.reshaped(x.name, boxes, coords + classes + 1, height, width)
    sizes = [2, coords - 2, 1, classes]
    names = g.split(parted, [n for n in sizes if n], 2)
    place, *others = names
    made = [g.add("Sigmoid", place), *others[: coords > 2]]
    objectness, *kinds = others[coords > 2 :]
    softmax = bool(s.integer("softmax", 0))
    if softmax and background and kinds:
        made.append(g.add("Softmax", g.add("Concat", objectness, *kinds, axis=2), axis=2))
    else:
        made.append(objectness if background else g.add("Sigmoid", objectness))
        made += [g.add("Softmax", k, axis=2) if softmax else g.add("Sigmoid", k) for k in kinds]
    return Value(g.reshaped(g.add("Concat", *made, axis=2), *x.dims), x.dims)


def detection(g: Graph, s: Section, x: Value) -> Value:
    side, classes = s.integer("side", 7, 1), s.integer("classes", 1, 1)
    boxes, coords = s.integer("num", 1, 1), s.integer("coords", 1, 1)
    kinds = side * side * classes
    wanted = kinds + side * side * boxes * (1 + coords)
    if x.size != wanted:
        raise ModelError(f"it takes {wanted} numbers; the layer before it gives {x.size}.")
    flat = g.reshaped(x.name, x.size)
    if s.integer("softmax", 0):
        first, rest = g.split(flat, [kinds, x.size - kinds], 1)
        first = g.add("Softmax", g.reshaped(first, side * side, classes), axis=2)
        flat = g.add("Concat", g.reshaped(first, kinds), rest, axis=1)
    return Value(flat, (x.size,))


def softmax(g: Graph, s: Section, x: Value) -> Value:
    """Over all numbers or `groups` of them; with `spatial` over channels."""
    temperature = s.number("temperature", 1)
    if not temperature:
        raise ModelError("temperature=0 divides by zero.")
    name = g.scaled(x.name, 1 / temperature)
    if s.integer("spatial", 0) and len(x.dims) == 3:
        return Value(g.add("Softmax", name, axis=1), x.dims)
    groups = s.integer("groups", 1, 1)
    if x.size % groups:
        raise ModelError(f"{groups} groups do not divide {x.size} numbers.")
    parted = g.reshaped(name, groups, x.size // groups)
    return Value(g.reshaped(g.add("Softmax", parted, axis=2), x.size), (x.size,))


def _grid(x: Value, boxes: int, numbers: int) -> tuple[int, int]:
    channels, height, width = x.image
    if channels != boxes * numbers:
        raise ModelError(
            f"{boxes} boxes of {numbers} numbers need {boxes * numbers} channels; the layer before "
            f"it gives {channels}. Its filters= does not fit."
        )
    return height, width
