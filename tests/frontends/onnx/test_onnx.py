"""load: names, ranks and dimensions of the client's shapes, and Neo's texts around the causes."""

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from frontends import onnx as importer
from frontends.model import Known, Model, ModelError, Tensor

Load = Callable[..., Model]

DYNAMIC = "g (float[N,3] x, float[3] z) => (float[N,3] y) { y = Add(x, z) }"


@pytest.mark.parametrize("config", [{"x": (4, 3)}, {"x": (4, 3), "z": (3,)}, [(4, 3), (3,)]])
def test_shapes_by_name_or_by_place(load: Load, config: object) -> None:
    model = load(DYNAMIC, config=config)
    assert model.signature.inputs == (Tensor("x", (4, 3), "float32"), Tensor("z", (3,), "float32"))
    assert model.signature.outputs == (Tensor("y", (4, 3), "float32"),)
    assert model.derived is None


WRONG = [
    ({"y": (4, 3)}, r"names the input 'y', which the model does not have; its inputs are \['x'"),
    ({"x": (4,)}, r"gives input 'x' 1 dimensions, \[4\]; the model has 2: \['N', 3\]"),
    ({"x": (4, 5)}, "gives input 'x' 5 at dimension 1, which the model fixes to 3"),
    ({"x": (0, 3)}, r"gives input 'x' the dimension 0 in \[0, 3\]; every dimension must be"),
    ({"x": (-1, 3)}, r"gives input 'x' the dimension -1"),
    ({"z": (3,)}, r"has no shape for input 'x', which the model gives as \['N', 3\]"),
    ([(4, 3)], r"lists 1 shapes; the model has 2 inputs: \['x', 'z'\]"),
    (None, r"We are unable to extract DataInputConfig from the model due to input 'x'.*\['N', 3\]"),
]


@pytest.mark.parametrize(("config", "text"), WRONG)
def test_wrong_shapes_are_refused(load: Load, config: object, text: str) -> None:
    with pytest.raises(ModelError, match=text):
        load(DYNAMIC, config=config)


DECIDED = "g (float[N,3] x, int64[M] to, int64 k) => (float[] y) { %s }"


def test_an_input_whose_value_is_given_is_a_constant(load: Load) -> None:
    given = {"x": (4, 3), "to": Known([2, -1]), "k": Known(3)}
    model = load(DECIDED % "r = Reshape(x, to) y, i = TopK(r, k)", config=given)
    assert [t.name for t in model.signature.inputs] == ["x"]
    assert [t.shape for t in model.signature.outputs] == [(2, 3)]
    assert {n: v.tolist() for n, v in model.constants.items()} == {"to": [2, -1], "k": 3}


def test_a_value_must_fit_its_input(load: Load) -> None:
    for value, text in ((2.5, "a value that is no int64"), ([1], r"1 dimensions, \[1\]")):
        given = {"x": (4, 3), "to": (2,), "k": Known(value)}
        with pytest.raises(ModelError, match=f"gives input 'k' {text}"):
            load(DECIDED % "y, i = TopK(x, k)", config=given)


DECIDING = [
    ("y = Reshape(x, to)", "to"),
    ("y = Expand(x, to)", "to"),
    ("y = Tile(x, to)", "to"),
    ("y = Pad(x, to)", "to"),
    ("y = Slice(x, to, to)", "to"),
    ("y, i = TopK(x, to)", "to"),
    ("c = Cast<to=1>(k) n = ConstantOfShape(to) y = Add(c, n)", "to"),
    ("z = Sub(k, k) y = Range(z, k, k)", "k"),
    ("s = ReduceSum(to) y = Reshape(x, s)", "to"),
]


@pytest.mark.parametrize(("nodes", "name"), DECIDING)
def test_an_input_whose_value_must_be_known_is_told(load: Load, nodes: str, name: str) -> None:
    value = {"to": "[1, 1]", "k": "1"}[name]
    words = f'must be a constant.*give it in DataInputConfig.*{{"{name}": {{"value": {value}}}}}'
    with pytest.raises(ModelError, match=re.escape(words).replace(r"\.\*", ".*")):
        load(DECIDED % nodes, config={"x": (4, 3), "to": (2,), "k": ()})


def test_data_need_not_be_known(load: Load) -> None:
    with pytest.raises(ModelError, match=r"computes it from an input\n"):
        load("g (int64[50] x) => (int64[] y) { s = ReduceSum(x) y = Reshape(x, s) }")


def test_shapes_of_a_static_model_are_derived(load: Load) -> None:
    model = load("g (float[2,3] x, int64 n) => (float[] y) { f = Cast<to=1>(n) y = Add(x, f) }")
    assert model.derived == '{"x": [2, 3], "n": []}'


def test_initialisers_among_the_inputs_are_no_inputs(load: Load) -> None:
    model = load("g (float[2] x, float[2] w) => (float[] y) { y = Add(x, w) }", w=(2,))
    assert [t.name for t in model.signature.inputs] == ["x"]


def test_inputs_that_are_no_tensors_of_numbers_are_refused(load: Load) -> None:
    with pytest.raises(ModelError, match=r"Framework cannot load ONNX model.*input 's'"):
        load("g (string[2] s) => (string[2] y) { y = Identity(s) }")


def test_results_of_text_are_refused_all_at_once(load: Load) -> None:
    text = "g (float[2] x) => (string[] a, float[] y, string[] b) { %s y = Neg(x) }"
    words = np.asarray(["t"], object)
    with pytest.raises(ModelError, match=r"(?s)output 'a' has .* STRING.*output 'b' has"):
        load(text % "a = Identity(s) b = Identity(s)", s=words)


def test_what_is_not_onnx_says_so(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no protobuf")
    with pytest.raises(ModelError) as caught:
        importer.load(path, None)
    assert str(caught.value).startswith(
        "Framework cannot load ONNX model. "
        "Please make sure the framework you select is correct. model.onnx is not an ONNX"
    )


def test_two_loads_give_the_same_module(load: Load) -> None:
    text = "g (float[1,2,5,5] x) => (float[] y) { a = Conv(x, w) y = Relu(a) }"
    first, second = (load(text, w=(3, 2, 3, 3)).module for _ in range(2))
    assert first.script(show_meta=True) == second.script(show_meta=True)


TOPOLOGIES = Path(os.path.dirname(onnx.__file__)) / "backend/test/data/light"


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "inception_v1"])
def test_whole_networks(name: str) -> None:
    model = importer.load(TOPOLOGIES / f"light_{name}.onnx", None)
    assert [int(np.prod(t.shape)) for t in model.signature.outputs] == [1000]
    (block,) = model.module["main"].body.blocks
    names = {b.value.op.name for b in block.bindings[:-1]}
    assert names <= {
        f"relax.{n}"
        for n in """nn.conv2d nn.max_pool2d nn.avg_pool2d nn.relu nn.softmax add multiply power
        divide concat mean matmul reshape permute_dims""".split()
    }


def test_spoiled_files_are_the_clients_fault(tmp_path: Path, load: Load) -> None:
    """Whatever a changed byte does to a file, it loads or is refused with a ModelError."""
    model = load(
        """g (float[1,3,8,8] x, int64[2] i) => (float[] y) {
            a = Conv<pads=[1,1,1,1]>(x, w) p = MaxPool<kernel_shape=[2,2]>(a) s = Shape(p)
            n = Gather(s, i) f = Flatten(p) y = Gather<axis=1>(f, i)
        }""",
        w=(4, 3, 3, 3),
    )
    whole = model.oracle.read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "spoiled.onnx"
    for _ in range(150):
        content = bytearray(whole)
        content[rng.integers(len(content))] = rng.integers(256)
        path.write_bytes(content)
        with contextlib.suppress(ModelError):
            importer.load(path, None)
