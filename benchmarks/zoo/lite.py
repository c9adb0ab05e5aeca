"""`python -m benchmarks.zoo.lite FILE FORM NET SIZE`: a network of Keras as a TFLite file, and
TFLite's answers; for the environment with TensorFlow. FORM: see FORMS.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.zoo import keras_nets, sample

SEEN = 16  # images that the ranges of quantised tensors come from
Converter = Any


def halves(converter: Converter) -> None:
    """Weights of 16 bits."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def weights(converter: Converter) -> None:
    """Weights of 8 bits, multiplied with activations that are quantised as the model runs."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def whole(kind: Any) -> Callable[[Converter], None]:
    """Everything of 8 bits; inputs and outputs of that kind."""

    def form(converter: Converter) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = kind

    return form


def wide(converter: Converter) -> None:
    """Activations of 16 bits, weights of 8."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    name = "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"
    converter.target_spec.supported_ops = [getattr(tf.lite.OpsSet, name)]


FORMS: Mapping[str, Callable[[Converter], None]] = {
    "float": lambda _: None,
    "halves": halves,
    "weights": weights,
    "int8": whole(tf.int8),
    "uint8": whole(tf.uint8),
    "int8_inside": whole(tf.float32),
    "int16x8": wide,
}
QUANTISING = ("int8", "uint8", "int8_inside", "int16x8")


def main(place: Path, form: str, net: str, size: int) -> None:
    # Of a thousand probabilities nothing is left in 8 bits.
    model = keras_nets.build("keras", net, size, classifier_activation=None)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    FORMS[form](converter)
    if form in QUANTISING:

        def seen() -> Iterator[list[np.ndarray]]:
            yield from ([keras_nets.images(size, seed)] for seed in range(1, SEEN + 1))

        converter.representative_dataset = seen
    place.write_bytes(converter.convert())
    interpreter = tf.lite.Interpreter(str(place))
    interpreter.allocate_tensors()
    [given], [made] = interpreter.get_input_details(), interpreter.get_output_details()
    x = keras_nets.images(size, 0)
    if given["dtype"] is not np.float32:
        scale, zero = given["quantization"]
        kind = np.iinfo(given["dtype"])
        x = np.clip(np.rint(x / scale) + zero, kind.min, kind.max).astype(given["dtype"])
    interpreter.set_tensor(given["index"], x)
    interpreter.invoke()
    sample.keep(place, {given["name"]: x}, [interpreter.get_tensor(made["index"])])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
