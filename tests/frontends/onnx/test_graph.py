"""Reading ONNX files as hostile data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

from frontends import layers
from frontends.model import ModelError
from frontends.onnx import graph

IDENTITY = '<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] y) { y = Neg(x) }'


def external(location: str, **entries: int) -> onnx.ModelProto:
    """y = x + w, with w's four bytes a number in another file."""
    model = parser.parse_model(IDENTITY.replace("Neg(x)", "Add(x, w)"))
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    model.graph.initializer.append(tensor)
    return model


def written(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_external_data_is_read_from_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"\0\0\0\0" + np.array([3, 4], np.float32).tobytes())
    model = graph.read(written(tmp_path, external("w.bin", offset=4, length=8)))
    np.testing.assert_array_equal(graph.array(model.graph.initializer[0]), [3, 4])


@pytest.mark.parametrize("location", ["/etc/hostname", "../secret", "link", "", "a/../../secret"])
def test_external_data_outside_the_folder_is_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(8))
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ModelError, match=r"'w' keeps its data in .*outside the model's folder"):
        graph.read(written(inside, external(location)))


def test_missing_external_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"needs the file 'w\.bin', which is missing"):
        graph.read(written(tmp_path, external("w.bin")))


def test_external_data_beyond_its_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(8))
    with pytest.raises(ModelError, match=r"needs bytes 4 to 12 of 'w.bin', which has 8"):
        graph.read(written(tmp_path, external("w.bin", offset=4, length=8)))


def test_tensors_of_a_wrong_size_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(12))
    model = graph.read(written(tmp_path, external("w.bin")))
    with pytest.raises(ModelError, match="tensor 'w' cannot be read"):
        graph.array(model.graph.initializer[0])


@pytest.mark.parametrize("content", [b"", b"not a protobuf at all", b"\x08\x08\x12\x00"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"is not an ONNX|or is truncated"):
        graph.read(path)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = parser.parse_model(IDENTITY).SerializeToString()
    path = tmp_path / "model.onnx"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            graph.read(path)


def test_a_file_too_large_for_a_protobuf_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, parser.parse_model(IDENTITY))
    monkeypatch.setattr(graph, "MAX_FILE_BYTES", 10)
    with pytest.raises(ModelError, match="a protobuf has at most 10"):
        graph.read(path)


def broken_order(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "later"


def broken_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "nobody"


def future_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 999


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (broken_order, "node 'Neg' reads 'later', which nothing before it makes"),
        (broken_output, "nothing in the graph makes its output 'nobody'"),
        (future_opset, "needs opset 999"),
    ],
)
def test_broken_graphs_are_refused(
    tmp_path: Path, spoil: Callable[[onnx.ModelProto], None], text: str
) -> None:
    model = parser.parse_model(IDENTITY)
    spoil(model)
    with pytest.raises(ModelError, match=text):
        graph.read(written(tmp_path, model))


def test_functions_of_the_model_are_inlined(tmp_path: Path) -> None:
    model = parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17, "own" : 1]>'
        " g (float[2] x) => (float[2] y) { y = own.Twice(x) }"
        ' <domain: "own", opset_import: ["" : 17]> Twice (a) => (b) { b = Add(a, a) }'
    )
    read = graph.read(written(tmp_path, model))
    assert [n.op_type for n in read.graph.node] == ["Add"]


def test_a_node_has_plain_attributes_and_its_name_as_hint() -> None:
    proto = helper.make_node("Op", ["x"], ["/a.b/y:0"], i=3, f=0.5, s="text", ints=[1, 2])
    (node,) = graph.nodes(helper.make_graph([proto], "g", [], []))
    assert dict(node.attributes) == {"i": 3, "f": 0.5, "s": "text", "ints": (1, 2)}
    assert (node.title, node.hint) == ("/a.b/y:0", layers.mark("/a.b/y:0"))


@pytest.mark.parametrize("places", [[1, 5], [[0, 1], [1, 2]]])
def test_sparse_tensors_are_filled(places: list[object]) -> None:
    values = numpy_helper.from_array(np.array([7, 9], np.float32), "w")
    sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(np.array(places)), [2, 3])
    np.testing.assert_array_equal(graph.dense(sparse), [[0, 7, 0], [0, 0, 9]])
