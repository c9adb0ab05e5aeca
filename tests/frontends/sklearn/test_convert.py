"""Estimators as ONNX, run by TVM's own machine, against scikit-learn's answers."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from frontends import onnx as hub
from frontends.sklearn import convert
from tests.frontends.onnx.conftest import execute
from tests.frontends.sklearn.models import FITTED

Array = np.ndarray
ROWS = 40


def exported(fitted: Any, folder: Path) -> tuple[Any, dict[str, Any], Array]:
    """What the process does; its model, what it says, and examples."""
    path = folder / "model.joblib"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in the process
        joblib.dump(fitted, path)
        loaded = convert.load(path, {})
        said = convert.export(loaded, folder, {})
    return loaded, said, np.load(folder / "examples.npy")


@pytest.mark.parametrize("name", FITTED)
def test_it_gives_scikit_learns_answers(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = FITTED[name]()
    loaded, said, examples = exported(fitted, tmp_path)
    assert said["features"] == fitted.n_features_in_ == examples.shape[1]
    rows = examples[-ROWS:]
    wanted = dict(zip(loaded.outputs, convert.answer(loaded, [rows]), strict=True))
    model = hub.load(tmp_path / "model.onnx", {"input": rows.shape})
    assert [t.name for t in model.signature.outputs] == list(wanted)
    for (output, want), got in zip(wanted.items(), execute(model, {"input": rows}), strict=True):
        assert (got.shape, got.dtype) == (want.shape, want.dtype), output
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4 * np.abs(want).max())


def test_classes_of_any_kind_are_numbers(tmp_path: Path) -> None:
    for name, words in {
        "named": "0 is 'setosa', 1 is 'versicolor', 2 is 'virginica'.",
        "exponential": "0 is 'False', 1 is 'True'.",
    }.items():
        fitted = FITTED[name]()
        expected = np.searchsorted(fitted.classes_, fitted.predict(np.zeros((1, 4))))
        loaded, said, _ = exported(fitted, tmp_path)
        assert said["warnings"] == [
            f"Output 'label' holds numbers for the model's classes: {words}"
        ]
        label, *_ = convert.answer(loaded, [np.zeros((1, 4), np.float32)])
        assert label == expected


def test_an_unknown_category_gives_zeros(tmp_path: Path) -> None:
    _, said, _ = exported(FITTED["encoded"](), tmp_path)
    assert "OneHotEncoder: a category that the model does not know" in said["warnings"][0]


def test_examples_lie_where_the_model_knows_its_features(tmp_path: Path) -> None:
    _, _, examples = exported(FITTED["categories"](), tmp_path)
    known = examples[~np.isnan(examples[:, 0]), 0]
    assert set(np.unique(known)) <= {2.0, 3.0, 4.0} and np.isnan(examples).any()
    _, _, examples = exported(FITTED["forest"](), tmp_path)
    middle = np.nanmedian(examples, axis=0)
    assert 2 < middle[1] < 8 and abs(middle[2] - 1) < 0.2


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda k: k.pipeline.make_pipeline(k.decomposition.FastICA(2), k.dummy.DummyRegressor()),
         "operators are not implemented: {'DummyRegressor', 'FastICA'}"),
        (lambda k: k.neighbors.KNeighborsClassifier(weights="distance"), "weights='uniform'"),
        (lambda k: k.ensemble.GradientBoostingRegressor(init=k.linear_model.Ridge()), "init"),
    ],
)  # fmt: skip
def test_what_does_not_compile_is_named(
    make: Callable[[Any], Any], text: str, tmp_path: Path
) -> None:
    import sklearn
    import sklearn.dummy

    x = np.random.default_rng(0).standard_normal((20, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = make(sklearn).fit(x, (x[:, 0] > 0).astype(int))
    with pytest.raises(convert.Refused, match=text):
        exported(fitted, tmp_path)


def test_what_is_not_fitted_is_refused(tmp_path: Path) -> None:
    from sklearn.linear_model import Ridge

    with pytest.raises(convert.Refused, match="Ridge is not fitted"):
        exported(Ridge(), tmp_path)


def test_the_version_that_saved_it_is_told(tmp_path: Path) -> None:
    fitted = FITTED["stump"]()
    state: Mapping[str, Any] = fitted.__getstate__()
    path = tmp_path / "model.joblib"
    joblib.dump(fitted, path)
    here, older = state["_sklearn_version"], "0.0.1"
    path.write_bytes(path.read_bytes().replace(here.encode(), older.encode()))
    loaded = convert.load(path, {})
    assert any("saved by scikit-learn 0.0.1" in text for text in loaded.warnings)
