"""The door: framework names in, loaders found."""

from pathlib import Path

import onnx
import pytest
from botocore.loaders import Loader
from onnx import parser

from frontends import FRONTENDS, load
from frontends.model import ModelError

NEGATE = '<ir_version: 8, opset_import: ["" : 17]> g (float[N] x) => (float[N] y) { y = Neg(x) }'


def test_every_framework_of_the_api_is_known() -> None:
    service = Loader().load_service_model("sagemaker", "service-2")
    assert set(FRONTENDS) == set(service["shapes"]["Framework"]["enum"])


@pytest.mark.parametrize("place", ["", "model.onnx"])
def test_a_folder_or_a_file_is_loaded(tmp_path: Path, place: str) -> None:
    onnx.save(parser.parse_model(NEGATE), tmp_path / "model.onnx")
    model = load("onnx", tmp_path / place, "{'x': [3]}")
    assert model.signature.outputs[0].shape == (3,)


def test_an_unknown_framework_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"Framework 'CAFFE' is unknown; known are .*ONNX"):
        load("CAFFE", tmp_path, None)
