"""Configurations of Keras 1 as Keras 2 writes them. What tells nothing of inference is left out.

Weights stay as they are: Keras's own loader rearranges them by the version that the file names.
Source: the two releases' documentation of layers; Keras 2.0's notes name what was renamed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from frontends.tensorflow.declared import Refused

Config = dict[str, Any]
# How weights are made and held back in training.
TRAINING = {
    "init", "inner_init", "forget_bias_init", "beta_init", "gamma_init", "weights",
    "W_regularizer", "U_regularizer", "b_regularizer", "activity_regularizer",
    "gamma_regularizer", "beta_regularizer", "W_constraint", "U_constraint", "b_constraint",
    "dropout_W", "dropout_U", "dropout", "consume_less", "mode_type", "arguments", "output_mask",
    "output_mask_type", "output_shape", "output_shape_type", "momentum", "alpha_init",
}  # fmt: skip
COMMON = {
    "output_dim": "units",
    "bias": "use_bias",
    "border_mode": "padding",
    "subsample": "strides",
    "subsample_length": "strides",
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "atrous_rate": "dilation_rate",
    "pool_length": "pool_size",
    "stride": "strides",
    "length": "size",
    "inner_activation": "recurrent_activation",
}
RENAMED: Mapping[str, Mapping[str, str]] = {
    "Embedding": {"output_dim": "output_dim"},
    "Dropout": {"p": "rate"},
    "SpatialDropout1D": {"p": "rate"},
    "SpatialDropout2D": {"p": "rate"},
    "SpatialDropout3D": {"p": "rate"},
    "GaussianDropout": {"p": "rate"},
    "GaussianNoise": {"sigma": "stddev"},
}
CLASSES = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
}
KERNELS = (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3"))
MERGES = {
    "sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate",
    "dot": "Dot", "cos": "Dot",
}  # fmt: skip


def modern(config: Any) -> Any:
    """The configuration of a whole model. Raises Refused for what Keras 2 no longer has."""
    if isinstance(config, list):
        return [modern(entry) for entry in config]
    if not isinstance(config, dict):
        return config
    kind, inner = config.get("class_name"), config.get("config")
    if kind in ("Model", "Sequential") or not isinstance(inner, dict) or not isinstance(kind, str):
        return {key: modern(entry) for key, entry in config.items()}
    made = dict(config)
    made["class_name"], made["config"] = _layer(kind, inner)
    return made


def _layer(kind: str, config: Config) -> tuple[str, Config]:
    name = config.get("name", kind)
    names = {**COMMON, **RENAMED.get(kind, {})}
    made = {names.get(k, k): modern(v) for k, v in config.items() if k not in TRAINING}
    if made.pop("dim_ordering", "tf") == "th":
        raise Refused(
            f"layer '{name}' has the dim_ordering 'th' of Theano. Save the model with 'tf'."
        )
    for sizes in KERNELS:
        if sizes[0] in made:
            made["kernel_size"] = [made.pop(size) for size in sizes]
    if special := SPECIAL.get(kind):
        return special(kind, made)
    return CLASSES.get(kind, kind), made


def _merge(kind: str, config: Config) -> tuple[str, Config]:
    mode = config.pop("mode", "sum")
    axis, axes = config.pop("concat_axis", -1), config.pop("dot_axes", -1)
    config.pop("layers", None)
    if mode not in MERGES:
        raise Refused(f"layer '{config.get('name')}' merges by {mode!r}, which is Python code")
    if mode == "concat":
        config["axis"] = axis
    if mode in ("dot", "cos"):
        config |= {"axes": axes, "normalize": mode == "cos"}
    return MERGES[mode], config


def _normalisation(kind: str, config: Config) -> tuple[str, Config]:
    if config.pop("mode", 0) not in (0, 2):
        raise Refused(f"layer '{config.get('name')}' normalises every sample by itself (mode 1)")
    return kind, config


def _padding(kind: str, config: Config) -> tuple[str, Config]:
    if isinstance(sides := config.get("padding"), list) and len(sides) == 4:
        config["padding"] = [sides[:2], sides[2:]]
    return kind, config


def _gru(kind: str, config: Config) -> tuple[str, Config]:
    return kind, {**config, "reset_after": False}


SPECIAL: Mapping[str, Callable[[str, Config], tuple[str, Config]]] = {
    "Merge": _merge,
    "BatchNormalization": _normalisation,
    "ZeroPadding2D": _padding,
    "GRU": _gru,
}
