"""Operators of TensorFlow that tf2onnx does not know, as ONNX; for scripts of confined.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from frontends import formulas

Formula = Callable[..., str]


class Emitter:
    """Adds nodes to a graph of tf2onnx, and numbers of the type that `like` has."""

    def __init__(self, graph: Any, like: str) -> None:
        self._graph, self._kind = graph, graph.get_dtype(like)

    def __call__(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return str(self._graph.make_node(kind, [*inputs], attr=attributes).output[0])

    def number(self, value: float) -> str:
        from onnx import helper

        kind = helper.tensor_dtype_to_np_dtype(self._kind)
        return str(self._graph.make_consts([value], kind)[0].output[0])


def unless_zero(b: Emitter, x: str, made: str) -> str:
    """0 where x is."""
    zero = b.number(0)
    return b("Where", b("Equal", x, zero), zero, made)


FORMULAS: Mapping[str, Formula] = {
    "Erfc": formulas.erfc,
    "Expm1": formulas.expm1,
    "Inv": lambda b, x: b("Reciprocal", x),
    "L2Loss": lambda b, x: b("Mul", b("ReduceSumSquare", x, keepdims=0), b.number(0.5)),
    "Log1p": formulas.log1p,
    "Mod": lambda b, x, y: b("Mod", x, y, fmod=1),
    "MulNoNan": lambda b, x, y: unless_zero(b, y, b("Mul", x, y)),
    "TruncateMod": lambda b, x, y: b("Mod", x, y, fmod=1),
    "Xdivy": lambda b, x, y: unless_zero(b, x, b("Div", x, y)),
    "Xlogy": lambda b, x, y: unless_zero(b, x, b("Mul", x, b("Log", y))),
}


def handlers() -> dict[str, tuple[Callable[..., None], list[Any]]]:
    """As tf2onnx takes them."""
    return {name: (_handler(formula), []) for name, formula in FORMULAS.items()}


def _handler(formula: Formula) -> Callable[..., None]:
    def convert(graph: Any, node: Any, name: str, arguments: object) -> None:
        [output] = node.output
        shapes, kinds = [graph.get_shape(output)], [graph.get_dtype(output)]
        graph.remove_node(name)
        made = formula(Emitter(graph, node.input[0]), *node.input)
        graph.make_node("Identity", [made], outputs=[output], shapes=shapes, dtypes=kinds)

    return convert
