"""`python -m tests.frontends.tensorflow.tensorflow_files FOLDER`: files of TensorFlow's users, for
an environment with TensorFlow.
"""

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorflow as tf
from tensorflow import keras

RNG = np.random.default_rng(0)


def weights(*shape: int) -> np.ndarray:
    return RNG.normal(0, 0.3, shape).astype("float32")


class Both(tf.Module):
    """Two signatures; a loop whose end the data decide."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = tf.Variable(weights(4, 4))

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def grow(self, x: Any) -> Any:
        _, y = tf.while_loop(
            lambda n, y: (n < 8) & (tf.reduce_sum(tf.abs(y)) < 50.0),
            lambda n, y: (n + 1, tf.nn.relu(y @ self.matrix) + y),
            (0, x),
        )
        return {"grown": y}

    @tf.function(input_signature=[tf.TensorSpec([2, 4], tf.float32, name="x")])
    def turn(self, x: Any) -> Any:
        return {"turned": tf.transpose(x @ self.matrix)}


def saved(folder: Path) -> None:
    both = Both()
    signatures = {"serving_default": both.grow, "other": both.turn}
    tf.saved_model.save(both, str(folder / "saved"), signatures=signatures)


class Fused(tf.Module):
    """Functions for XLA, one inside of the other and in a loop; and what tf2onnx does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = tf.Variable(weights(4, 4))

    @tf.function(jit_compile=True)
    def inner(self, x: Any) -> Any:
        return tf.math.erfc(x * self.matrix[0])

    @tf.function(jit_compile=True)
    def layer(self, x: Any) -> Any:
        return self.inner(x @ self.matrix)

    @tf.function(input_signature=[tf.TensorSpec([2, 4], tf.float32, name="x")])
    def whole(self, x: Any) -> Any:
        raw, above = tf.raw_ops, tf.nn.relu(x)
        _, y = tf.while_loop(lambda n, _: n < 3, lambda n, y: (n + 1, self.layer(y)), (0, x))
        return {
            "erfc": self.layer(x) - y,
            "tail": tf.math.log(tf.math.erfc(above * 3.0)),
            "expm1": tf.math.expm1(x * [1e-7, 0.5, 9.0, 60.0]),
            "inv": raw.Inv(x=above + 0.5),
            "l2_loss": tf.nn.l2_loss(x),
            "log1p": tf.math.log1p(above * [1e-7, 0.5, 1e4, 1e9]),
            "mod": raw.Mod(x=x, y=0.7),
            "mul_no_nan": raw.MulNoNan(x=tf.math.log(above), y=above),
            "truncate_mod": raw.TruncateMod(x=tf.cast(x * 9.0, tf.int32), y=[4, -3, 5, 2]),
            "xdivy": raw.Xdivy(x=above, y=above * 3.0),
            "xlogy": raw.Xlogy(x=above, y=above),
        }


def fused(folder: Path) -> None:
    tf.saved_model.save(model := Fused(), str(folder / "fused"), signatures=model.whole)


def first(folder: Path) -> None:
    """Variables by reference, as TensorFlow 1 has them."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], "x")
        matrix = v1.get_variable("old", initializer=weights(4, 3), use_resource=False)
        bias = v1.placeholder_with_default(tf.constant(0.5), [], "bias")
        y = tf.add(x @ matrix, bias, "y")
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
        builder = v1.saved_model.Builder(str(folder / "first"))
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()


def hostile(folder: Path) -> None:
    """Its first act, as soon as it is loaded, is to write a file."""
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [1, 2], "x")
        written = tf.io.write_file(str(folder / "written"), "here")
        builder = tf.compat.v1.saved_model.Builder(str(folder / "hostile"))
        signature = tf.compat.v1.saved_model.predict_signature_def({"x": x}, {"y": x + 1})
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": signature}, main_op=written
        )
        builder.save()


def frozen(folder: Path) -> None:
    """A branch and a loop as TensorFlow 1 has them, and an input with a default."""
    tf.compat.v1.disable_control_flow_v2()
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 6, 6, 3], "image")
        rate = tf.compat.v1.placeholder_with_default(tf.constant(0.5), [], "rate")
        y = tf.nn.relu(tf.nn.conv2d(x, weights(3, 3, 3, 4), 2, "SAME"))
        y = tf.cond(tf.reduce_sum(x) > 0, lambda: y * 2.0, lambda: y - 1.0)
        _, y = tf.while_loop(lambda n, _: n < 3, lambda n, y: (n + 1, y * rate), (0, y))
        tf.identity(tf.reduce_mean(y, [1, 2]), "made")
    for name, text in (("frozen.pb", False), ("frozen.pbtxt", True)):
        tf.io.write_graph(graph.as_graph_def(), str(folder), name, as_text=text)
    unfrozen = tf.Graph()
    with unfrozen.as_default():
        x = tf.compat.v1.placeholder(tf.float32, [1, 4], "x")
        tf.identity(x * tf.compat.v1.get_variable("v", [4], use_resource=False), "y")
    tf.io.write_graph(unfrozen.as_graph_def(), str(folder), "unfrozen.pb", as_text=False)


def keras3(folder: Path) -> None:
    """An image out, so that its channels move; an LSTM beside it."""
    image = keras.Input((8, 6, 3), name="image")
    steps = keras.Input((5, 4), name="steps")
    y = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(image)
    z = keras.layers.LSTM(3, name="lstm")(steps)
    model = keras.Model([image, steps], [y, z])
    model.save(folder / "two.keras")
    y = keras.layers.Lambda(lambda t: t * 2.0, name="twice")(image)
    keras.Model(image, y).save(folder / "lambda.keras")


def channels_first(folder: Path) -> None:
    """Layers that have their channels before the image, as trained on GPUs."""
    layers, order = keras.layers, {"data_format": "channels_first"}
    image = keras.Input((3, 8, 6), name="image")
    y = layers.Conv2D(4, 3, padding="same", name="conv", **order)(image)
    # Its mean is no variable, but a tensor that the model captures.
    y = layers.Normalization(axis=1, mean=[0.1, 0.2, 0.3, 0.4], variance=[1.0] * 4)(y)
    y = layers.BatchNormalization(axis=1)(y)
    y = layers.MaxPooling2D(2, **order)(layers.DepthwiseConv2D(3, padding="same", **order)(y))
    y = layers.Conv2DTranspose(2, 2, strides=2, name="up", **order)(y)
    keras.Model(image, y).save(folder / "channels_first.keras")


def keras1(folder: Path) -> None:
    """A file as Keras 1.2 wrote it, and the numbers that it gives."""
    kernel, bias, matrix = weights(3, 3, 2, 4), weights(4), weights(4, 5)
    common = {"trainable": True, "bias": True, "activation": "relu", "init": "glorot_uniform"}
    conv = {
        **common, "name": "conv", "nb_filter": 4, "nb_row": 3, "nb_col": 3, "dim_ordering": "tf",
        "border_mode": "valid", "subsample": [1, 1], "batch_input_shape": [None, 6, 6, 2],
    }  # fmt: skip
    layers = [
        {"class_name": "Convolution2D", "config": conv},
        {"class_name": "GlobalAveragePooling2D", "config": {"name": "pool", "dim_ordering": "tf"}},
        {"class_name": "Dense", "config": {**common, "name": "dense", "output_dim": 5}},
    ]
    held = {"conv": {"conv_W": kernel, "conv_b": bias}, "pool": {},
            "dense": {"dense_W": matrix, "dense_b": np.zeros(5, "float32")}}  # fmt: skip
    with h5py.File(folder / "keras1.h5", "w") as file:
        file.attrs["keras_version"] = b"1.2.2"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": layers})
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in held]
        group.attrs["keras_version"] = b"1.2.2"
        for name, arrays in held.items():
            own = group.create_group(name)
            own.attrs["weight_names"] = [n.encode() for n in arrays]
            for key, array in arrays.items():
                own[key] = array
    x = RNG.random((1, 6, 6, 2)).astype("float32")
    y = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "VALID") + bias), [1, 2]) @ matrix
    np.savez(folder / "keras1.npz", x=x, y=tf.nn.relu(y).numpy())


def tflite(folder: Path) -> None:
    """One network: with weights of 8 bits, all of 8 bits, and activations of 16."""
    x = keras.Input((8, 8, 3), batch_size=1, name="image")
    y = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    y = keras.layers.Add()([keras.layers.DepthwiseConv2D(3, padding="same")(y), y])
    y = keras.layers.GlobalAveragePooling2D()(y)
    model = keras.Model(x, keras.layers.Dense(64)(y))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    (folder / "weights.tflite").write_bytes(converter.convert())
    converter.representative_dataset = lambda: (
        [RNG.random((1, 8, 8, 3)).astype("float32") * 2 - 1] for _ in range(8)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    (folder / "int8.tflite").write_bytes(converter.convert())
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    (folder / "uint8.tflite").write_bytes(converter.convert())
    converter.inference_input_type = converter.inference_output_type = tf.float32
    wide = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    converter.target_spec.supported_ops = [wide]
    (folder / "int16x8.tflite").write_bytes(converter.convert())


def main(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    for make in (saved, fused, first, hostile, keras3, channels_first, keras1, tflite, frozen):
        make(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
