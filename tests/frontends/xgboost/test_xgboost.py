"""The XGBOOST front end: signature, shapes, and what a compiled forest says."""

from pathlib import Path

import numpy as np
import pytest
from tvm import relax
from tvm.ir import GenericConst

from compiler import assemble, codegen, pipeline, plan
from compiler.abi import Session
from frontends.forest import Forest
from frontends.model import DataInputConfig, ModelError, Tensor
from frontends.xgboost import load
from tests.compiler.kernels import forests
from tests.compiler.kernels.harness import NARROW
from tests.frontends.xgboost.files import case

NAME = "3.2_cat.model"


def written(folder: Path, name: str = NAME) -> Path:
    path = folder / "xgboost-model"
    path.write_bytes(case(name).data)
    return path


def compiled(folder: Path, name: str) -> Path:
    model = load(written(folder, name), None)
    lowered = pipeline.schedule(pipeline.lower(model.module, NARROW), NARROW)
    objects = codegen.compile_kernels(lowered.kernels, NARROW, folder)
    program = plan.make(lowered, folder)
    return assemble.link(objects, program, model.signature, NARROW, folder / "artifact")


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        (NAME, 0.0),  # the sum is the answer
        ("3.2_multi-softmax_gblinear.pkl", 1e-6),
        ("3.2_multi-softprob_gbtree.json", 1e-6),
    ],
)
def test_any_number_of_rows_has_what_xgboost_says(
    tmp_path: Path, name: str, tolerance: float
) -> None:
    _, x, y = case(name)
    many = np.resize(x, (2300, x.shape[1]))
    with Session(compiled(tmp_path, name)) as session:
        whole = session.run({"data": many})["output"]
        for rows in (1, 2, len(x), 33, 130, 1000):
            got = session.run({"data": many[:rows]})["output"]
            assert got.tobytes() == whole[:rows].tobytes()
    first = np.asarray(whole[: len(x)], np.float32).reshape(y.shape)
    np.testing.assert_allclose(first, y, rtol=tolerance, atol=tolerance * abs(y).max())


@pytest.mark.parametrize(
    "name",
    [
        "1.7.6_one_output_per_tree.model",
        "1.7.6_rank-ndcg_gbtree.json",
        "3.2_best_iteration.ubj",
        "3.2_multi_output_tree.model",
    ],
)
def test_sums_are_equal_to_the_bit(tmp_path: Path, name: str) -> None:
    """They begin with the base score, which no row has to ask a tree for."""
    _, x, y = case(name)
    main = load(written(tmp_path, name), None).module["main"]
    found: list[relax.Expr] = []
    relax.analysis.post_order_visit(main, found.append)
    [words] = [e.value.numpy() for e in found if isinstance(e, GenericConst)]
    made = Forest.unpacked(words)
    assert made.depths.all() and made.base.all()
    assert forests.walked(made, x).tobytes() == y.tobytes()


@pytest.mark.parametrize("config", [None, {"data": (5, 6)}, [(-1, -1)]])
def test_rows_are_free(tmp_path: Path, config: DataInputConfig | None) -> None:
    model = load(written(tmp_path), config)
    assert model.signature.inputs == (Tensor("data", (-1, 6), "float32"),)
    assert model.signature.outputs == (Tensor("output", (-1, 1), "float32"),)
    assert model.derived == (None if config else '{"data": [-1, 6]}')
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
