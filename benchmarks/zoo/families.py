"""The families of the zoo: name -> a function that makes the model, or finds it made."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime

from benchmarks import environments, suite
from benchmarks.models import FetchError
from benchmarks.zoo.sample import Sample, folder

GLUON = (
    "alexnet densenet121 inceptionv3 mobilenet0.25 mobilenet0.5 mobilenet0.75 mobilenet1.0 "
    "mobilenetv2_0.25 mobilenetv2_0.5 mobilenetv2_1.0 resnet18_v1 resnet18_v2 resnet34_v1 "
    "resnet34_v2 resnet50_v1 resnet50_v2 squeezenet1.0 squeezenet1.1 vgg11 vgg11_bn"
).split()
LARGE = {"inceptionv3": 299}  # pixels on a side; of the others 224


def gluon(name: str) -> Sample:
    place = folder("mxnet", name)
    if not place.exists():
        command = [str(environments.mxnet()), "-m", "benchmarks.zoo.gluon", str(place), name]
        environments.run([*command, str(LARGE.get(name, 224))], f"{name} cannot be exported")
    with np.load(place.parent / f"{name}.npz") as known:
        x, y = known["x"], known["y"]
    return Sample("MXNET", place, json.dumps({"data": list(x.shape)}), {"data": x}, (y,))


def torch(name: str) -> Sample:
    """A network of the suite, as torch exports it; its answers are ONNX Runtime's."""
    path, feed = suite.fetch(name), suite.feed(name)
    config = json.dumps({n: list(a.shape) for n, a in feed.items()})
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return Sample("ONNX", path, config, feed, tuple(session.run(None, feed)))


# --- forests

OBJECTIVES = (
    "reg:squarederror", "reg:absoluteerror", "binary:logistic", "count:poisson", "reg:gamma",
    "rank:pairwise", "multi:softprob", "multi:softmax",
)  # fmt: skip
SIZES = {"small": (20, 3), "large": (100, 6)}  # rounds and depth
LINEAR = ("reg:squarederror", "binary:logistic", "count:poisson", "multi:softprob")
EXAMPLES, FEATURES = 2000, 20


def _data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.standard_normal((EXAMPLES, FEATURES)).astype(np.float32)
    y = np.sin(x[:, 0]) + x[:, 1] * x[:, 2] + 0.1 * random.standard_normal(EXAMPLES)
    return np.where(random.random(x.shape) < 0.05, np.nan, x), y


def _targets(objective: str, y: np.ndarray) -> np.ndarray:
    if objective.startswith("multi"):
        return np.asarray(np.digitize(y, [-0.5, 0.5]))
    if objective.startswith("binary"):
        return np.asarray(y > 0)
    return y if objective.startswith(("reg:sq", "reg:abs")) else np.asarray(np.floor(np.exp(y)) + 1)


def booster(kind: str, objective: str, size: str) -> Sample:
    """Trained by the XGBoost of the extra `benchmarks`."""
    try:
        import xgboost
    except ImportError as error:
        raise FetchError("XGBoost trains it: pip install '.[benchmarks]'") from error
    x, y = _data()
    rounds, depth = SIZES[size]
    settings: dict[str, Any] = {"booster": kind, "objective": objective, "seed": 0}
    settings |= {} if kind == "gblinear" else {"max_depth": depth}
    settings |= {"num_class": 3} if objective.startswith("multi") else {}
    settings |= {"rate_drop": 0.1} if kind == "dart" else {}
    matrix = xgboost.DMatrix(x, _targets(objective, y))
    if objective.startswith("rank"):
        matrix.set_group([20] * (EXAMPLES // 20))
    trained = xgboost.train(settings, matrix, rounds)
    place = folder("forests", f"{kind}-{objective.replace(':', '_')}-{size}.ubj")
    trained.save_model(place)
    rows = x[:100]
    wanted = trained.predict(xgboost.DMatrix(rows)).reshape(len(rows), -1)
    return Sample("XGBOOST", place, None, {"data": rows}, (wanted,))


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
    x, y = _data()
    x = np.nan_to_num(x)
    kind = getattr(ensemble, name, None) or getattr(tree, name)
    fitted = kind(**SKLEARN[name], random_state=0)
    fitted.fit(x, _targets("multi", y) if "Classifier" in name else y)
    place = folder("forests", f"{name}.joblib")
    joblib.dump(fitted, place)
    rows = x[:100]
    if "Classifier" in name:
        wanted = [fitted.predict(rows), fitted.predict_proba(rows)]
    elif name == "IsolationForest":
        wanted = [fitted.predict(rows), fitted.decision_function(rows).reshape(-1, 1)]
    else:
        wanted = [fitted.predict(rows).reshape(-1, 1)]
    return Sample("SKLEARN", place, None, {"input": rows}, tuple(wanted))


def _forests() -> dict[str, Callable[[], Sample]]:
    rows = [("gbtree", objective, size) for objective in OBJECTIVES for size in SIZES]
    rows += [("dart", objective, "small") for objective in OBJECTIVES]
    rows += [("gblinear", objective, "small") for objective in LINEAR]
    made: dict[str, Callable[[], Sample]] = {
        "-".join(row): functools.partial(booster, *row) for row in rows
    }
    return made | {name: functools.partial(estimator, name) for name in SKLEARN}


FAMILIES: Mapping[str, Mapping[str, Callable[[], Sample]]] = {
    "mxnet": {name: functools.partial(gluon, name) for name in GLUON},
    "torch": {name: functools.partial(torch, name) for name in suite.NETS},
    "forests": _forests(),
}
