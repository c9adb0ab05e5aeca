"""ai.onnx.ml without trees: features put in shape, labels looked up, linear models."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import (
    Builder,
    R,
    Table,
    Value,
    affordable,
    dtype,
    is_float,
    rank,
    shape,
    size,
)
from frontends.onnx.graph import Array


def as_float(b: Builder, x: Value) -> Value:
    return x if dtype(x) == "float64" else b.cast(x, "float32")


def array_feature_extractor(b: Builder, x: Value, indices: Value) -> Value:
    """Elements of the last axis; a vector counts as a matrix of one row."""
    places = b.reshape(indices, (size(indices),))
    if not isinstance(places, np.ndarray):
        places = b(R.maximum, b(R.minimum, places, shape(x)[-1] - 1), 0)
    made = b.take(x, places, rank(x) - 1)
    return b.reshape(made, (1, size(indices))) if rank(x) == 1 else made


def binarizer(b: Builder, x: Value, *, threshold: float = 0.0) -> Value:
    return b.cast(b(R.greater, x, np.asarray(threshold, dtype(x))), dtype(x))


def scaler(
    b: Builder, x: Value, *, offset: Sequence[float] = (0.0,), scale: Sequence[float] = (1.0,)
) -> Value:
    wide = as_float(b, x)
    centred = b(R.subtract, wide, np.asarray(offset, dtype(wide)))
    return b.cast(b(R.multiply, centred, np.asarray(scale, dtype(wide))), "float32")


def normalizer(b: Builder, x: Value, *, norm: str = "MAX") -> Value:
    wide = as_float(b, x)
    axis = {"axis": [rank(x) - 1], "keepdims": True}
    if norm == "MAX":
        length = b(R.max, wide, **axis)
    elif norm == "L1":
        length = b(R.sum, b(R.abs, wide), **axis)
    elif norm == "L2":
        length = b(R.sqrt, b(R.sum, b(R.multiply, wide, wide), **axis))
    else:
        raise ModelError(f"attribute norm is '{norm}'; known are L1, L2, MAX")
    kept = b(R.where, b(R.equal, length, 0.0), np.ones((), dtype(wide)), length)
    return b.cast(b(R.divide, wide, kept), "float32")


def imputer(
    b: Builder,
    x: Value,
    *,
    imputed_value_floats: Sequence[float] = (),
    imputed_value_int64s: Sequence[int] = (),
    replaced_value_float: float = 0.0,
    replaced_value_int64: int = 0,
) -> Value:
    """Where the replaced value stands (NaN is one), the imputed one of its column."""
    if is_float(x):
        values, gone = np.asarray(imputed_value_floats, dtype(x)), replaced_value_float
    else:
        values, gone = np.asarray(imputed_value_int64s, dtype(x)), replaced_value_int64
    if values.size not in (1, shape(x)[-1]):
        raise ModelError(f"{values.size} imputed values do not fit {shape(x)[-1]} columns")
    missing = b(R.isnan, x) if gone != gone else b(R.equal, x, np.asarray(gone, dtype(x)))
    return b(R.where, missing, values, x)


def one_hot_encoder(
    b: Builder,
    x: Value,
    *,
    cats_int64s: Sequence[int] = (),
    cats_strings: Sequence[str] = (),
    zeros: int = 1,
) -> Value:
    if cats_strings or not cats_int64s:
        raise ModelError("categories are strings; only numbers compile. Encode them before")
    if not zeros:
        raise ModelError("attribute zeros must be 1: what no category is cannot stop a kernel")
    column = b.reshape(b.cast(x, "int64"), (*shape(x), 1))
    return b.cast(b(R.equal, column, np.asarray(cats_int64s, np.int64)), "float32")


def feature_vectorizer(b: Builder, *inputs: Value, inputdimensions: Sequence[int] = ()) -> Value:
    """Side by side as float32, each cut to its dimension."""
    parts = []
    for n, x in enumerate(inputs):
        x = b.reshape(x, (shape(x)[0], 1)) if rank(x) == 1 else x
        columns = inputdimensions[n] if inputdimensions else shape(x)[1]
        if columns > shape(x)[1]:
            raise ModelError(f"an input {shape(x)} has no {columns} columns")
        kept = b.pick(x, [range(shape(x)[0]), range(columns)])
        parts.append(b.cast(kept, "float32"))
    return parts[0] if len(parts) == 1 else b.concat(parts, 1)


NAMES = {"int64": "int64s", "float": "floats", "float32": "floats", "float64": "doubles"}


def label_encoder(b: Builder, x: Value, **attributes: Any) -> Value:
    """The value that stands beside a key; the default for what is no key."""
    if attributes.keys() & {"keys_strings", "values_strings", "classes_strings"}:
        raise ModelError("labels are strings; only numbers compile. Map them outside of the model")
    keys, values = (_listed(attributes, side) for side in ("keys", "values"))
    default = attributes.get("default_tensor")
    if default is None:
        whole = values.dtype.kind in "iu"
        name, usual = ("default_int64", -1) if whole else ("default_float", -0.0)
        default = attributes.get(name, usual)
    extra = attributes.keys() - {f"{s}_{k}" for s in ("keys", "values") for k in
                                 ("tensor", "int64s", "floats")}  # fmt: skip
    extra -= {"default_tensor", "default_int64", "default_float", "default_string"}
    if extra or keys.size != values.size:
        raise ModelError(f"needs one list of keys and one of values, has {sorted(attributes)}")
    affordable(float(size(x)) * keys.size, 1)
    column = b.reshape(x, (*shape(x), 1))
    same = b(R.equal, column, keys.astype(dtype(x)))
    if keys.dtype.kind == "f" and np.isnan(keys).any():
        same = b(R.logical_or, same, b(R.logical_and, b(R.isnan, column), np.isnan(keys)))
    first = b(R.argmax, b.cast(same, "int32"), axis=rank(x))
    found = b.cast(b(R.max, b.cast(same, "int32"), axis=[rank(x)]), "bool")
    return b(R.where, found, b.take(values, first, 0), np.asarray(default, values.dtype))


def _listed(attributes: dict[str, Any], side: str) -> Array:
    if (tensor := attributes.get(f"{side}_tensor")) is not None:
        if tensor.dtype.kind not in "iuf":
            raise ModelError("labels are strings; only numbers compile")
        return np.asarray(tensor).reshape(-1)
    for name, kind in (("int64s", np.int64), ("floats", np.float32)):
        if f"{side}_{name}" in attributes:
            return np.asarray(attributes[f"{side}_{name}"], kind)
    raise ModelError(f"it has no {side}")


def _softmax_zero(b: Builder, x: Value) -> Value:
    """Softmax in which a zero stays as small as if it were far below the others."""
    top = b(R.max, x, axis=[1], keepdims=True)
    far = b(R.greater, b(R.abs, x), 1e-7)
    small = b(R.multiply, x, b(R.exp, b(R.negative, top)))
    raised = b(R.where, far, b(R.exp, b(R.subtract, x, top)), small)
    total = b(R.sum, raised, axis=[1], keepdims=True)
    return b(R.where, b(R.equal, total, 0.0), 0.5, b(R.divide, raised, total))


def _probit(b: Builder, x: Value) -> Value:
    """sqrt(2) erfinv(2 x - 1), by Winitzki's approximation as in ONNX Runtime."""
    side = b(R.subtract, b(R.multiply, x, 2.0), 1.0)
    bend = b(R.log, b(R.multiply, b(R.subtract, 1.0, side), b(R.add, side, 1.0)))
    middle = b(R.add, b(R.multiply, bend, 0.5), 2 / (np.pi * 0.147))
    root = b(R.sqrt, b(R.subtract, b(R.multiply, middle, middle), b(R.divide, bend, 0.147)))
    length = b(R.sqrt, b(R.subtract, root, middle))
    return b(R.multiply, b(R.multiply, b(R.sign, side), length), 1.41421356)


TRANSFORMS: dict[str, Callable[[Builder, Value], Value]] = {
    "NONE": lambda b, x: x,
    "PROBIT": _probit,
    "LOGISTIC": lambda b, x: b(R.sigmoid, x),
    "SOFTMAX": lambda b, x: b(R.nn.softmax, x, axis=1),
    "SOFTMAX_ZERO": _softmax_zero,
}


def transformed(b: Builder, scores: Value, name: str) -> Value:
    if name not in TRANSFORMS:
        raise ModelError(f"attribute post_transform is '{name}'; known are {sorted(TRANSFORMS)}")
    if shape(scores)[1] == 1 and name not in ("NONE", "PROBIT"):
        raise ModelError(
            f"attribute post_transform is {name}, which the standard applies to a single score and "
            "ONNX Runtime does not; write it as a node of its own"
        )
    return TRANSFORMS[name](b, scores)


def one_of_two(
    b: Builder, score: Value, labels: Array, least: float, shares: bool, name: str
) -> tuple[Value, Value]:
    """The label and both scores of two classes, as ONNX Runtime has them: of transforms only
    LOGISTIC counts. score: [rows, 1], of the second; shares: the scores' sum is 1.
    """
    if name == "PROBIT":
        raise ModelError(
            "attribute post_transform must not be PROBIT: one score has no two probits"
        )
    second = b.reshape(b(R.greater, score, least), (shape(score)[0],))
    label = b.take(labels, b.cast(second, "int64"), 0)
    logistic = name == "LOGISTIC"
    first = b(R.subtract, 1.0, score) if shares and not logistic else b(R.negative, score)
    both = transformed(b, b.concat([first, score], 1), name if logistic else "NONE")
    return label, b.cast(both, "float32")


def _scores(
    b: Builder, x: Value, coefficients: Sequence[float], intercepts: Sequence[float]
) -> Value:
    x = b.reshape(x, (1, shape(x)[0])) if rank(x) == 1 else x
    wide = as_float(b, x)
    weights = np.asarray(coefficients, dtype(wide)).reshape(-1, shape(x)[1]).T
    product = b(R.matmul, wide, np.ascontiguousarray(weights))
    return b(R.add, product, np.asarray(intercepts, dtype(wide))) if intercepts else product


def linear_regressor(
    b: Builder,
    x: Value,
    *,
    coefficients: Sequence[float] = (),
    intercepts: Sequence[float] = (),
    post_transform: str = "NONE",
    targets: int = 1,
) -> Value:
    return b.cast(
        transformed(b, _scores(b, x, coefficients, intercepts), post_transform), "float32"
    )


def linear_classifier(
    b: Builder,
    x: Value,
    *,
    classlabels_ints: Sequence[int] = (),
    classlabels_strings: Sequence[str] = (),
    coefficients: Sequence[float],
    intercepts: Sequence[float] = (),
    multi_class: int = 0,
    post_transform: str = "NONE",
) -> tuple[Value, Value]:
    """The label of the highest score, and the scores."""
    if classlabels_strings:
        raise ModelError("labels are strings; only numbers compile. Give classlabels_ints")
    scores = _scores(b, x, coefficients, intercepts)
    labels = np.asarray(classlabels_ints, np.int64)
    if shape(scores)[1] == 1 and len(labels) == 2:
        return one_of_two(b, scores, labels, 0.0, True, post_transform)
    if shape(scores)[1] != len(labels):
        raise ModelError(f"{shape(scores)[1]} scores do not fit {len(labels)} labels")
    best = b.take(labels, b(R.argmax, scores, axis=1), 0)
    return best, b.cast(transformed(b, scores, post_transform), "float32")


OPS: Table = {
    "ArrayFeatureExtractor": array_feature_extractor,
    "Binarizer": binarizer,
    "FeatureVectorizer": feature_vectorizer,
    "Imputer": imputer,
    "LabelEncoder": label_encoder,
    "LinearClassifier": linear_classifier,
    "LinearRegressor": linear_regressor,
    "Normalizer": normalizer,
    "OneHotEncoder": one_hot_encoder,
    "Scaler": scaler,
}
