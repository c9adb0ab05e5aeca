"""A .cfg by ONNX Runtime beside numpy."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime

from frontends.darknet import cfg, network
from frontends.darknet.weights import Weights
from tests.frontends.darknet.reference import Array, Net, head


def net(*layers: str, shape: tuple[int, ...] = (3, 7, 10)) -> str:
    """A .cfg from "kind key=value key=value" a layer."""
    if len(shape) == 3:
        text = "channels={}\nheight={}\nwidth={}".format(*shape)
    else:
        text = f"inputs={shape[0]}"
    parts = [f"[net]\n{text}"]
    for layer in layers:
        kind, *options = layer.split()
        parts.append("\n".join([f"[{kind}]", *options]))
    return "\n\n".join(parts) + "\n"


def drawn(text: str, batch: int = 2, seed: int = 0, transposed: bool = False) -> tuple[Net, Array]:
    """The network after its run, and the input."""
    made = Net(text, seed, transposed)
    dims = network.input_dims(made.sections[0])
    x = np.random.default_rng(seed + 1).standard_normal((batch, *dims)).astype(np.float32)
    made.run(x)
    return made, x


def answers(text: str, data: bytes, x: Array) -> dict[str, Array]:
    sections = cfg.read(text.encode())
    assert not network.check(sections)
    proto = network.model(sections, Weights(data), x.shape)
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(None, {network.INPUT: x}), strict=True))


def check(text: str, batch: int = 2, seed: int = 0) -> None:
    """Every output of the graph is what numpy says of its layer."""
    made, x = drawn(text, batch, seed)
    for name, got in answers(text, head() + made.weights(), x).items():
        wanted = made.outputs[int(name.rsplit("_", 1)[1])]
        assert got.shape == wanted.shape
        scale = max(1e-6, abs(wanted).max())
        np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-6 * scale, err_msg=name)
