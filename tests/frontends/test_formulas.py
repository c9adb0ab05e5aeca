"""frontends/formulas.py: every digit, where the plain formulas lose them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import NodeProto, helper

from frontends import formulas

INPUTS = {
    "expm1": [-1e9, -200, -3, -0.7, -0.4, -1e-6, -1e-15, 0, 1e-15, 1e-6, 0.3, 0.6, 5, 60, np.inf],
    "log1p": [-0.9, -0.6, -0.4, -1e-6, -1e-15, 0, 1e-15, 1e-6, 0.3, 0.6, 5, 1e4, 1e9, np.inf],
    "erfc": [-30, -4, -1, -0.1, 0, 0.1, 0.6, 0.99, 1.01, 2, 3.5, 4.5, 6, 9, 30],
}
TOLERANCES = {
    ("expm1", "float32"): 1e-6,
    ("expm1", "float64"): 1e-14,
    ("log1p", "float32"): 1e-6,
    ("log1p", "float64"): 1e-14,
    ("erfc", "float32"): 2e-5,
}


class Emitter:
    def __init__(self, kind: str) -> None:
        self.kind = np.dtype(kind)
        self.nodes: list[NodeProto] = []

    def __call__(self, kind: str, *inputs: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name := f"v{len(self.nodes)}"]))
        return name

    def number(self, value: float) -> str:
        kind = helper.np_dtype_to_tensor_dtype(self.kind)
        tensor = helper.make_tensor("number", kind, [], [value])
        self.nodes.append(
            helper.make_node("Constant", [], [name := f"v{len(self.nodes)}"], value=tensor)
        )
        return name


@pytest.mark.parametrize(("name", "kind"), TOLERANCES)
def test_small_results(name: str, kind: str) -> None:
    x = np.array(INPUTS[name], kind)
    emitter = Emitter(kind)
    formula: Callable[..., str] = getattr(formulas, name)
    y = formula(emitter, "x")
    element = helper.np_dtype_to_tensor_dtype(x.dtype)
    infos = [helper.make_tensor_value_info(n, element, x.shape) for n in ("x", y)]
    graph = helper.make_graph(emitter.nodes, "g", infos[:1], infos[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    [got] = session.run(None, {"x": x})
    wanted = np.array([getattr(math, name)(v) for v in x.tolist()])
    tolerance = TOLERANCES[name, kind]
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=float(np.finfo(kind).tiny))
