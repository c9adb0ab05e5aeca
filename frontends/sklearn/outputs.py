"""What an estimator gives, by name, as scikit-learn computes it; for a script of confined.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from frontends.nodes import Array
from frontends.sklearn.reading import Refused, estimators

Answer = Callable[[Array], Array]
SHOWN = 40  # classes in a warning
CLASSES = {"classes_", "_classes", "classes"}  # where estimators, LightGBM, calibrators have them


def named(model: Any) -> Mapping[str, Answer]:
    """In the order of skl2onnx's. Rows come in double precision: some estimators take no other."""
    from sklearn import base
    from sklearn.feature_selection import SelectorMixin

    if isinstance(model, SelectorMixin):  # which may predict, too, by what it has selected with
        return {"output": _matrix(model.transform)}
    if base.is_classifier(model):
        return {"label": _labels(model.predict)} | _of_classes(model)
    if base.is_outlier_detector(model):
        return {"label": _labels(model.predict), "scores": _matrix(model.decision_function)}
    if base.is_regressor(model):
        return {"prediction": _matrix(model.predict)}
    if base.is_clusterer(model) and hasattr(model, "predict") and hasattr(model, "transform"):
        return {"label": _labels(model.predict), "distances": _matrix(model.transform)}
    if hasattr(model, "predict_proba") and not hasattr(model, "transform"):
        return {"label": _labels(model.predict), "probabilities": _matrix(model.predict_proba)}
    if hasattr(model, "transform"):
        return {"output": _matrix(model.transform)}
    raise Refused(f"{type(model).__name__} neither predicts nor transforms.")


def _of_classes(model: Any) -> dict[str, Answer]:
    """Of several outputs each has its own probabilities; who votes may have none."""
    if not hasattr(model, "predict_proba"):
        scored = hasattr(model, "decision_function")
        return {"scores": _matrix(model.decision_function)} if scored else {}
    count = _outputs(model)
    if count == 1:
        return {"probabilities": _matrix(model.predict_proba)}

    def answer(number: int) -> Answer:
        return lambda x: np.asarray(model.predict_proba(x)[number], np.float32)

    return {f"probabilities_{n}": answer(n) for n in range(count)}


def _outputs(model: Any) -> int:
    classes = model.classes_
    several = isinstance(classes, list) and len(classes) and np.ndim(classes[0]) > 0
    return len(classes) if several else 1


def _labels(predict: Answer) -> Answer:
    return lambda x: np.asarray(predict(x)).astype(np.int64)


def _matrix(compute: Answer) -> Answer:
    """In single precision, a number alone as a column."""

    def answer(x: Array) -> Array:
        made = compute(x)
        made = np.asarray(made.toarray() if hasattr(made, "toarray") else made)
        return made.reshape(len(x), -1).astype(np.float32)

    return answer


def number_classes(model: Any) -> list[str]:
    """Classes that are no whole numbers become their places in the order of `classes_`; what is
    said of that.
    """
    from sklearn.base import is_classifier

    if not is_classifier(model):
        return []
    several = model.classes_ if _outputs(model) > 1 else [model.classes_]
    named = [np.asarray(classes) for classes in several if not _is_whole(np.asarray(classes))]
    for part in estimators(model):
        known = getattr(part, "__dict__", {})
        for name in CLASSES & known.keys():
            known[name] = _numbered(known[name], named)
    return [
        "Output 'label' holds numbers for the model's classes: "
        + ", ".join(f"{n} is {str(c)!r}" for n, c in enumerate(classes[:SHOWN]))
        + (", ..." if len(classes) > SHOWN else ".")
        for classes in named
    ]


def _is_whole(classes: Array) -> bool:
    return classes.dtype.kind in "iuf"  # floats are whole numbers: scikit-learn trains on no others


def _numbered(classes: Any, named: list[Array]) -> Any:
    if isinstance(classes, list):
        return [_numbered(c, named) for c in classes]
    for whole in named if isinstance(classes, np.ndarray) else ():
        if classes.dtype.kind == whole.dtype.kind and np.isin(classes, whole).all():
            return np.searchsorted(whole, classes)
    return classes
