"""ai.onnx.ml without trees, against ONNX Runtime."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
    ("LabelEncoder", [IDS], {"keys_int64s": [1, 2], "values_floats": [0.5, 1.5],
                             "default_int64": 4, "default_string": "_Unused"}),
    ("LabelEncoder", [HOLES], {"keys_floats": [float("nan"), 2.0], "values_int64s": [4, 5],
                               "default_int64": -1}),
    ("LinearRegressor", [X], LINEAR | {"targets": 2}),
    ("LinearClassifier", [X], LINEAR | {"classlabels_ints": [4, 9], "post_transform": "SOFTMAX"}),
    ("Normalizer", [X], {"norm": "L1"}),
    ("Normalizer", [X], {"norm": "L2"}),
    ("OneHotEncoder", [IDS], {"cats_int64s": [1, 2, 3]}),
    ("Scaler", [X], {"offset": [0.1, 0.2, 0.3], "scale": [2.0, 3.0, 4.0]}),
]  # fmt: skip


@pytest.mark.parametrize(("op", "inputs", "attributes"), CASES)
def test_classical(
    classical: Convert, op: str, inputs: list[np.ndarray], attributes: dict[str, object]
) -> None:
    classical(op, inputs, attributes)


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])
@pytest.mark.parametrize("classes", [1, 2, 3])
def test_a_linear_classifier(classical: Convert, transform: str, classes: int) -> None:
    attributes = {
        "classlabels_ints": [4, 9, 2][: max(2, classes)],
        "coefficients": np.random.default_rng(classes).standard_normal(3 * classes).tolist(),
        "intercepts": [0.1, -0.2, 0.3][:classes],
        "post_transform": transform,
    }
    classical("LinearClassifier", [X], attributes, version=1)


def test_labels_that_are_not_the_scores_are_refused(classical: Convert) -> None:
    with pytest.raises(ModelError, match="2 scores do not fit 3 labels"):
        classical("LinearClassifier", [X], LINEAR | {"classlabels_ints": [1, 2, 3]})


@pytest.mark.parametrize("transform", ["LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"])
def test_transforms_of_two_targets(classical: Convert, transform: str) -> None:
    """PROBIT is for shares."""
    attributes = {"coefficients": [0.01, 0.04, 0.05, 0.01, 0.02, 0.07], "intercepts": [0.6, 0.4],
                  "targets": 2, "post_transform": transform}  # fmt: skip
    classical("LinearRegressor", [X], attributes, version=1)


def test_a_transform_of_one_target_is_refused(classical: Convert) -> None:
    with pytest.raises(ModelError, match="write it as a node of its own"):
        attributes = {"coefficients": [0.1, 0.4, 0.5], "post_transform": "LOGISTIC"}
        classical("LinearRegressor", [X], attributes, version=1)


def test_maps_are_refused_with_the_remedy(classical: Convert) -> None:
    with pytest.raises(ModelError, match="Export the model without it"):
        classical("ZipMap", [X], {"classlabels_int64s": [0, 1, 2]})


def test_labels_of_text_are_refused(classical: Convert) -> None:
    with pytest.raises(ModelError, match="labels are strings"):
        classical("LabelEncoder", [IDS], {"keys_int64s": [1], "values_strings": ["a"]})


KINDS = ["float32", "float64", "int32", "int64"]
LOOSE = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def table(kind: str, *shape: int) -> np.ndarray:
    return (4 * np.random.default_rng(sum(shape)).standard_normal(shape)).astype(kind)


@LOOSE
@given(
    st.sampled_from(["Binarizer", "Normalizer", "Scaler", "LinearRegressor", "OneHotEncoder",
                     "ArrayFeatureExtractor", "FeatureVectorizer"]),
    st.sampled_from(KINDS),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(0, 3),
)  # fmt: skip
def test_any_type_and_width(
    classical: Convert, op: str, kind: str, rows: int, columns: int, choice: int
) -> None:
    x = table("float32" if op == "LinearRegressor" else kind, rows, columns)
    inputs, many = [x], [0.5 * n - 0.75 for n in range(columns if choice % 2 else 1)]
    choices: dict[str, dict[str, object]] = {
        "ArrayFeatureExtractor": {},
        "Binarizer": {"threshold": float(choice)},
        "FeatureVectorizer": {"inputdimensions": [columns, max(1, columns - choice)]},
        "LinearRegressor": {"coefficients": [0.3 * n - 0.5 for n in range(columns)]},
        "Normalizer": {"norm": ["MAX", "L1", "L2", "L2"][choice]},
        "OneHotEncoder": {"cats_int64s": [0, -3, 2, 1][: choice + 1]},
        "Scaler": {"offset": many, "scale": many},
    }
    if op == "ArrayFeatureExtractor":
        inputs.append(np.arange(choice + 1) % columns)
    if op == "FeatureVectorizer":
        inputs.append(table(kind, rows, columns))
    version = 1 if op != "Binarizer" else 4
    classical(op, inputs, choices[op], version)
