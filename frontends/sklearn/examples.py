"""Rows like those that an estimator knows; for a script of confined.py.

Random numbers tell little of a model that asks whether a year is above 1990. What an estimator
has learnt says where its features lie: numbers are drawn from between those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from frontends.nodes import Array
from frontends.sklearn import lightgbm
from frontends.sklearn.trees import categories

COUNT = 2048
JITTER = 0.01
ABSENT = 0.1  # of the numbers, where some may be missing
Points = Sequence[Array]  # of each feature


def rows(loaded: Any, features: int) -> Array:
    """[COUNT, features] that the model's own framework accepts; raises what it says of the last."""
    random = np.random.default_rng(0)
    drawn = random.standard_normal((COUNT, features))
    for feature, (points, between) in _known(loaded.model, np.arange(features)).items():
        points = points[np.isfinite(points)]
        if len(points):
            first, second = random.choice(points, (2, COUNT))
            # Beside what was seen: two neighbours are seldom as near as those of the training.
            near = JITTER * points.std() * random.standard_normal(COUNT)
            between_both = first + random.random(COUNT) * (second - first) + near
            drawn[:, feature] = between_both if between else first
    absent = np.where(random.random(drawn.shape) < ABSENT, np.nan, drawn)
    for made in (absent, drawn, np.abs(drawn), np.floor(np.abs(drawn))):
        made = made.astype(np.float32)
        try:
            for answer in loaded.outputs.values():
                answer(made.astype(np.float64))
            return made
        except (ValueError, IndexError) as error:  # missing or negative numbers, say
            failure = error
    raise failure


def _known(part: Any, columns: Array) -> dict[int, tuple[Array, bool]]:
    """Of the features `columns`, which `part` is given, what it knows of some."""
    found: dict[int, tuple[Array, bool]] = {}
    for inner, mine in _inside(part, columns):
        found = {**_known(inner, mine), **found}
    for name, points in KNOWN.items():
        if hasattr(part, name) and not isinstance(getattr(part, name), property):
            made = points(part)
            if len(made) == len(columns):
                between = "categories_" not in name
                own = {int(c): (np.ravel(p), between) for c, p in zip(columns, made, strict=True)}
                return {**own, **found}
    return found


def _inside(part: Any, columns: Array) -> Iterator[tuple[Any, Array]]:
    """The estimators that are given the same features, or some of them."""
    if hasattr(part, "transformers_") and hasattr(part, "_transformer_to_input_indices"):
        for name, inner, _ in part.transformers_:
            mine = part._transformer_to_input_indices[name]
            yield inner, columns[np.asarray(mine, np.int64)]
    elif hasattr(part, "steps"):
        yield from ((inner, columns) for _, inner in part.steps[:1])
    elif hasattr(part, "transformer_list"):
        yield from ((inner, columns) for _, inner in part.transformer_list)
    elif getattr(part, "_preprocessor", None) is not None:
        yield part._preprocessor, columns
    elif hasattr(part, "best_estimator_"):
        yield part.best_estimator_, columns
    elif hasattr(part, "estimators_"):
        yield from ((inner, columns) for inner in np.ravel(np.asarray(part.estimators_, object)))


def _thresholds(part: Any) -> Points:
    tree = part.tree_
    asked = [tree.threshold[tree.feature == f] for f in range(tree.n_features)]
    return [_wider(points) for points in asked]


def _of_histograms(part: Any) -> Points:
    """Categorical features are the first of the trees'."""
    columns, _ = categories(part)
    thresholds = part._bin_mapper.bin_thresholds_
    return [_wider(np.asarray(thresholds[n], np.float64)) for n in np.argsort(columns)]


def _wider(points: Array) -> Array:
    """With a number below and one above them."""
    if not len(points):
        return points
    low, high = points.min(), points.max()
    edge = 0.1 * (high - low) + 1e-3 * (abs(low) + abs(high))
    return np.concatenate([points, [low - edge, high + edge]])


def _around(middle: Any, spread: Any) -> Points:
    """middle, spread: [features], or [several, features]."""
    middle, spread = np.atleast_2d(middle), np.atleast_2d(spread)
    return list(np.concatenate([middle - 2 * spread, middle, middle + 2 * spread]).T)


def _rows(points: Any) -> Points:
    points = points.toarray() if hasattr(points, "toarray") else np.asarray(points)
    return list(points.T)


# By what estimators keep of what they have learnt, the surest first.
KNOWN: Mapping[str, Callable[[Any], Points]] = {
    "categories_": lambda part: part.categories_,
    "n_categories_": lambda part: [np.arange(n) for n in part.n_categories_],
    "tree_": _thresholds,
    "_bin_mapper": _of_histograms,
    "_Booster": lambda part: [_wider(p[np.isfinite(p)]) for p in lightgbm.points(part)],
    "data_min_": lambda part: _rows([part.data_min_, part.data_max_]),
    "max_abs_": lambda part: _rows([-part.max_abs_, part.max_abs_]),
    "center_": lambda part: _around(part.center_, part.scale_),
    "var_": lambda part: _around(
        getattr(part, "mean_", getattr(part, "theta_", 0.0)), part.var_**0.5
    ),
    "quantiles_": lambda part: _rows(part.quantiles_),
    "bin_edges_": lambda part: part.bin_edges_,
    "statistics_": lambda part: _around(part.statistics_, np.abs(part.statistics_)),
    "_fit_X": lambda part: _rows(part._fit_X),
    "support_vectors_": lambda part: _rows(part.support_vectors_),
    "cluster_centers_": lambda part: _rows(part.cluster_centers_),
    "means_": lambda part: _rows(part.means_),
    "X_train_": lambda part: _rows(part.X_train_),
    "mean_": lambda part: _around(part.mean_, 1.0),
}
