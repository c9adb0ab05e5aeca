"""scikit-learn in: a fitted estimator or pipeline in joblib's file, as an ONNX model.

scikit-learn is an extra, and has a process of its own: a pickle may call what it names. There it is
read by an unpickler that knows a list of classes; skl2onnx converts it, and trees become forests.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from frontends import apart, exported, rows
from frontends.model import Array, DataInputConfig, Known, Model, ModelError

INPUT = "input"
NEEDED = ("sklearn", "skl2onnx", "joblib")
SKLEARN = apart.Framework(
    name="SKLEARN",
    title="scikit-learn",
    script=Path(__file__).with_name("convert.py"),
    extra="sklearn",
    cannot_load="Framework cannot load Scikit-Learn model. "
    "Please make sure the framework you select is correct.",
    cannot_convert="TVM cannot convert Scikit-Learn model. "
    "Please make sure the framework you selected is correct.",
)


def load(path: Path, config: DataInputConfig | None) -> Model:
    """Raises ModelError."""
    shape = _shape(config)
    process = apart.Process(SKLEARN, path, NEEDED)
    said = exported.said(process)
    features = said["features"]
    if shape and shape[1] != features:
        raise ModelError(
            f"InputConfiguration: the model has {features} features, but {INPUT} is given with "
            f"{shape[1]}."
        )
    count = shape[0] if shape else -1

    def loaded(rows: int) -> Model:
        return exported.imported(process, said, {INPUT: (rows, features)})

    made = rows.free(loaded) if count < 0 else loaded(count)
    return replace(
        made,
        derived=None if config else json.dumps({INPUT: [-1, features]}),
        examples={INPUT: _examples(process.folder / "examples.npy", features)},
    )


def _shape(config: DataInputConfig | None) -> tuple[int, ...] | None:
    """Rows, or -1 for any number of them, and columns. Neo's texts."""
    if not config:
        return None
    names = list(config) if isinstance(config, dict) else [INPUT]
    shapes = list(config.values() if isinstance(config, dict) else config)
    if names != [INPUT] or len(shapes) != 1:
        raise ModelError(
            f'InputConfiguration: a Scikit-Learn model has one input, "{INPUT}", not {names}.'
        )
    (shape,) = shapes
    if isinstance(shape, Known) or len(shape) != 2:
        count = np.ndim(shape.value) if isinstance(shape, Known) else len(shape)
        raise ModelError(
            "InputConfiguration: InputShape for Sklearn model must have two dimensions, "
            f"but got {count}."
        )
    if shape[1] < 0:
        raise ModelError(
            "InputConfiguration: InputShape for Sklearn model must have a static value for the "
            "second dimension, equal to the number of input columns or features."
        )
    return shape


def _examples(path: Path, features: int) -> Array:
    made: Array = np.load(path, allow_pickle=False)
    if made.dtype != np.float32 or made.shape[1:] != (features,):
        raise ModelError(f"{SKLEARN.cannot_convert} Its examples are no rows of the model.")
    return made
