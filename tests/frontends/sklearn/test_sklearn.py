"""The SKLEARN front end: its texts, and models compiled through the confined process."""

import os
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

import frontends
import targets
from compiler import abi, assemble, codegen, pipeline, plan, verify
from frontends import apart, sklearn
from frontends.model import DataInputConfig, Known, ModelError
from tests.frontends.sklearn.models import FITTED


def test_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_is_there", lambda name: name == "joblib")
    with pytest.raises(ModelError, match=r"need sklearn and skl2onnx.*: .*'neoc\[sklearn\]'"):
        sklearn.load(tmp_path / "model.joblib", None)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"input": (4,)}, "InputShape for Sklearn model must have two dimensions, but got 1.$"),
        ([(1, 4, 1)], "must have two dimensions, but got 3.$"),
        ({"input": Known([1.0])}, "must have two dimensions, but got 1.$"),
        ({"input": (1, -1)}, "static value for the second dimension, equal to the number of input"),
        ({"data": (1, 4)}, r'one input, "input", not \[.data.\]'),
        ([(1, 4), (1, 4)], 'one input, "input"'),
    ],
)
def test_shapes_that_do_not_fit(config: DataInputConfig, text: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"^InputConfiguration: .*{text}"):
        sklearn.load(tmp_path / "model.joblib", config)


def saved(fitted: Any, folder: Path) -> Path:
    joblib.dump(fitted, folder / "model.joblib")
    return folder / "model.joblib"


class Hostile:
    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.made),)


def test_a_hostile_file_is_refused_by_name(tmp_path: Path) -> None:
    path = saved(Hostile(tmp_path / "made"), tmp_path)
    with pytest.raises(ModelError, match=r"^Framework cannot load Scikit-Learn .*posix\.mkdir"):
        frontends.load("SKLEARN", path, None)
    assert not (tmp_path / "made").exists()


def test_a_bomb_of_numbers_is_refused(tmp_path: Path) -> None:
    few, many = 1 << 20, 1 << 42
    path = tmp_path / "model.joblib"
    joblib.dump(np.zeros(few), path, compress=3, protocol=2)
    plain = zlib.decompress(path.read_bytes())
    told, false = b"J" + few.to_bytes(4, "little"), b"\x8a\x06" + many.to_bytes(6, "little")
    whole = plain.replace(told, false)
    assert whole != plain
    path.write_bytes(zlib.compress(whole))
    with pytest.raises(ModelError, match=r"^Framework cannot load Scikit-Learn .*MemoryError"):
        frontends.load("SKLEARN", path, None)


def test_columns_that_the_model_does_not_have(tmp_path: Path) -> None:
    path = saved(FITTED["stump"](), tmp_path)
    with pytest.raises(ModelError, match="has 4 features, but input is given with 5"):
        frontends.load("SKLEARN", path, '{"input": [1, 5]}')


@pytest.mark.slow
@pytest.mark.parametrize(("name", "config"), [("forest", None), ("encoded", '{"input": [9, 4]}')])
def test_it_gives_scikit_learns_answers(tmp_path: Path, name: str, config: str | None) -> None:
    fitted = FITTED[name]()
    model = frontends.load("SKLEARN", saved(fitted, tmp_path), config)
    assert model.derived == (None if config else '{"input": [-1, 4]}')
    profile = targets.get("host")
    lowered = pipeline.schedule(pipeline.lower(model.module, profile), profile)
    objects = codegen.compile_kernels(lowered.kernels, profile, tmp_path)
    program = plan.make(lowered, tmp_path)
    folder = assemble.link(objects, program, model.signature, profile, tmp_path / "artifact")
    rows = model.examples["input"][:9]
    [got] = abi.run_apart(folder, [{"input": rows}])
    np.testing.assert_array_equal(got["label"], fitted.predict(rows.astype(np.float64)))
    probabilities = got["probabilities"].astype(np.float64)
    np.testing.assert_allclose(probabilities, fitted.predict_proba(rows), atol=1e-5)
    parity = verify.check(folder, model.signature, verify.ask(model))
    assert parity["oracle"].startswith("scikit-learn ") and not parity["unmoved"]
