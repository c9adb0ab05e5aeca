"""Whole symbols: names of outputs, labels, what old files leave out, and all that is refused."""

import json
from typing import Any

import numpy as np
import pytest

from frontends.model import ModelError
from frontends.mxnet.convert import Converter
from frontends.mxnet.symbol import Symbol, parse
from tests.frontends.mxnet.conftest import ran

X = np.random.default_rng(1).standard_normal((2, 4)).astype(np.float32)


def symbol(*nodes: tuple[str, str, dict[str, str], list[int]], heads: Any, version: Any) -> Symbol:
    listed = [
        {"op": op, "name": name, "attrs": given, "inputs": [[i, 0, 0] for i in inputs]}
        for op, name, given, inputs in nodes
    ]
    document = {"nodes": listed, "heads": heads, "attrs": {"mxnet_version": ["int", version]}}
    return parse(json.dumps(document).encode())


def made(*nodes: Any, heads: Any, version: int = 10901, **params: Any) -> Converter:
    return Converter(symbol(*nodes, heads=heads, version=version), params)


DATA: Any = ("null", "data", {}, [])


def test_a_label_is_no_input() -> None:
    converter = made(
        DATA, ("null", "l", {}, []), ("SoftmaxOutput", "prob", {}, [0, 1]), heads=[[2, 0, 0]]
    )
    assert [n.name for n in converter.needed] == ["data"]
    assert [n.name for n in converter.labels] == ["l"]
    model = converter.model({"data": (2, 4)})
    assert [i.name for i in model.graph.input] == ["data"]
    assert [o.name for o in model.graph.output] == ["prob_output"]
    named = converter.model({"data": (2, 4), "l": (2,)})
    assert [i.name for i in named.graph.input] == ["data", "l"]


def test_names_of_several_results() -> None:
    split = ("SliceChannel", "s", {"num_outputs": "2"}, [0])
    model = made(DATA, split, heads=[[1, 1, 0], [1, 0, 0]]).model({"data": (2, 4)})
    assert [o.name for o in model.graph.output] == ["s_output1", "s_output0"]
    first, second = ran(model, {"data": X})
    np.testing.assert_array_equal(np.hstack([second, first]), X)


def test_an_old_file_leaves_out_auxiliary_states() -> None:
    four: dict[str, Any] = {
        n: np.full(4, v, np.float32) for n, v in [("g", 2), ("b", 1), ("y_moving_mean", 3)]
    }
    nodes: list[Any] = [DATA, ("null", "g", {}, []), ("null", "b", {}, [])]
    nodes.append(("BatchNorm", "y", {"fix_gamma": "False", "eps": "0"}, [0, 1, 2]))
    variance = np.full(4, 4, np.float32)
    converter = made(*nodes, heads=[[3, 0]], version=800, y_moving_var=variance, **four)
    (got,) = ran(converter.model({"data": (2, 4)}), {"data": X})
    np.testing.assert_allclose(got, (X - 3) / 2 * 2 + 1, rtol=1e-6)
    with pytest.raises(ModelError, match="BatchNorm of node 'y': 3 inputs"):
        made(*nodes, heads=[[3, 0]], y_moving_var=variance, **four).model({"data": (2, 4)})


def test_a_state_of_an_unknown_batch_is_spread() -> None:
    zeros: Any = ("_zeros", "h", {"shape": "(0, 4)", "dtype": "float32"}, [])
    model = made(DATA, zeros, ("elemwise_add", "y", {}, [0, 1]), heads=[[2, 0, 0]])
    (got,) = ran(model.model({"data": (2, 4)}), {"data": X})
    np.testing.assert_array_equal(got, X)


def test_all_unknown_operators_at_once() -> None:
    with pytest.raises(ModelError, match=r"operator Foo of node 'a'\noperator Bar of node 'b'"):
        made(DATA, ("Foo", "a", {}, [0]), ("Bar", "b", {}, [1]), heads=[[2, 0, 0]])


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (("relu", "y", {"colour": "1"}, [0]), "relu of node 'y': the attribute colour"),
        (("Reshape", "y", {"shape": "(3, -1)"}, [0]), r"Reshape of node 'y': the shape \[2, 4\]"),
        (("relu", "y", {}, [0, 0]), "relu of node 'y': 2 inputs, and too many"),
        (("Dropout", "y", {"mode": "always"}, [0]), "makes random answers"),
        (("Pooling", "y", {"kernel": "(2,2)"}, [0]), "kernel has 2 numbers for 0 axes"),
        (("tile", "y", {"reps": "(100000, 100000)"}, [0]), "asks for 80000000000 elements"),
        (("_full", "y", {"shape": "(1000000, 100000)"}, []), "asks for"),
        (("clip", "y", {}, [0]), "clip of node 'y': 1 inputs, and missing"),
    ],
)
def test_what_does_not_fit_is_refused(node: Any, text: str) -> None:
    with pytest.raises(ModelError, match=text):
        made(DATA, node, heads=[[1, 0, 0]]).model({"data": (2, 4)})


def test_a_result_that_is_not_there() -> None:
    with pytest.raises(ModelError, match="result 1 of node 'y'"):
        made(DATA, ("relu", "y", {}, [0]), heads=[[1, 1, 0]]).model({"data": (2, 4)})
