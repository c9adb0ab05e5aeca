"""Converters of our own in the place of skl2onnx's; for a script of confined.py.

Behind this interface they work in any pipeline that skl2onnx converts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from frontends.sklearn.trees import Grown

DOMAIN, OPSET = "neoc", 18
FIELDS = ("tests", "features", "values", "yes", "no", "missing", "roots")
# Of skl2onnx's scope, operator and container.
Converter = Callable[[Any, Any, Any], None]


def register(
    converters: Mapping[str, Converter], shapes: Mapping[str, Callable[[Any], None]]
) -> None:
    """By the names of estimators, with the options that skl2onnx's own have."""
    from skl2onnx.common import _registration as known

    for name, convert in converters.items():
        alias = f"Sklearn{name}"
        options = known.get_converter(alias).get_allowed_options()
        known.register_converter(alias, convert, overwrite=True, options=options)
    for name, calculate in shapes.items():
        known.register_shape_calculator(f"Sklearn{name}", calculate, overwrite=True)


class Graph:
    """Nodes behind an operator's inputs, which are floats side by side. scores: whether what is
    around a classifier asks for its decision function in the place of its probabilities.
    """

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        self._scope, self._container = scope, container
        self._outputs = [output.full_name for output in operator.outputs]
        options = scope.get_options(operator.raw_operator, {"raw_scores": False}, fail=False) or {}
        self.scores = bool(options.get("raw_scores"))
        parts = []
        for variable in operator.inputs:
            self.made = variable.full_name
            whole = "Float" in type(variable.type).__name__
            parts.append(self.made if whole else self.add("Cast", to=1))
        if len(parts) > 1:
            self.after(parts[0], "Concat", *parts[1:], axis=1)

    def add(self, kind: str, *others: Any, to_output: int | None = None, **attributes: Any) -> str:
        """Behind what was made last, which it takes the place of. others: names, or constants."""
        names = [other if isinstance(other, str) else self.constant(other) for other in others]
        fresh: str = self._scope.get_unique_variable_name(kind.lower())
        output = fresh if to_output is None else self._outputs[to_output]
        own = kind == "Forest"
        self._container.add_node(
            kind, [self.made, *names], [output], name=self._scope.get_unique_operator_name(kind),
            op_domain=DOMAIN if own else "", op_version=1 if own else OPSET, **attributes,
        )  # fmt: skip
        self.made = output
        return output

    def after(self, made: str, kind: str, *others: Any, **attributes: Any) -> str:
        self.made = made
        return self.add(kind, *others, **attributes)

    def constant(self, value: Any) -> str:
        from onnx import helper

        array = np.asarray(value)
        name: str = self._scope.get_unique_variable_name("constant")
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        self._container.add_initializer(name, kind, array.shape, array.reshape(-1).tolist())
        return name

    def forest(self, grown: Grown) -> str:
        from onnx import numpy_helper

        nodes, leaves = grown
        arrays = {name: getattr(nodes, name) for name in FIELDS}
        arrays["leaves"] = leaves.astype(np.float32)
        if nodes.members:
            sets = [np.append(nodes.members[n], np.nan) for n in sorted(nodes.members)]
            arrays["members"] = np.concatenate(sets)
        return self.add("Forest", **{n: numpy_helper.from_array(a, n) for n, a in arrays.items()})

    def of_two(self, second: str) -> str:
        """The second output, of two classes: of the second class what is made, of the first what is
        left to 1, or its opposite if they are scores.
        """
        if self.scores:
            self.after(second, "Neg")
        else:
            self.after(self.constant(np.float32(1)), "Sub", second)
        return self.add("Concat", second, axis=1, to_output=1)

    def label(self, classes: Any, number: str) -> None:
        """The first output: the class of that number."""
        table = self.constant(np.asarray(classes).astype(np.int64))
        self.after(table, "Gather", number, to_output=0)
