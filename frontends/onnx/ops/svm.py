"""Distances of rows and vectors, and sums of kernels of them: support vector machines."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import Builder, R, Table, Value, dtype, shape
from frontends.onnx.graph import Array
from frontends.onnx.ops.classical import as_float, one_of_two, transformed


def svm_regressor(
    b: Builder,
    x: Value,
    *,
    coefficients: Sequence[float],
    kernel_params: Sequence[float] = (),
    kernel_type: str = "LINEAR",
    n_supports: int = 0,
    one_class: int = 0,
    post_transform: str = "NONE",
    rho: Sequence[float] = (0.0,),
    support_vectors: Sequence[float] = (),
) -> Value:
    """A sum of kernels of x and each support vector."""
    if post_transform != "NONE":
        raise ModelError("attribute post_transform must be NONE: ONNX Runtime knows no other")
    x = as_float(b, x)
    if n_supports:
        vectors = np.asarray(support_vectors, dtype(x)).reshape(n_supports, -1)
        near = _kernel(b, x, vectors, kernel_type, kernel_params)
        weights = np.asarray(coefficients, dtype(x)).reshape(-1, 1)
    else:
        near, weights = x, np.asarray(coefficients, dtype(x)).reshape(-1, 1)
    total = b(R.add, b(R.matmul, near, weights), rho[0])
    if one_class:
        one, minus = (np.asarray(n, dtype(x)) for n in (1, -1))
        total = b(R.where, b(R.greater, total, 0.0), one, minus)
    return b.cast(total, "float32")


def _kernel(b: Builder, x: Value, vectors: Array, kind: str, params: Sequence[float]) -> Value:
    gamma, coef, degree = (*params, 0.0, 0.0, 0.0)[:3]
    if kind == "RBF":
        return b(R.exp, b(R.multiply, distances(b, x, vectors), -gamma))
    product = b(R.matmul, x, np.ascontiguousarray(vectors.T))
    if kind == "LINEAR":
        return product
    scaled = b(R.add, b(R.multiply, product, gamma), coef)
    if kind == "POLY":
        return b(R.power, scaled, degree)
    if kind == "SIGMOID":
        return b(R.tanh, scaled)
    raise ModelError(f"attribute kernel_type is '{kind}'; known are LINEAR, POLY, RBF, SIGMOID")


def svm_classifier(
    b: Builder,
    x: Value,
    *,
    classlabels_ints: Sequence[int] = (),
    classlabels_strings: Sequence[str] = (),
    coefficients: Sequence[float],
    kernel_params: Sequence[float] = (),
    kernel_type: str = "LINEAR",
    post_transform: str = "NONE",
    prob_a: Sequence[float] = (),
    prob_b: Sequence[float] = (),
    rho: Sequence[float],
    support_vectors: Sequence[float] = (),
    vectors_per_class: Sequence[int] = (),
) -> tuple[Value, Value]:
    """The label with the most votes of pairs of classes, and a score for each pair; without support
    vectors the label of the highest score, of which each class has one.
    """
    if classlabels_strings:
        raise ModelError("labels are strings; only numbers compile. Give classlabels_ints")
    if prob_a or prob_b:
        raise ModelError(
            "probabilities are found by a search that is not implemented; export the scores "
            "(scikit-learn: probability=False)"
        )
    x, labels = as_float(b, x), np.asarray(classlabels_ints, np.int64)
    classes, count = len(labels), sum(vectors_per_class)
    if classes < 2:
        raise ModelError(f"{classes} labels are not two or more")
    if classes == 2 and not count:
        raise ModelError(
            "two classes without support vectors have the label of the higher score to the "
            "standard and another to ONNX Runtime; give LinearClassifier instead"
        )
    if not count:
        weights = np.asarray(coefficients, dtype(x)).reshape(classes, -1).T
        scores = b(R.add, b(R.matmul, x, np.ascontiguousarray(weights)), rho[0])
        best = b.take(labels, b(R.argmax, scores, axis=1), 0)
        return best, b.cast(transformed(b, scores, post_transform), "float32")
    if len(vectors_per_class) != classes:
        raise ModelError(f"vectors of {len(vectors_per_class)} classes do not fit {classes} labels")
    vectors = np.asarray(support_vectors, dtype(x)).reshape(count, -1)
    near = _kernel(b, x, vectors, kernel_type, kernel_params)
    weights = _paired(np.asarray(coefficients, dtype(x)).reshape(-1, count), vectors_per_class)
    scores = b(R.add, b(R.matmul, near, weights), np.asarray(rho, dtype(x)))
    if classes == 2:  # a positive score is the first one's
        turned = np.ascontiguousarray(labels[::-1])
        return one_of_two(b, scores, turned, 0.0, post_transform != "NONE", post_transform)
    label = b.take(labels, b(R.argmax, _votes(b, scores, classes), axis=1), 0)
    return label, b.cast(transformed(b, scores, post_transform), "float32")


def _votes(b: Builder, scores: Value, classes: int) -> Value:
    """[rows, classes]: a pair's is for its first class if its score is positive."""
    won = np.zeros((shape(scores)[1], classes), dtype(scores))
    lost = np.zeros_like(won)
    for number, (first, second) in enumerate(combinations(range(classes), 2)):
        won[number, first] = lost[number, second] = 1
    positive = b.cast(b(R.greater, scores, 0.0), dtype(scores))
    return b(R.add, b(R.matmul, positive, won - lost), lost.sum(axis=0))


def _paired(coefficients: Array, counts: Sequence[int]) -> Array:
    """[vectors, pairs]. coefficients [classes - 1, vectors]: of a vector against the other classes
    in order.
    """
    ends = np.cumsum(counts)
    spans = [slice(end - n, end) for n, end in zip(counts, ends, strict=True)]
    pairs = list(combinations(range(len(counts)), 2))
    weights = np.zeros((coefficients.shape[1], len(pairs)), coefficients.dtype)
    for number, (first, second) in enumerate(pairs):
        weights[spans[first], number] = coefficients[second - 1, spans[first]]
        weights[spans[second], number] = coefficients[first, spans[second]]
    return weights


METRICS = {
    **dict.fromkeys(("euclidean", "l2"), 2.0),
    **dict.fromkeys(("cityblock", "l1", "manhattan"), 1.0),
    "chebyshev": float("inf"),
}


def distances(
    b: Builder, x: Value, y: Value, *, metric: str = "sqeuclidean", p: float = 2
) -> Value:
    """[rows of x, rows of y]. p: of the metric minkowski. Source: CDist of ONNX Runtime."""
    power = METRICS.get(metric, float(p))
    if metric not in METRICS and metric not in ("minkowski", "sqeuclidean"):
        known = sorted((*METRICS, "minkowski", "sqeuclidean"))
        raise ModelError(f"attribute metric is '{metric}'; known are {', '.join(known)}")
    (rows, width), (others, _) = shape(x), shape(y)
    away = b(R.subtract, b.reshape(x, (rows, 1, width)), b.reshape(y, (1, others, width)))
    if power == 2.0:
        squares = b(R.sum, b(R.multiply, away, away), axis=[2])
        return squares if metric == "sqeuclidean" else b(R.sqrt, squares)
    if power == float("inf"):
        return b(R.max, b(R.abs, away), axis=[2])
    if power == 1.0:
        return b(R.sum, b(R.abs, away), axis=[2])
    return b(R.power, b(R.sum, b(R.power, b(R.abs, away), power), axis=[2]), 1 / power)


CONTRIBUTED: Table = {"CDist": distances}
OPS: Table = {"SVMClassifier": svm_classifier, "SVMRegressor": svm_regressor}
