"""Transformers that skl2onnx converts wrongly, converted by us; for a script of confined.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from frontends.nodes import Array
from frontends.sklearn.graph import Converter, Graph


def power(scope: Any, operator: Any, container: Any) -> None:
    """PowerTransformer. skl2onnx divides numbers by themselves, so that a zero is none."""
    graph, part = Graph(scope, operator, container), operator.raw_operator
    x = graph.made
    made = _powers(
        graph, x if part.method == "box-cox" else graph.add("Add", _one()), part.lambdas_
    )
    if part.method == "yeo-johnson":
        mirrored = graph.after(graph.constant(_one()), "Sub", x)
        negative = graph.after(_powers(graph, mirrored, 2 - part.lambdas_), "Neg")
        graph.after(x, "GreaterOrEqual", np.float32(0))
        made = graph.add("Where", made, negative)
    if not part.standardize:
        graph.after(made, "Identity", to_output=0)
        return
    graph.after(made, "Sub", part._scaler.mean_.astype(np.float32))
    graph.add("Div", part._scaler.scale_.astype(np.float32), to_output=0)


def _powers(graph: Graph, base: str, exponents: Array) -> str:
    """(base^e - 1) / e, which is the logarithm at e = 0."""
    zero = np.abs(exponents) < np.finfo(np.float64).eps
    some = np.where(zero, 1.0, exponents).astype(np.float32)
    graph.after(base, "Pow", some)
    graph.add("Sub", _one())
    made = graph.add("Div", some)
    if not zero.any():
        return made
    logarithm = graph.after(base, "Log")
    return graph.after(graph.constant(zero), "Where", logarithm, made)


def _one() -> Array:
    return np.ones((), np.float32)


def imputer(scope: Any, operator: Any, container: Any) -> None:
    """SimpleImputer. skl2onnx keeps columns that scikit-learn drops, and adds no indicators."""
    graph, part = Graph(scope, operator, container), operator.raw_operator
    x, statistics = graph.made, part.statistics_.astype(np.float32)
    missing = (
        graph.add("IsNaN")
        if np.isnan(part.missing_values)
        else graph.add("Equal", np.float32(part.missing_values))
    )
    filled = graph.add("Where", statistics, x)
    if (empty := np.isnan(statistics)).any():
        filled = graph.add("Gather", np.flatnonzero(~empty), axis=1)
    if not part.add_indicator:
        graph.after(filled, "Identity", to_output=0)
        return
    graph.after(missing, "Gather", part.indicator_.features_.astype(np.int64), axis=1)
    indicators = graph.add("Cast", to=1)
    graph.after(filled, "Concat", indicators, axis=1, to_output=0)


def imputed_shape(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType

    width = len(operator.raw_operator.get_feature_names_out())
    rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = FloatTensorType([rows, width])


CONVERTERS: dict[str, Converter] = {"PowerTransformer": power, "SimpleImputer": imputer}
SHAPES = {"SimpleImputer": imputed_shape}
