"""ai.onnx.ml without trees, against ONNX Runtime."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import ModelError

Convert = Callable[..., None]
X = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
IDS = np.array([[1, 5], [3, 2]], np.int64)
HOLES = np.where(X > 0.5, np.nan, X).astype(np.float32)
LINEAR = {"coefficients": [0.3, -0.4, 0.5, 0.1, 0.2, 0.7], "intercepts": [0.1, -0.2]}

CASES = [
    ("ArrayFeatureExtractor", [X, np.array([[2, 0]])], {}),
    ("Binarizer", [X], {"threshold": 0.25}),
    ("FeatureVectorizer", [X, X], {"inputdimensions": [3, 3]}),
    ("Imputer", [HOLES], {"imputed_value_floats": [7.0], "replaced_value_float": float("nan")}),
    ("LabelEncoder", [IDS], {"keys_int64s": [1, 2, 3], "values_floats": [0.5, 1.5, 2.5],
                           "default_float": -3.0}),
    ("LabelEncoder", [HOLES], {"keys_floats": [float("nan"), 2.0], "values_int64s": [4, 5],
                               "default_int64": -1}),
    ("LinearRegressor", [X], LINEAR | {"targets": 2}),
    ("LinearClassifier", [X], LINEAR | {"classlabels_ints": [4, 9], "post_transform": "SOFTMAX"}),
    ("Normalizer", [X], {"norm": "L1"}),
    ("Normalizer", [X], {"norm": "L2"}),
    ("OneHotEncoder", [IDS], {"cats_int64s": [1, 2, 3]}),
    ("SVMRegressor", [X], {"coefficients": [0.5, -0.25], "kernel_params": [0.3, 0.1, 2.0],
                           "kernel_type": "RBF", "n_supports": 2, "rho": [0.7],
                           "support_vectors": [0.1, 0.2, 0.3, -0.5, 0.4, 0.9]}),
    ("Scaler", [X], {"offset": [0.1, 0.2, 0.3], "scale": [2.0, 3.0, 4.0]}),
]  # fmt: skip


@pytest.mark.parametrize(("op", "inputs", "attributes"), CASES)
def test_classical(
    classical: Convert, op: str, inputs: list[np.ndarray], attributes: dict[str, object]
) -> None:
    classical(op, inputs, attributes)


def test_maps_are_refused_with_the_remedy(classical: Convert) -> None:
    with pytest.raises(ModelError, match="Export the model without it"):
        classical("ZipMap", [X], {"classlabels_int64s": [0, 1, 2]})


def test_labels_of_text_are_refused(classical: Convert) -> None:
    with pytest.raises(ModelError, match="labels are strings"):
        classical("LabelEncoder", [IDS], {"keys_int64s": [1], "values_strings": ["a"]})
