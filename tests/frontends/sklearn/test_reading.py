"""Files of joblib, honest and hostile: what they name is called only if it is on the list."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeRegressor

from frontends.sklearn import reading

X = np.random.default_rng(0).standard_normal((30, 3))


class Calls:
    """Its pickle calls a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize("compress", [0, "zlib", ("gzip", 3), ("xz", 3), ("bz2", 3)])
def test_a_model_is_read(tmp_path: Path, compress: Any) -> None:
    fitted = DecisionTreeRegressor().fit(X, X[:, 0])
    joblib.dump(fitted, tmp_path / "model.joblib", compress=compress)
    read = reading.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(read.predict(X), fitted.predict(X))


def in_an_array(made: Any) -> Any:
    """joblib writes the objects of an array as a pickle of their own."""
    array = np.empty(1, object)
    array[0] = made
    return array


@pytest.mark.parametrize("wrap", [lambda made: made, in_an_array, lambda made: {"a": [made]}])
@pytest.mark.parametrize("name", ["os.mkdir", "builtins.eval", "numpy.load", "joblib.load"])
def test_what_it_would_call_is_not_called(
    tmp_path: Path, wrap: Callable[[Any], Any], name: str
) -> None:
    made = tmp_path / "made"
    functions: dict[str, Any] = {
        "os.mkdir": Calls(os.mkdir, str(made)),
        "builtins.eval": Calls(eval, f"__import__('os').mkdir({str(made)!r})"),
        "numpy.load": Calls(np.load, str(made)),
        "joblib.load": Calls(joblib.load, str(made)),
    }
    joblib.dump(wrap(functions[name]), tmp_path / "model.joblib")
    with pytest.raises(reading.Refused, match="which is no part of an estimator"):
        reading.load(tmp_path / "model.joblib")
    assert not made.exists()


def named(module: str, name: str) -> bytes:
    """A pickle that names something, by the opcode that takes names with dots."""
    return pickle.PROTO + b"\4" + b"".join(
        pickle.SHORT_BINUNICODE + bytes([len(text)]) + text.encode() for text in (module, name)
    ) + pickle.STACK_GLOBAL + pickle.STOP  # fmt: skip


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("sklearn.base", "os.system"),
        ("sklearn.utils._bunch", "Bunch.__class__"),
        ("sklearn.utils", "os"),
        ("sklearn.base", "clone"),
        ("sklearn.datasets", "fetch_openml"),
        ("sklearn.utils._testing", "TempMemmap"),
        ("sklearn.tests.test_base", "MyEstimator"),
        ("sklearnother", "BaseEstimator"),
        ("joblib.numpy_pickle_compat", "NDArrayWrapper"),
        ("joblib", "Memory"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, module: str, name: str) -> None:
    (tmp_path / "model.joblib").write_bytes(named(module, name))
    with pytest.raises(reading.Refused, match="which is no part of an estimator"):
        reading.load(tmp_path / "model.joblib")


def test_what_is_no_estimator_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump({"model": Ridge()}, path)
    with pytest.raises(reading.Refused, match=r"holds builtins\.dict, no estimator"):
        reading.load(path)
    path.write_bytes(pickle.PROTO + b"\4" + pickle.PERSID + b"outside\n" + pickle.STOP)
    with pytest.raises(reading.Refused, match="what is kept outside of it"):
        reading.load(path)


def test_functions_of_the_client_are_refused(tmp_path: Path) -> None:
    joblib.dump(FunctionTransformer(named), tmp_path / "model.joblib")
    with pytest.raises(reading.Refused, match=r"named, which is no part .*of your own"):
        reading.load(tmp_path / "model.joblib")


def test_the_way_out_for_other_packages() -> None:
    with pytest.raises(reading.Refused, match="with the framework XGBOOST"):
        reading.found("xgboost.sklearn", "XGBRegressor")


def test_a_damaged_file_is_an_error_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(Ridge().fit(X, X[:, 0]), path)
    whole = path.read_bytes()
    for data in (b"", b"no pickle", whole[:-40], whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(Exception):  # noqa: B017  # whatever the unpickler says
            reading.load(path)
