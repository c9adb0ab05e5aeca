"""`python -m benchmarks.zoo.keras_nets FILE LIBRARY NET SIZE`: a network of Keras's applications
with random weights, as its users save it, and its answers; for the environment with TensorFlow.

LIBRARY is `keras`, version 3, or `tf_keras`, the last of version 2.
"""

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.zoo import sample

CALIBRATING = 8  # images that normalisations take their statistics from


def build(library: str, net: str, size: int, **options: Any) -> Any:
    """The network, its activations sane at any depth and none of its vectors trivial."""
    module = importlib.import_module(library)
    module.utils.set_random_seed(0)
    applications = importlib.import_module(f"{library}.applications")
    make = getattr(applications, net)
    if "include_preprocessing" in inspect.signature(make).parameters:
        options["include_preprocessing"] = False  # of bytes: inputs around 0 would be all alike
    model = make(weights=None, input_shape=(size, size, 3), **options)
    random = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if len(weight.shape) == 1:
            biased = any(word in weight.name for word in ("bias", "beta"))
            drawn = random.normal(0, 0.2, weight.shape) if biased else _factors(random, weight)
            weight.assign(drawn.astype("float32"))
    norms = [layer for layer in model.layers if isinstance(layer, module.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0
    if norms:
        model(images(size, 1, CALIBRATING), training=True)
    for norm in norms:  # as of other images
        norm.moving_variance.assign(norm.moving_variance * _factors(random, norm.moving_variance))
        norm.moving_mean.assign(norm.moving_mean * _factors(random, norm.moving_mean))
    return model


def images(size: int, seed: int, count: int = 1) -> np.ndarray:
    """Normal numbers, as the command verifies with: others may make a random network explode."""
    return np.random.default_rng(seed).standard_normal((count, size, size, 3), "float32")


def _factors(random: np.random.Generator, like: Any) -> np.ndarray:
    return np.asarray(random.uniform(0.7, 1.4, like.shape), "float32")


def main(place: Path, library: str, net: str, size: int) -> None:
    model = build(library, net, size, classifier_activation=None)  # a softmax would hide errors
    x = images(size, 0)
    model.save(place)
    # As the command's clients give an image; the model's own order is the other one.
    given = {model.layers[0].name: x.transpose(0, 3, 1, 2)}
    sample.keep(place, given, [model(x, training=False).numpy()])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
