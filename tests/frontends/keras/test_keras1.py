"""Configurations of Keras 1, as Keras 2 has them."""

from typing import Any

import pytest

from frontends.keras import keras1
from frontends.tensorflow.declared import Refused


def modern(kind: str, **config: Any) -> tuple[str, dict[str, Any]]:
    [made] = keras1.modern([{"class_name": kind, "config": {"name": "l", **config}}])
    assert made["config"].pop("name") == "l"
    return made["class_name"], made["config"]


@pytest.mark.parametrize(
    ("kind", "config", "new", "wanted"),
    [
        (
            "Convolution2D",
            {
                "nb_filter": 8, "nb_row": 3, "nb_col": 5, "border_mode": "same", "bias": True,
                "subsample": [2, 2], "dim_ordering": "tf", "init": "uniform", "W_regularizer": None,
            },
            "Conv2D",
            {"filters": 8, "kernel_size": [3, 5], "padding": "same", "strides": [2, 2],
             "use_bias": True},
        ),
        ("Dense", {"output_dim": 4, "input_dim": 3}, "Dense", {"units": 4, "input_dim": 3}),
        ("Embedding", {"output_dim": 4, "dropout": 0.0}, "Embedding", {"output_dim": 4}),
        ("Dropout", {"p": 0.5}, "Dropout", {"rate": 0.5}),
        ("MaxPooling1D", {"pool_length": 2, "stride": 1}, "MaxPooling1D",
         {"pool_size": 2, "strides": 1}),
        ("Merge", {"mode": "concat", "concat_axis": 3}, "Concatenate", {"axis": 3}),
        ("Merge", {"mode": "sum", "concat_axis": -1, "dot_axes": -1}, "Add", {}),
        ("BatchNormalization", {"mode": 0, "axis": -1}, "BatchNormalization", {"axis": -1}),
        ("GRU", {"output_dim": 2, "inner_activation": "hard_sigmoid"}, "GRU",
         {"units": 2, "recurrent_activation": "hard_sigmoid", "reset_after": False}),
        ("ZeroPadding2D", {"padding": [1, 2, 3, 4]}, "ZeroPadding2D",
         {"padding": [[1, 2], [3, 4]]}),
    ],
)  # fmt: skip
def test_layers(kind: str, config: dict[str, Any], new: str, wanted: dict[str, Any]) -> None:
    assert modern(kind, **config) == (new, wanted)


@pytest.mark.parametrize(
    ("kind", "config", "text"),
    [
        ("Convolution2D", {"dim_ordering": "th"}, "dim_ordering 'th'"),
        ("Merge", {"mode": "lambda x: x"}, "Python code"),
        ("BatchNormalization", {"mode": 1}, "mode 1"),
    ],
)
def test_what_is_no_more(kind: str, config: dict[str, Any], text: str) -> None:
    with pytest.raises(Refused, match=text):
        modern(kind, **config)


def test_a_model_keeps_its_frame() -> None:
    inner = {"class_name": "Sequential", "config": [{"class_name": "Dropout", "config": {"p": 1}}]}
    assert keras1.modern(inner)["config"][0]["config"] == {"rate": 1}
