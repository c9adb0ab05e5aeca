"""Small fitted models of scikit-learn, one or more for each converter of our own and each kind of
outputs.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn import (
    calibration,
    cluster,
    compose,
    decomposition,
    ensemble,
    feature_selection,
    impute,
    linear_model,
    mixture,
    multioutput,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)

Array = np.ndarray
NAMES = np.array(["setosa", "versicolor", "virginica"])


def data() -> tuple[Array, Array, Array]:
    """Rows, classes of them, and numbers."""
    random = np.random.default_rng(0)
    x = random.standard_normal((150, 4)) * [1, 10, 0.1, 3] + [0, 5, 1, -2]
    x[:, 3] = np.floor(x[:, 3])
    score = x[:, 0] + 0.1 * x[:, 1] * (x[:, 3] > -2)
    return x, np.digitize(score, [0.0, 1.0]), score + 0.1 * random.standard_normal(150)


def holed(x: Array) -> Array:
    made = x.copy()
    made[::7, 1] = np.nan
    return made


def grid(x: Array) -> Array:
    """Two columns of few whole numbers."""
    return np.column_stack([np.abs(np.round(x[:, 0])) % 3, x[:, 1], np.abs(x[:, 3]) % 4, x[:, 2]])


def scaled(*steps: Any) -> Any:
    return pipeline.make_pipeline(preprocessing.StandardScaler(), *steps)


def encoded(*steps: Any) -> Any:
    parts = [("a", preprocessing.OneHotEncoder(), [0, 2])]
    parts += [("b", preprocessing.StandardScaler(), [1])]
    chosen = compose.ColumnTransformer(parts, remainder="passthrough")
    return pipeline.make_pipeline(chosen, *steps)


x, classes, numbers = data()
few = {"n_estimators": 7, "random_state": 0}
short: dict[str, Any] = {"max_iter": 7, "random_state": 0}

FITTED: Mapping[str, Callable[[], Any]] = {
    "logistic": lambda: scaled(linear_model.LogisticRegression()).fit(x, classes),
    "named": lambda: scaled(linear_model.LogisticRegression()).fit(x, NAMES[classes]),
    "floats": lambda: naive_bayes.GaussianNB().fit(x, classes + 1.0),
    "forest": lambda: ensemble.RandomForestClassifier(**few).fit(x, classes),
    "shallow": lambda: ensemble.ExtraTreesClassifier(max_depth=3, **few).fit(x, NAMES[classes]),
    "outputs": lambda: ensemble.RandomForestClassifier(**few).fit(
        x, np.column_stack([classes, classes % 2 + 5])
    ),
    "apart": lambda: multioutput.MultiOutputClassifier(naive_bayes.GaussianNB()).fit(
        x, np.column_stack([classes % 2, classes % 2])
    ),
    "missing": lambda: ensemble.RandomForestRegressor(**few).fit(holed(x), numbers),
    "targets": lambda: ensemble.ExtraTreesRegressor(**few).fit(x, np.column_stack([numbers, x])),
    "tree": lambda: tree.DecisionTreeClassifier(random_state=0).fit(x, classes),
    "stump": lambda: tree.DecisionTreeRegressor(max_leaf_nodes=2).fit(x, numbers),
    "boosted": lambda: ensemble.GradientBoostingClassifier(**few).fit(x, classes),
    "exponential": lambda: ensemble.GradientBoostingClassifier(loss="exponential", **few).fit(
        x, classes > 0
    ),
    "boosted_numbers": lambda: ensemble.GradientBoostingRegressor(**few).fit(x, numbers),
    "histograms": lambda: ensemble.HistGradientBoostingClassifier(**short).fit(holed(x), classes),
    "two": lambda: ensemble.HistGradientBoostingClassifier(**short).fit(x, classes > 0),
    "poisson": lambda: ensemble.HistGradientBoostingRegressor(loss="poisson", **short).fit(
        x, np.exp(numbers)
    ),
    "categories": lambda: ensemble.HistGradientBoostingRegressor(
        categorical_features=[0, 2], min_samples_leaf=5, **short
    ).fit(holed(grid(x)) + 2, numbers),
    "isolation": lambda: ensemble.IsolationForest(max_features=3, **few).fit(x),
    "adaboost": lambda: ensemble.AdaBoostClassifier(**few).fit(x, NAMES[classes]),
    "bagging": lambda: ensemble.BaggingRegressor(max_features=2, **few).fit(x, numbers),
    "voting": lambda: ensemble.VotingClassifier(
        [("a", naive_bayes.GaussianNB()), ("b", tree.DecisionTreeClassifier(max_depth=2))],
        voting="soft",
    ).fit(x, classes),
    "votes": lambda: ensemble.VotingClassifier(
        [("a", naive_bayes.GaussianNB()), ("b", tree.DecisionTreeClassifier(max_depth=2))]
    ).fit(x, classes),
    "encoded": lambda: encoded(linear_model.LogisticRegression()).fit(grid(x), classes),
    "indicators": lambda: pipeline.make_pipeline(
        impute.SimpleImputer(strategy="median", add_indicator=True), linear_model.Ridge()
    ).fit(holed(x), numbers),
    "power": lambda: pipeline.make_pipeline(
        preprocessing.PowerTransformer(), linear_model.Ridge()
    ).fit(x, numbers),
    "boxcox": lambda: preprocessing.PowerTransformer("box-cox", standardize=False).fit(
        np.abs(x) + 1
    ),
    "components": lambda: scaled(decomposition.PCA(2)).fit(x),
    "selected": lambda: feature_selection.SelectKBest(k=2).fit(x, classes),
    "vectors": lambda: scaled(svm.SVC()).fit(x, classes > 0),
    "pairs": lambda: scaled(svm.SVC()).fit(x, classes),
    "margin": lambda: scaled(svm.LinearSVC()).fit(x, classes > 0),
    "descent": lambda: scaled(linear_model.SGDClassifier(random_state=0)).fit(x, classes > 0),
    "calibrated": lambda: calibration.CalibratedClassifierCV(
        ensemble.GradientBoostingClassifier(**few), cv=2
    ).fit(x, NAMES[classes]),
    "calibrated_two": lambda: calibration.CalibratedClassifierCV(
        ensemble.HistGradientBoostingClassifier(**short), cv=2
    ).fit(x, classes > 0),
    "outliers": lambda: scaled(svm.OneClassSVM()).fit(x),
    "neighbours": lambda: neighbors.KNeighborsClassifier().fit(x, classes),
    "manhattan": lambda: neighbors.KNeighborsRegressor(metric="manhattan").fit(x, numbers),
    "clusters": lambda: cluster.KMeans(3, n_init=1, random_state=0).fit(x),
    "mixture": lambda: mixture.GaussianMixture(2, random_state=0).fit(x),
    "network": lambda: scaled(
        neural_network.MLPRegressor(hidden_layer_sizes=(8,), max_iter=30, random_state=0)
    ).fit(x, numbers),
}
