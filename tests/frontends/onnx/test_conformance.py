"""ONNX's own node cases for every op of the table: a sample always, all of them when slow."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

from frontends import onnx as importer
from frontends.model import Model, ModelError
from frontends.onnx.ops import OPS

SAMPLE = 14  # every how manieth case runs in the fast suite

# Part of a case's name -> why it cannot pass.
KNOWN = {
    "string": "strings are no numbers",
    "_bf16": "TVM rounds bfloat16 after every step",
    "fullymasked": "TVM's maximum of a row of -inf is the smallest float",
    "nan_robustness": "TVM's maximum of a row of -inf is the smallest float",
    "structural_empty": "TVM's maximum of a row of -inf is the smallest float",
    "softmax_precision": "TVM's maximum of a row of -inf is the smallest float",
    "gqa_rank4_mask": "TVM's maximum of a row of -inf is the smallest float",
    "training": "the importer is for inference",
    "int32_shift_ge_width": "TVM shifts as C does",
    "int32_negative_shift": "TVM shifts as C does",
    "mod_float_edge_cases": "infinities and signed zeros in a float modulo",
    "scales_linear_align_corners": "ONNX Runtime rounds the length first, and so do we",
    "scales_cubic_align_corners": "ONNX Runtime rounds the length first, and so do we",
    "top_k_uint64": "TVM sorts no uint64",
    "with_argmax": "pooling gives no indices",
    "_zero": "TVM cannot store a tensor without elements",
    "out_of_bounds": "TVM cannot store a tensor without elements",
    "allowzero_reordered": "TVM cannot store a tensor without elements",
    "convtranspose_3d": "three spatial dimensions",
    "if_": "the branch depends on an input",
}


def in_scope(case: Any) -> bool:
    """All its nodes are in the table, and it is all tensors."""
    tensors = all(isinstance(v, np.ndarray | np.generic) for ds in case.data_sets for v in ds[0])
    tensors = tensors and all(
        isinstance(v, np.ndarray | np.generic) for ds in case.data_sets for v in ds[1]
    )
    nodes = case.model.graph.node
    return tensors and all(n.op_type in OPS.get(n.domain, {}) for n in nodes)


def cases() -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx computes the answers now, some beyond their dtype
        found = [c for c in collect_testcases(None) if in_scope(c)]
    kept = [c for c in found if not any(part in c.name for part in KNOWN)]
    return [
        pytest.param(c, id=c.name, marks=[] if i % SAMPLE == 0 else [pytest.mark.slow])
        for i, c in enumerate(kept)
    ]


def loaded(path: Path, proto: onnx.ModelProto, values: dict[str, np.ndarray]) -> Model:
    """As the case has it; if an input must be known at import, with all but the first known."""

    def load(constants: dict[str, np.ndarray]) -> Model:
        copy = onnx.ModelProto()
        copy.CopyFrom(proto)
        copy.graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in constants.items())
        path.write_bytes(copy.SerializeToString())
        return importer.load(path, {n: v.shape for n, v in values.items() if n not in constants})

    try:
        return load({})
    except ModelError:
        names = list(values)
        if len(names) == 1 or 0 in values[names[0]].shape:
            return load(values)
        return load({n: values[n] for n in names[1:]})


@pytest.mark.parametrize("case", cases())
def test_node(case: Any, tmp_path: Path, execute: Callable[..., list[np.ndarray]]) -> None:
    inputs, wanted = case.data_sets[0]
    names = [i.name for i in case.model.graph.input]
    values = {n: np.asarray(v) for n, v in zip(names, inputs, strict=True)}
    model = loaded(tmp_path / "model.onnx", case.model, values)
    for got, want in zip(execute(model, values), wanted, strict=True):
        assert got.shape == np.shape(want)
        assert got.dtype == np.asarray(want).dtype
        tolerance = 1e-2 if got.dtype.itemsize == 2 else 1e-3
        np.testing.assert_allclose(
            got.astype(np.float64), np.float64(want), rtol=tolerance, atol=tolerance
        )
