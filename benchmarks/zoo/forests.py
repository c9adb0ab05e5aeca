"""The forests of the zoo: boosters that several XGBoosts train, and scikit-learn's estimators."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks import environments
from benchmarks.models import FetchError
from benchmarks.zoo import boosters
from benchmarks.zoo.sample import Sample, folder, made


class Booster(NamedTuple):
    """version: of XGBoost. size: a name of boosters.SIZES. form: how it is saved, by its suffix."""

    version: str
    kind: str
    objective: str
    size: str
    form: str


# All that a version writes; the next row is saved by the next of them.
FORMS = (
    ("0.90", "model"), ("1.7.6", "json"), ("2.1.4", "ubj"), ("3.2.0", "pkl"),
    ("1.7.6", "model"), ("2.1.4", "json"), ("3.2.0", "ubj"), ("0.90", "pkl"),
    ("1.7.6", "ubj"), ("2.1.4", "model"), ("3.2.0", "json"), ("1.7.6", "pkl"), ("2.1.4", "pkl"),
)  # fmt: skip
OBJECTIVES = (
    "reg:squarederror", "reg:absoluteerror", "binary:logistic", "count:poisson", "reg:gamma",
    "rank:pairwise", "multi:softprob", "multi:softmax",
)  # fmt: skip
LINEAR = ("reg:squarederror", "binary:logistic", "count:poisson", "multi:softprob")


def rows() -> Iterator[Booster]:
    asked = [("gbtree", objective, size) for objective in OBJECTIVES for size in boosters.SIZES]
    asked += [("dart", objective, "small") for objective in OBJECTIVES]
    asked += [("gblinear", objective, "small") for objective in LINEAR]
    for (version, form), (kind, objective, size) in zip(itertools.cycle(FORMS), asked):
        yield Booster(version, kind, objective, size, form)


def booster(row: Booster) -> Sample:
    """Trained and asked by that version."""
    name = f"{'-'.join(row[:-1]).replace(':', '_')}.{row.form}"
    python = functools.partial(environments.xgboost, row.version)
    place, inputs, outputs = made("forests", name, python, "boosters", *row[1:-1])
    return Sample("XGBOOST", place, None, inputs, outputs)


SKLEARN: Mapping[str, dict[str, Any]] = {
    "RandomForestClassifier": {"n_estimators": 50},
    "RandomForestRegressor": {"n_estimators": 50, "max_depth": 8},
    "ExtraTreesClassifier": {"n_estimators": 50, "max_depth": 8},
    "ExtraTreesRegressor": {"n_estimators": 20},
    "GradientBoostingClassifier": {"n_estimators": 30},
    "GradientBoostingRegressor": {"n_estimators": 100},
    "HistGradientBoostingClassifier": {"max_iter": 50},
    "HistGradientBoostingRegressor": {"max_iter": 100},
    "IsolationForest": {},
    "BaggingRegressor": {"n_estimators": 10},
    "AdaBoostClassifier": {"n_estimators": 20},
    "DecisionTreeClassifier": {},
}


def estimator(name: str) -> Sample:
    """Of scikit-learn's, trained without missing values."""
    try:
        import joblib
        from sklearn import ensemble, tree
    except ImportError as error:
        raise FetchError("scikit-learn trains it: pip install '.[sklearn]'") from error
    x, y = boosters.data()
    x = np.nan_to_num(x)
    kind = getattr(ensemble, name, None) or getattr(tree, name)
    fitted = kind(**SKLEARN[name], random_state=0)
    fitted.fit(x, boosters.targets("multi", y) if "Classifier" in name else y)
    place = folder("forests", f"{name}.joblib")
    joblib.dump(fitted, place)
    asked = x[: boosters.ASKED]
    if "Classifier" in name:
        wanted = [fitted.predict(asked), fitted.predict_proba(asked)]
    elif name == "IsolationForest":
        wanted = [fitted.predict(asked), fitted.decision_function(asked).reshape(-1, 1)]
    else:
        wanted = [fitted.predict(asked).reshape(-1, 1)]
    return Sample("SKLEARN", place, None, {"input": asked}, tuple(wanted))


def family() -> dict[str, Callable[[], Sample]]:
    trained: dict[str, Callable[[], Sample]] = {
        " ".join(row): functools.partial(booster, row) for row in rows()
    }
    return trained | {name: functools.partial(estimator, name) for name in SKLEARN}
