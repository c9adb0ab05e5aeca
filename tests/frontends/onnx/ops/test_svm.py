"""Support vector machines against ONNX Runtime."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import ModelError

Convert = Callable[..., None]
RNG = np.random.default_rng(0)
X = RNG.standard_normal((16, 3)).astype(np.float32)
KERNELS = ["LINEAR", "POLY", "RBF", "SIGMOID"]


def machine(classes: int) -> dict[str, object]:
    """Two vectors a class."""
    pairs, rng = classes * (classes - 1) // 2, np.random.default_rng(classes)
    return {
        "classlabels_ints": [5, 9, 4, 2][:classes],
        "coefficients": rng.standard_normal((classes - 1) * 2 * classes).tolist(),
        "kernel_params": [0.3, 0.1, 2.0],
        "kernel_type": "RBF",
        "rho": (0.2 * rng.standard_normal(pairs)).tolist(),
        "support_vectors": rng.standard_normal(2 * classes * 3).tolist(),
        "vectors_per_class": [2] * classes,
    }


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_regressor(classical: Convert, kernel: str) -> None:
    attributes = {"coefficients": [0.5, -0.25], "kernel_params": [0.3, 0.1, 2.0],
                  "kernel_type": kernel, "n_supports": 2, "rho": [0.7],
                  "support_vectors": [0.1, 0.2, 0.3, -0.5, 0.4, 0.9]}  # fmt: skip
    classical("SVMRegressor", [X], attributes, version=1)


@pytest.mark.parametrize("one_class", [0, 1])
def test_a_regressor_without_vectors(classical: Convert, one_class: int) -> None:
    attributes = {"coefficients": [0.5, -0.25, 1.5], "one_class": one_class, "rho": [0.7],
                  "kernel_params": [0.0, 0.0, 0.0]}  # fmt: skip
    classical("SVMRegressor", [X], attributes, version=1)


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_a_classifier(classical: Convert, classes: int, transform: str) -> None:
    classical("SVMClassifier", [X], machine(classes) | {"post_transform": transform}, version=1)


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels(classical: Convert, kernel: str) -> None:
    classical("SVMClassifier", [X], machine(3) | {"kernel_type": kernel}, version=1)


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("classes", [3, 4])
def test_a_classifier_without_vectors(classical: Convert, classes: int, transform: str) -> None:
    attributes = {
        "classlabels_ints": [5, 9, 4, 2][:classes],
        "coefficients": RNG.standard_normal(3 * classes).tolist(),
        "kernel_params": [0.0, 0.0, 0.0],
        "post_transform": transform,
        "rho": [0.1],
    }
    classical("SVMClassifier", [X], attributes, version=1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prob_a": [0.1], "prob_b": [0.2]}, "probability=False"),
        ({"classlabels_strings": ["a", "b"]}, "labels are strings"),
        ({"classlabels_ints": [1]}, "1 labels are not two or more"),
        ({"vectors_per_class": [0, 0]}, "give LinearClassifier"),
        ({"vectors_per_class": [4]}, "vectors of 1 classes do not fit 2 labels"),
    ],
)
def test_what_is_refused(classical: Convert, changed: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        classical("SVMClassifier", [X], machine(2) | changed, version=1)
