"""Files of Keras as ONNX, and Keras's own answers: a script of confined.py."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from frontends.keras import config, files, keras1, layout
from frontends.tensorflow import conversion
from frontends.tensorflow.conversion import Program, answer
from frontends.tensorflow.declared import Chosen, Input, Refused

__all__ = ["Refused", "answer", "export", "load"]


def load(model: Path, job: Mapping[str, Any]) -> Program:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    contents = files.read(model)
    first = int(contents.version.partition(".")[0] or 1)
    made = keras1.modern(contents.config) if first == 1 else contents.config
    if contents.backend == "theano":
        raise Refused(
            "the model was saved by Keras on Theano, which turns kernels round. Load it and save "
            "it again with Keras on TensorFlow."
        )
    if first >= 3:
        # All of its configurations name the module of a class, but for those of a converted file.
        config.check(made, _known(lambda: conversion.tensorflow().keras))
        loaded = _keras3(model, contents)
    else:
        config.check(made, _known(_tf_keras))
        loaded = _tf_keras().models.load_model(_copy(model, contents, made), compile=False)
    return _program(loaded, job, config.channels_first(made))


def export(program: Program, folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    return conversion.export(program, folder)


def _tf_keras() -> Any:
    conversion.tensorflow()
    import tf_keras

    return tf_keras


def _keras3(model: Path, contents: files.Contents) -> Any:
    conversion.tensorflow()
    import keras

    return keras.saving.load_model(_copy(model, contents, None), compile=False, safe_mode=True)


def _known(library: Callable[[], Any]) -> Callable[[str], bool]:
    """Whether a class's name is one of the library's, which is loaded only where it is asked."""

    def known(kind: str) -> bool:
        layers = library().layers
        return hasattr(layers, kind) or kind in MODELS

    return known


MODELS = (
    "Functional", "Model", "Sequential", "TFOpLambda", "SlicingOpLambda", "ClassMethod",
    "InstanceMethod", "InstanceProperty", "TensorFlowOpLayer", "AddLoss", "AddMetric",
)  # fmt: skip


def _copy(model: Path, contents: files.Contents, made: Any) -> str:
    """A file whose name tells its kind, for Keras goes by that; with that configuration."""
    suffix = {"hdf5": ".h5", "zip": ".keras"}[contents.kind]
    if model.suffix == suffix and made in (None, contents.config):
        return str(model)
    place = Path.cwd() / f"model{suffix}"
    shutil.copyfile(model, place)
    if made not in (None, contents.config):
        import h5py

        with h5py.File(place, "r+") as file:
            file.attrs["model_config"] = json.dumps(made)
            file.attrs["keras_version"] = contents.version
    return str(place)


def _program(model: Any, job: Mapping[str, Any], first: bool) -> Program:
    import tensorflow as tf

    if not getattr(model, "inputs", None):
        raise Refused("the model has no input layer. Put keras.Input(shape) before its layers.")
    inputs = [_input(tensor) for tensor in model.inputs]
    struct = model.input

    def choose(declared: Sequence[Input], asked: Mapping[str, Any]) -> list[Chosen]:
        return layout.chosen(declared, asked, first)

    def run(given: Sequence[Chosen], tensors: Sequence[Any]) -> Sequence[Any]:
        moved = any(one.channels_first for one in given)
        turned = [
            tf.transpose(t, layout.to_last(t.shape.rank)) if one.channels_first else t
            for one, t in zip(given, tensors, strict=True)
        ]
        made = tf.nest.flatten(model(tf.nest.pack_sequence_as(struct, turned), training=False))
        # As the inputs are, so are the outputs.
        return [
            tf.transpose(t, layout.to_first(t.shape.rank))
            if moved and t.shape.rank in layout.IMAGES
            else t
            for t in made
        ]

    return Program(inputs, _outputs(model), run, job, choose=choose)


def _input(tensor: Any) -> Input:
    import tensorflow as tf

    shape = tuple(-1 if d is None else int(d) for d in tensor.shape)
    kind = tf.as_dtype(tensor.dtype)
    return Input((_layer(tensor), tensor.name), shape, conversion.dtype(tensor.name, kind))


def _layer(tensor: Any) -> str:
    """The layer that a tensor comes from. Keras 2 and 3 call it otherwise."""
    history = tensor._keras_history
    layer = history.operation if hasattr(history, "operation") else history.layer
    return str(layer.name)


def _outputs(model: Any) -> list[str]:
    """The names of the layers that give them, each once."""
    names = getattr(model, "output_names", None)
    if names is None:
        names = [_layer(tensor) for tensor in model.outputs]
    seen: list[str] = []
    for name in names:
        seen.append(f"{name}_{seen.count(name)}" if name in seen else name)
    return seen
