"""Files in, Model out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from frontends import load
from frontends.model import ModelError
from frontends.mxnet import load as load_mxnet
from tests.frontends.mxnet.conftest import ran, stored

Files = Callable[..., Path]
W = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)
X = np.random.default_rng(2).standard_normal((2, 4)).astype(np.float32)


def symbol(**given: str) -> dict[str, Any]:
    dense = {"no_bias": "True", "num_hidden": "3"}
    return {
        "nodes": [
            {"op": "null", "name": "data", "attrs": given, "inputs": []},
            {"op": "null", "name": "w", "inputs": []},
            {"op": "null", "name": "label", "inputs": []},
            {"op": "FullyConnected", "name": "fc", "attrs": dense, "inputs": [[0, 0], [1, 0]]},
            {"op": "LogisticRegressionOutput", "name": "p", "inputs": [[3, 0], [2, 0]]},
        ],
        "heads": [[4, 0]],
        "attrs": {"mxnet_version": ["int", 10500]},
    }


@pytest.mark.parametrize("config", ["{'data': [2, 4]}", "[[2, 4]]", "[2, 4]"])
def test_a_model(files: Files, config: str) -> None:
    model = load("MXNET", files(symbol(), {"w": W}).parent, config)
    assert [(t.name, t.shape) for t in model.signature.inputs] == [("data", (2, 4))]
    assert [(t.name, t.shape) for t in model.signature.outputs] == [("p_output", (2, 3))]
    assert (model.framework_version, model.derived) == ("1.5.0", None)
    (got,) = ran(onnx.load(model.oracle), {"data": X})
    np.testing.assert_allclose(got, 1 / (1 + np.exp(-X @ W.T)), rtol=1e-5)


def test_a_shape_that_the_file_tells(files: Files) -> None:
    model = load_mxnet(files(symbol(__shape__="(2, 4)"), {"w": W}), None)
    assert model.derived == '{"data": [2, 4]}'


def test_a_label_with_a_shape_is_an_input(files: Files) -> None:
    model = load_mxnet(files(symbol(), {"w": W}), {"data": (2, 4), "label": (2, 3)})
    assert [t.name for t in model.signature.inputs] == ["data", "label"]


def test_the_last_epoch_wins(files: Files) -> None:
    path = files(symbol(), {"w": W})
    path.with_name("net-0012.params").write_bytes(stored({"arg:w": 2 * W}))
    (got,) = ran(onnx.load(load_mxnet(path, {"data": (2, 4)}).oracle), {"data": X})
    np.testing.assert_allclose(got, 1 / (1 + np.exp(-X @ (2 * W).T)), rtol=1e-5)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (None, "unable to extract DataInputConfig from the model due to input 'data'"),
        ({"date": (2, 4)}, "names the input 'date', which the model does not have"),
        ({"label": (2, 3)}, "no shape for input 'data'"),
        ({"data": (-1, 4)}, "no shape of positive numbers"),
        ([(2, 4), (2,), (2,)], r"lists 3 shapes; the model's inputs are \['data'\]"),
        ({"data": (2, 5)}, "operator FullyConnected of node 'fc'"),
    ],
)
def test_shapes_that_do_not_fit(files: Files, config: Any, text: str) -> None:
    with pytest.raises(ModelError, match=text) as caught:
        load_mxnet(files(symbol(), {"w": W}), config)
    assert str(caught.value).startswith("TVM can't convert the MXNet model. ")


def test_files_that_cannot_be_read(files: Files) -> None:
    path = files(symbol(), {"w": W})
    path.with_name("net-0000.params").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="Framework can't load the MXNet model: The parameter"):
        load_mxnet(path, {"data": (2, 4)})
    path.with_name("net-0000.params").unlink()
    with pytest.raises(ModelError, match="No parameter file found for MXNet model: net-symbol"):
        load_mxnet(path, {"data": (2, 4)})
