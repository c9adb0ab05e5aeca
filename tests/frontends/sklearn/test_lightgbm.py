"""LightGBM's models as ONNX, run by TVM's own machine, against LightGBM's answers."""

import copyreg
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRanker, LGBMRegressor
from sklearn import calibration, pipeline, preprocessing

import frontends
from frontends import onnx as hub
from frontends.model import ModelError
from frontends.sklearn import convert, reading
from frontends.sklearn import lightgbm as ours
from tests.frontends.onnx.conftest import execute
from tests.frontends.sklearn.models import NAMES, data, grid, holed, scaled

Array = np.ndarray
x, classes, numbers = data()
few: dict[str, Any] = {"n_estimators": 7, "num_leaves": 6, "verbose": -1, "n_jobs": 1}
few |= {"min_child_samples": 5, "random_state": 0}
bagged = few | {"boosting_type": "rf", "subsample": 0.7, "subsample_freq": 1}


def shares() -> Array:
    """From 0 to 1."""
    made: Array = 1 / (1 + np.exp(-numbers))
    return made


def regressor(**settings: Any) -> Any:
    return LGBMRegressor(**few | settings)


def stopped() -> Any:
    """The best iteration is not the last."""
    made = regressor().fit(x, numbers)
    made.booster_.best_iteration = 3
    return made


def sparse() -> Array:
    """Half of the numbers are zero."""
    made: Array = np.where(np.random.default_rng(1).random(x.shape) < 0.5, 0.0, x)
    return made


FITTED: Mapping[str, Callable[[], Any]] = {
    "numbers": lambda: regressor().fit(x, numbers),
    "far": lambda: regressor().fit(x, numbers + 1e4),
    "missing": lambda: regressor().fit(holed(x), numbers),
    "zeros": lambda: regressor(zero_as_missing=True).fit(sparse(), numbers),
    "both": lambda: regressor(zero_as_missing=True).fit(holed(sparse()), numbers),
    "nothing_missing": lambda: regressor(use_missing=False).fit(holed(x), numbers),
    "categories": lambda: regressor(min_data_per_group=1, cat_smooth=0.1).fit(
        holed(grid(x)), numbers, categorical_feature=[0, 2]
    ),
    "many": lambda: regressor(min_data_per_group=1, cat_smooth=0.1, min_child_samples=2).fit(
        np.column_stack([np.arange(len(x)) % 75, x]), numbers, categorical_feature=[0]
    ),
    "square": lambda: regressor(reg_sqrt=True).fit(x, numbers),
    "poisson": lambda: regressor(objective="poisson").fit(x, np.exp(numbers)),
    "gamma": lambda: regressor(objective="gamma").fit(x, np.exp(numbers)),
    "tweedie": lambda: regressor(objective="tweedie").fit(x, np.exp(numbers)),
    "quantile": lambda: regressor(objective="quantile", alpha=0.9).fit(x, numbers),
    "mape": lambda: regressor(objective="mape").fit(x, numbers + 9),
    "share": lambda: regressor(objective="cross_entropy").fit(x, shares()),
    "lambda": lambda: regressor(objective="cross_entropy_lambda").fit(x, shares()),
    "bagged": lambda: LGBMRegressor(**bagged).fit(x, numbers),
    "dart": lambda: regressor(boosting_type="dart", drop_rate=0.5).fit(x, numbers),
    "stopped": stopped,
    "constant": lambda: regressor().fit(x, np.full(len(x), 3.0)),
    "two": lambda: LGBMClassifier(**few).fit(x, classes > 0),
    "slope": lambda: LGBMClassifier(sigmoid=0.3, **few).fit(x, classes > 0),
    "three": lambda: LGBMClassifier(**few).fit(x, NAMES[classes]),
    "against": lambda: LGBMClassifier(objective="multiclassova", sigmoid=2, **few).fit(x, classes),
    "bagged_classes": lambda: LGBMClassifier(**bagged).fit(x, classes),
    "scaled": lambda: scaled(LGBMClassifier(**few)).fit(x, classes),
    "encoded": lambda: pipeline.make_pipeline(preprocessing.OneHotEncoder(), regressor()).fit(
        grid(x)[:, [0, 2]], numbers
    ),
    "calibrated": lambda: calibration.CalibratedClassifierCV(LGBMClassifier(**few), cv=2).fit(
        x, NAMES[classes]
    ),
    "calibrated_two": lambda: calibration.CalibratedClassifierCV(LGBMClassifier(**few), cv=2).fit(
        x, classes > 0
    ),
    "ranks": lambda: LGBMRanker(**few).fit(x, classes, group=[50] * 3),
    "booster": lambda: lightgbm.train(
        {"objective": "multiclass", "num_class": 3, "verbose": -1}, lightgbm.Dataset(x, classes), 5
    ),
}


def saved(fitted: Any, folder: Path) -> Path:
    joblib.dump(fitted, folder / "model.joblib")
    return folder / "model.joblib"


@pytest.mark.parametrize("name", FITTED)
def test_it_gives_lightgbms_answers(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = convert.load(saved(FITTED[name](), tmp_path), {})
        said = convert.export(loaded, tmp_path, {})
        examples = np.load(tmp_path / "examples.npy")
        rows = edges(loaded, examples)
        wanted = convert.answer(loaded, [rows])
    assert said["features"] == examples.shape[1]
    model = hub.load(tmp_path / "model.onnx", {"input": rows.shape})
    assert [t.name for t in model.signature.outputs] == list(loaded.outputs)
    for want, got in zip(wanted, execute(model, {"input": rows}), strict=True):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6 * np.abs(want).max())


def edges(loaded: Any, examples: Array) -> Array:
    """Examples, and rows of what lies on either side of each bound, or is no number."""
    rows = [examples[:200]]
    if not hasattr(loaded.model, "_Booster"):
        return rows[0]
    for feature, found in enumerate(ours.points(loaded.model)):
        exact = found.astype(np.float32)
        special = np.array(
            [0, -0.0, 1e-35, -1e-35, 2e-35, -2e-35, np.nan, np.inf, -np.inf, -0.5], np.float32
        )
        near = [np.nextafter(exact, np.float32(side)) for side in (-np.inf, np.inf)]
        values = np.concatenate([exact, *near, special])
        made = examples[np.arange(len(values)) % 50].copy()
        made[:, feature] = values
        rows.append(made)
    return np.concatenate(rows)


def test_what_is_not_exact_is_refused(tmp_path: Path) -> None:
    early = LGBMClassifier(pred_early_stop=True, **few).fit(x, classes)
    with pytest.raises(convert.Refused, match="LGBMClassifier stops early"):
        convert.load(saved(early, tmp_path), {})
    linear = regressor(linear_tree=True).fit(x, numbers)
    with pytest.raises(convert.Refused, match="linear_tree"):
        convert.load(saved(linear, tmp_path), {})


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(reading.Refused, match=r"need lightgbm.*pip install 'neoc\[lightgbm\]'"):
        reading.found("lightgbm.sklearn", "LGBMRegressor")


@pytest.mark.parametrize("name", ["lightgbm.basic._LIB", "lightgbm.dask.DaskLGBMClassifier"])
def test_other_names_of_lightgbm_are_refused(name: str) -> None:
    module, _, last = name.rpartition(".")
    with pytest.raises(reading.Refused, match="classifier, regressor, ranker and Booster compile"):
        reading.found(module, last)


class Made:
    """A Booster by its constructor, which reads any file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return lightgbm.Booster, (None, None, "/etc/passwd")


class Bare:
    """A Booster with this state."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.state = state

    def __reduce__(self) -> tuple[Any, ...]:
        return copyreg._reconstructor, (lightgbm.Booster, object, None), self.state  # type: ignore[attr-defined]


def test_a_circle_does_not_hold_the_compiler_up(tmp_path: Path) -> None:
    text = regressor().fit(x, numbers).booster_.model_to_string()
    round_ = re.sub("left_child=[-0-9]+", "left_child=0", text)
    with pytest.raises(ModelError, match=r"^Framework cannot load .*nodes that do not make a tree"):
        frontends.load("SKLEARN", saved(Bare({"handle": round_}), tmp_path), None)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (Made(), "of something else than its text"),
        (Bare({"_handle": 7}), "without its text"),
        (Bare({"handle": "tree\nnum_class=1"}), "cannot be read"),
    ],
)
def test_a_hostile_booster_is_refused(made: Any, text: str, tmp_path: Path) -> None:
    with pytest.raises(convert.Refused, match=text):
        convert.load(saved(made, tmp_path), {})
