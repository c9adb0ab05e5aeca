"""One seed in, one random graph out: which inputs it begins with, which rows it takes, and which
values it gives.
"""

from __future__ import annotations

import onnx

from benchmarks.fuzz import elements, flow, images, moves, products, quantised
from benchmarks.fuzz.drawing import Drawing, Graph, Shape, Value, model_of
from benchmarks.fuzz.oracle import Declined

OPSETS = (13, 17, 18, 21, 23)
NODES = (3, 15)
TRIALS = 60
INSTEAD = len(OPSETS) * 10**9  # added to the seed of a graph that is not valid
DTYPES = ("float32",) * 24 + ("float64", "float16", "int32", "int64", "bool", "uint8", "int8")
# How likely a graph of a theme takes each family's rows, and what its inputs look like.
FAMILIES = {
    "elements": elements.ROWS,
    "images": images.ROWS,
    "moves": moves.ROWS,
    "products": products.ROWS,
    "quantised": quantised.ROWS,
    "flow": flow.ROWS,
}
THEMES: dict[str, dict[str, float]] = {
    "images": {
        "images": 6,
        "elements": 2,
        "moves": 2,
        "products": 0.5,
        "quantised": 0.3,
        "flow": 0.1,
    },
    "rows": {"products": 5, "elements": 3, "moves": 3, "quantised": 0.3, "flow": 0.2},
    "any": {"elements": 4, "moves": 4, "products": 2, "images": 1, "flow": 0.3},
    "bytes": {"quantised": 6, "images": 1, "products": 1, "elements": 2, "moves": 2},
}
SHARES = (8, 6, 6, 2)  # of the themes
SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17)


def opset_of(seed: int) -> int:
    return OPSETS[seed % len(OPSETS)]


def draw(seed: int, prefix: str = "") -> Graph:
    """A graph whose shapes are what the standard infers, which two oracles' poolings at times are
    not."""
    graph = drawn(seed, prefix)
    try:
        onnx.checker.check_model(model_of([graph]), full_check=True)
    except Exception:  # it has no common class
        return draw(seed + INSTEAD, prefix)
    return graph


def drawn(seed: int, prefix: str) -> Graph:
    g = Drawing(seed, opset_of(seed), prefix)
    theme = g.chance.choices(list(THEMES), SHARES)[0]
    for _ in range(g.chance.choice([1, 1, 2, 3])):
        shape = start(g, theme)
        dtype = g.chance.choice(DTYPES) if theme != "bytes" else "float32"
        g.input(g.random(shape, dtype))
    rows = [
        (weight * share / sum(w for w, _ in FAMILIES[family]), row)
        for family, share in THEMES[theme].items()
        for weight, row in FAMILIES[family]
    ]
    shares = [share for share, _ in rows]
    wanted = g.chance.randint(*NODES)
    for _ in range(TRIALS):
        if len(g.nodes) >= wanted:
            break
        try:
            g.chance.choices(rows, shares)[0][1](g)
        except Declined:
            pass
    if not g.nodes:
        g.input(g.random((2, 3)))
        g.node("Neg", g.inputs[-1])
    return g.graph(results(g))


def start(g: Drawing, theme: str) -> Shape:
    """A shape of an input."""
    pick = g.chance.choice
    if theme in ("images", "bytes"):
        space = [pick([1, 2, 3, 5, 6, 7, 8, 9, 10, 12]) for _ in range(pick([2] * 8 + [1, 3]))]
        return pick([1, 1, 1, 2, 3]), pick([1, 2, 3, 4, 5, 8, 9, 12, 16, 17, 24, 32]), *space
    if theme == "rows":
        return tuple(pick(SIZES) for _ in range(pick([2, 3, 3, 4])))
    sizes = (*SIZES, 0) if g.chance.random() < 0.1 else SIZES
    return tuple(pick(sizes) for _ in range(pick([0, 1, 2, 3, 3, 4, 4, 5])))


def results(g: Drawing) -> list[Value]:
    """What nothing reads, some of the rest, and at times an input, a constant or a copy."""
    read = {name for node in g.nodes for name in node.input}
    made = [v for v in g.values if v not in g.inputs]
    found = [v for v in made if v.name not in read or g.chance.random() < 0.15]
    if g.chance.random() < 0.05:
        found.append(g.chance.choice(g.inputs))
    if g.chance.random() < 0.03:
        found.append(g.constant(g.random((2, 3))))
    if found and g.chance.random() < 0.05:
        try:
            found.append(g.node("Identity", g.chance.choice(found)))
        except Declined:
            pass
    unique = {v.name: v for v in found}
    return list(unique.values()) or [g.constant(1.0, "float32")]
