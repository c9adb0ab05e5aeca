"""TensorFlow in: SavedModels and frozen graphs, as ONNX models that tf2onnx writes.

TensorFlow is an extra, and has a process of its own: loading a SavedModel runs it.
"""

from __future__ import annotations

from pathlib import Path

from frontends import apart, exported
from frontends.model import DataInputConfig, Model, ModelError

NEEDED = ("tensorflow", "tf2onnx")
TENSORFLOW = apart.Framework(
    name="TENSORFLOW",
    title="TensorFlow",
    script=Path(__file__).with_name("export.py"),
    extra="tensorflow",
    cannot_load="Framework cannot load Tensorflow model:",
    cannot_convert="TVM cannot convert Tensorflow model. "
    "Please make sure the framework you selected is correct.",
)


def load(
    path: Path,
    config: DataInputConfig | None,
    signature_def_key: object = None,
    output_names: object = None,
) -> Model:
    """A SavedModel's folder or a frozen graph. The last two are CompilerOptions: a signature of the
    former, the outputs of the latter. Raises ModelError.
    """
    process = apart.Process(
        TENSORFLOW,
        path,
        NEEDED,
        signature=_texts("signature_def_key", [signature_def_key])[0]
        if signature_def_key
        else None,
        outputs=_texts("output_names", output_names) if output_names else None,
        **exported.asked(config),
    )
    return exported.model(process, config)


def _texts(option: str, value: object) -> list[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
        raise ModelError(f"CompilerOptions {option} {value!r} is no list of names.")
    return names
