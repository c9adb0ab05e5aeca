"""XGBoost in: any file of a Booster, read by readers of our own, as an ONNX model.

XGBoost itself takes no part: no version of it reads the files of all others rightly.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx

from frontends import onnx as hub
from frontends import rows
from frontends.model import DataInputConfig, Known, Model, ModelError
from frontends.xgboost import booster, document, graph


def load(path: Path, config: DataInputConfig | None) -> Model:
    """Raises ModelError."""
    read = booster.of(document.read(path.read_bytes()))
    _check(config, read.features)
    made = path.with_name(f"{path.name}.onnx")
    onnx.save(graph.model(read), made)

    def loaded(count: int) -> Model:
        return hub.load(made, {graph.INPUT: (count, read.features)})

    return replace(
        rows.free(loaded, fewer_columns=True),
        derived=None if config else f'{{"{graph.INPUT}": [-1, {read.features}]}}',
        framework_version=read.version,
    )


def _check(config: DataInputConfig | None, features: int) -> None:
    """The rows are free, whatever it says of them."""
    if not config:
        return
    shapes = list(config.values() if isinstance(config, dict) else config)
    names = list(config) if isinstance(config, dict) else [graph.INPUT]
    if names != [graph.INPUT] or len(shapes) != 1:
        raise ModelError(
            f'InputConfiguration: an XGBoost model has one input, "{graph.INPUT}", not {names}.'
        )
    (shape,) = shapes
    if isinstance(shape, Known) or len(shape) != 2:
        raise ModelError(
            f"InputConfiguration: {graph.INPUT} has two dimensions, rows and features, not {shape}."
        )
    if shape[1] not in (-1, features):
        raise ModelError(
            f"InputConfiguration: the model has {features} features, but {graph.INPUT} is given "
            f"with {shape[1]}."
        )
