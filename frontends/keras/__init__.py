"""Keras in: .h5 files of Keras 1 and 2, .keras files, as ONNX models that tf2onnx writes.

Keras comes with the extra of TensorFlow, and has a process of its own: a layer may be Python code.
"""

from __future__ import annotations

from pathlib import Path

from frontends import apart, exported
from frontends.model import DataInputConfig, Model

NEEDED = ("tensorflow", "tf_keras", "tf2onnx")
KERAS = apart.Framework(
    name="KERAS",
    title="TensorFlow",
    script=Path(__file__).with_name("export.py"),
    extra="tensorflow",
    cannot_load="Unable to load provided Keras model. Error:",
    cannot_convert="TVM cannot convert the Keras model.",
)


def load(path: Path, config: DataInputConfig | None) -> Model:
    """Raises ModelError."""
    process = apart.Process(KERAS, path, NEEDED, **exported.asked(config))
    return exported.model(process, config)
