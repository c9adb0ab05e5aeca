"""The suite's networks as ONNX files: their inputs, sizes and answers. Needs torch, so only all of
them on demand.
"""

import numpy as np
import onnx
import onnxruntime
import pytest

from benchmarks import suite

# Weights without those of batch norms, which are folded into the convolutions: the papers' and
# their usual implementations' figures, in millions.
MILLIONS = {
    "resnet18": 11.7, "resnet50": 25.5, "mobilenet_v2": 3.5, "mobilenet_v3_small": 2.5,
    "efficientnet_b0": 5.3, "convnext_tiny": 28.6, "densenet121": 8.0, "shufflenet_v2": 2.3,
    "squeezenet1_1": 1.2, "vgg16": 138.4, "inception_v3": 23.8, "vit_b_16": 86.6,
    "bert_base": 109.5, "minilm": 22.7, "lstm": 0.3,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.parametrize("net", suite.NETS)
def test_a_network_is_the_one_of_its_paper_and_says_something(net: str) -> None:
    path = suite.fetch(net)
    model = onnx.load(path)
    weights = sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)
    assert weights / 1e6 == pytest.approx(MILLIONS[net], rel=0.03, abs=0.05)
    shapes = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in model.graph.input
    }
    assert shapes == {name: value.shape for name, value in suite.NETS[net].items()}
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    one, other = (session.run(None, suite.feed(net, seed))[0] for seed in (0, 99))
    scale = np.abs(one).max()
    assert np.isfinite(one).all() and 0.1 < scale < 100
    assert one.std() > 0.01 * scale and np.abs(one - other).max() > 0.005 * scale
