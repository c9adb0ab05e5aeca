"""A Booster as ONNX, through ONNX Runtime, against XGBoost itself."""

import numpy as np
import onnx
import onnxruntime
import pytest

from frontends.xgboost import booster, document, graph
from tests.frontends.xgboost.files import NAMES, case


@pytest.mark.parametrize("name", NAMES)
def test_the_graph_says_what_xgboost_says(name: str) -> None:
    data, x, y = case(name)
    made = graph.model(booster.of(document.read(data)))
    onnx.checker.check_model(made)
    session = onnxruntime.InferenceSession(made.SerializeToString())
    (got,) = session.run(None, {graph.INPUT: x})
    np.testing.assert_allclose(got.reshape(y.shape), y, rtol=1e-6, atol=1e-6 * abs(y).max())
