"""Any framework in, one IR out.

`load` is the door: a framework's name, a model file or an unpacked archive, and the text of
DataInputConfig give a `Model`. `FRONTENDS` knows every framework of the API.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from frontends import (
    archive,
    darknet,
    inputs,
    keras,
    mxnet,
    onnx,
    pytorch,
    sklearn,
    tensorflow,
    tflite,
    xgboost,
)
from frontends.model import Model, ModelError

# Of a path, DataInputConfig, and the CompilerOptions that the framework has, by name.
Loader = Callable[..., Model]

FRONTENDS: dict[str, Loader] = {
    "TENSORFLOW": tensorflow.load,
    "KERAS": keras.load,
    "MXNET": mxnet.load,
    "ONNX": onnx.load,
    "PYTORCH": pytorch.load,
    "XGBOOST": xgboost.load,
    "TFLITE": tflite.load,
    "DARKNET": darknet.load,
    "SKLEARN": sklearn.load,
}

# CompilerOptions of the API that a framework's models are read by.
OPTIONS: dict[str, tuple[str, ...]] = {
    "PYTORCH": ("dtype",),
    "TENSORFLOW": ("signature_def_key", "output_names"),
}


def load(
    framework: str, path: Path, inputs_text: str | None, options: Mapping[str, object] | None = None
) -> Model:
    """Load the model at `path`, a file or the folder it was unpacked into. Raises ModelError."""
    if framework.upper() not in FRONTENDS:
        raise ModelError(f"Framework '{framework}' is unknown; known are {', '.join(FRONTENDS)}")
    loader = FRONTENDS[framework.upper()]
    config = inputs.parse(inputs_text)
    model = archive.find_model(framework.upper(), path) if path.is_dir() else path
    chosen = {n: v for n, v in (options or {}).items() if n in OPTIONS.get(framework.upper(), ())}
    return loader(model, config, **chosen)
