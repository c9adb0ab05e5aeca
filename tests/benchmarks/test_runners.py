"""benchmarks/runners.py: peers as they are measured; neoc is measured in test_compare.py."""

from pathlib import Path

import numpy as np
import onnx.parser
import pytest

from benchmarks.runners import RUNNERS

TWO_OUTPUTS = """<ir_version: 8, opset_import: ["": 17]>
net (float[2] x) => (float[2] b, float[2] a) { b = Add(x, x) a = Neg(x) }"""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("kind", "library"), [("ort", "onnxruntime"), ("openvino", "openvino")])
def test_answers_go_by_name(tmp_path: Path, kind: str, library: str, threads: int) -> None:
    pytest.importorskip(library)
    path = tmp_path / "net.onnx"
    onnx.save(onnx.parser.parse_model(TWO_OUTPUTS), path)
    rival = RUNNERS[kind]()
    rival.load(path, {"x": np.array([1, 2], np.float32)}, threads)
    rival.run()
    rival.run()
    answers = rival.answers()
    assert list(answers) == ["b", "a"]
    assert answers["b"].tolist() == [2, 4] and answers["a"].tolist() == [-1, -2]
    assert rival.version and rival.title
