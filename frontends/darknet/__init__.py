"""Darknet in: a .cfg and its .weights, read by readers of our own, as an ONNX model.

Where Darknet's two lines differ, the original counts: its region layer keeps the order of channels,
a softmax with `spatial` goes over channels, a shortcut of another size takes strides.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import onnx

from frontends import onnx as hub
from frontends.darknet import cfg, network, weights
from frontends.model import DataInputConfig, Known, Model, ModelError

CANNOT_LOAD = "Unable to load DarkNet model."
CANNOT_CONVERT = (
    "TVM cannot convert DarkNet model. Please make sure the framework you selected is correct."
)


def load(folder: Path, config: DataInputConfig | None) -> Model:
    """The .cfg and the .weights below `folder`. Raises ModelError."""
    try:
        sections = cfg.read(_file(folder, ".cfg").read_bytes())
        data = weights.Weights(_file(folder, ".weights").read_bytes())
        own = network.input_dims(sections[0])
    except ModelError as cause:
        raise ModelError(f"{CANNOT_LOAD} {cause}") from cause
    shape = _shape(config, own)
    try:
        warnings = network.check(sections)
        proto = network.model(sections, data, shape)
    except ModelError as cause:
        raise ModelError(f"{CANNOT_CONVERT} {cause}") from cause
    made = folder / "darknet.onnx"
    onnx.save(proto, made)
    model = hub.load(made, {network.INPUT: shape})
    return replace(
        model,
        derived=None if config else json.dumps({network.INPUT: list(shape)}),
        framework_version=data.version,
        warnings=(*model.warnings, *warnings),
    )


def _file(folder: Path, suffix: str) -> Path:
    files = [p for p in folder.rglob("[!.]*") if p.is_file() and p.suffix.lower() == suffix]
    if len(files) != 1:
        raise ModelError(f"A model is one .cfg and one .weights; here are {len(files)} {suffix}.")
    return files[0]


def _shape(config: DataInputConfig | None, own: tuple[int, ...]) -> tuple[int, ...]:
    """Batch, then what [net] says; a network takes images of other sizes, as in Darknet."""
    if not config:
        return (1, *own)
    shapes = list(config.values() if isinstance(config, dict) else config)
    names = list(config) if isinstance(config, dict) else [network.INPUT]
    if names != [network.INPUT] or len(shapes) != 1:
        raise ModelError(
            f'InputConfiguration: a DarkNet model has one input, "{network.INPUT}", not {names}.'
        )
    (shape,) = shapes
    if isinstance(shape, Known) or len(shape) != len(own) + 1 or shape[1] not in (-1, own[0]):
        raise ModelError(
            f"InputConfiguration: {network.INPUT} is a batch of {' x '.join(map(str, own))} in "
            f"this model, not {shape}."
        )
    return tuple(n if n > 0 else known for n, known in zip(shape, (1, *own), strict=True))
