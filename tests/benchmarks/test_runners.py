"""benchmarks/runners.py: ONNX Runtime as it is measured; Neoc is measured in test_benchmarks.py."""

import numpy as np
import onnx.parser
import pytest

from benchmarks.runners import OnnxRuntime

TWO_OUTPUTS = """<ir_version: 8, opset_import: ["": 17]>
net (float[2] x) => (float[2] b, float[2] a) { b = Add(x, x) a = Neg(x) }"""


@pytest.mark.parametrize("threads", [1, 2])
def test_answers_go_by_name(tmp_path_factory: pytest.TempPathFactory, threads: int) -> None:
    path = tmp_path_factory.mktemp("net") / "net.onnx"
    onnx.save(onnx.parser.parse_model(TWO_OUTPUTS), path)
    rival = OnnxRuntime(path, {"x": np.array([1, 2], np.float32)}, threads)
    rival.run()
    rival.run()
    answers = rival.answers()
    assert list(answers) == ["b", "a"]
    assert answers["b"].tolist() == [2, 4] and answers["a"].tolist() == [-1, -2]
