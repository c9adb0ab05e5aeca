"""The demo's drawing, judged by the network itself as ONNX Runtime runs it."""

import numpy as np
import onnxruntime
import pytest

from benchmarks import demo, models


def test_the_drawing_fills_the_networks_input() -> None:
    [(_, shape)] = models.ROWS[demo.MODEL].inputs.items()
    image = demo.draw(demo.WORD, shape)
    assert image.shape == shape and image.dtype == np.float32
    assert image.min() == -1 and image.max() == 1


@pytest.mark.slow
def test_the_network_reads_the_drawing() -> None:
    [(name, shape)] = models.ROWS[demo.MODEL].inputs.items()
    session = onnxruntime.InferenceSession(
        models.fetch(demo.MODEL), providers=["CPUExecutionProvider"]
    )
    upright = demo.draw(demo.WORD, shape)
    for image, answer in ((upright, "upright"), (upright[:, :, ::-1, ::-1], "upside down")):
        [scores] = session.run(None, {name: np.ascontiguousarray(image)})
        assert demo.says(scores).startswith(answer) and scores.max() > 0.9
