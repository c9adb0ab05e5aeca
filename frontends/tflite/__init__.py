"""TFLite in: float, half and quantised files, as ONNX models that tf2onnx writes.

TFLite comes with the extra of TensorFlow, and has a process of its own. A file is data, but it is
read by code that trusts it.
"""

from __future__ import annotations

from pathlib import Path

from frontends import apart, exported
from frontends.model import DataInputConfig, Model, ModelError
from frontends.tensorflow.declared import Refused
from frontends.tflite import contents

NEEDED = ("tensorflow", "tf2onnx")
TFLITE = apart.Framework(
    name="TFLITE",
    title="TensorFlow",
    script=Path(__file__).with_name("export.py"),
    extra="tensorflow",
    cannot_load="Framework cannot load TFLite model:",
    cannot_convert="TVM cannot convert TFLite model. "
    "Please make sure the framework you selected is correct.",
)


def load(path: Path, config: DataInputConfig | None) -> Model:
    """Raises ModelError."""
    try:
        contents.check(contents.read(path))
    except Refused as cause:
        raise ModelError(f"{TFLITE.cannot_load} {cause}") from None
    process = apart.Process(TFLITE, path, NEEDED, **exported.asked(config))
    return exported.model(process, config)
