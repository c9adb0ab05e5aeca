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


@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize("kind", ["xgboost", "xgboost_c", "treelite", "tl2cgen"])
def test_rivals_in_forests_agree(tmp_path: Path, kind: str, rows: int) -> None:
    xgboost = pytest.importorskip("xgboost")
    pytest.importorskip("tl2cgen")
    x = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
    booster = xgboost.train({"max_depth": 3}, xgboost.DMatrix(x, x[:, 0] * x[:, 1]), 5)
    booster.save_model(tmp_path / "net.ubj")
    x[0, 2] = np.nan
    rival = RUNNERS[kind]()
    rival.load(tmp_path / "net.onnx", {"data": x[:rows]}, 2)
    rival.run()
    got = rival.answers()["output"]
    np.testing.assert_allclose(got[:, 0], booster.inplace_predict(x[:rows]), rtol=1e-6)
