"""The XGBOOST front end: signature, shapes, and what a compiled forest says."""

from pathlib import Path

import numpy as np
import pytest

import frontends
from compiler import codegen, pipeline
from frontends.model import DataInputConfig, ModelError, Tensor
from frontends.xgboost import load
from tests.compiler.kernels.harness import NARROW, Machine
from tests.frontends.xgboost.files import case

NAME = "3.2_cat.model"


def written(folder: Path, name: str = NAME) -> Path:
    path = folder / "xgboost-model"
    path.write_bytes(case(name).data)
    return path


@pytest.mark.parametrize("name", [NAME, "3.2_multi-softmax_gblinear.pkl"])
def test_what_is_compiled_says_what_xgboost_says(tmp_path: Path, name: str) -> None:
    _, x, y = case(name)
    model = load(written(tmp_path, name), {"data": (len(x), -1)})
    lowered = pipeline.schedule(pipeline.lower(model.module, NARROW), NARROW)
    (got,) = Machine(lowered, codegen.build(lowered.kernels, NARROW))([x])
    np.testing.assert_allclose(got[:, 0], y, rtol=1e-6, atol=1e-6 * abs(y).max())


def test_one_row_where_nothing_is_said(tmp_path: Path) -> None:
    model = frontends.load("XGBOOST", written(tmp_path), None)
    assert model.signature.inputs == (Tensor("data", (1, 6), "float32"),)
    assert model.signature.outputs == (Tensor("output", (1, 1), "float32"),)
    assert model.derived == '{"data": [1, 6]}'
    assert model.framework_version == "3.2.0"
    assert model.oracle.is_file()


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"input": (1, 6)}, "one input"),
        ([(1, 6), (1, 6)], "one input"),
        ([(6,)], "two dimensions"),
        ({"data": (1, 7)}, "the model has 6 features, but data is given with 7"),
    ],
)
def test_shapes_that_do_not_fit(tmp_path: Path, config: DataInputConfig, text: str) -> None:
    with pytest.raises(ModelError, match=text):
        load(written(tmp_path), config)
