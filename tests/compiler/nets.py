"""Tiny networks as ONNX text, imported and lowered for real."""

from pathlib import Path

import onnx
import onnx.parser

import frontends
import targets
from compiler import pipeline
from compiler.lowered import Lowered
from frontends.model import Model

DEVICE = "ml_c4"  # a row, not the machine at hand: plans are the same everywhere

# Convolution, bias and activation become one kernel; the reshape none; p is the input itself.
NET = """
<ir_version: 8, opset_import: ["": 17]>
net (float[1, 8, 4, 4] x) => (float[1, 8, 4, 4] y, float[1, 128] flat, float[1, 8, 4, 4] p)
<float[8, 8, 1, 1] w = {WEIGHT}, float[8] b = {BIAS}, int64[2] to = {1, 128}>
{
    c = Conv(x, w, b)
    y = Relu(c)
    s = Sigmoid(y)
    flat = Reshape(s, to)
    p = Identity(x)
}
"""


def net() -> str:
    """NET with its numbers."""
    weight = ", ".join(str((n * 7 % 13 - 6) / 8) for n in range(64))
    bias = ", ".join(str(n / 4 - 1) for n in range(8))
    return NET.replace("{WEIGHT}", f"{{{weight}}}").replace("{BIAS}", f"{{{bias}}}")


def save(text: str, folder: Path) -> Path:
    path = folder / "net.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    return path


def load(text: str, folder: Path) -> Model:
    return frontends.load("ONNX", save(text, folder), None)


def lower(model: Model, device: str = DEVICE) -> Lowered:
    profile = targets.get(device)
    return pipeline.schedule(pipeline.lower(model.module, profile), profile)
