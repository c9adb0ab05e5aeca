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

SAMPLE = 25  # every how manieth case runs in the fast suite

# Why a case cannot pass -> the cases.
KNOWN = {
    "TVM's maximum of a row of -inf is the smallest float": """
        attention_23_boolmask_fullymasked_row_nan_robustness_expanded
        attention_23_fullymasked_qk_matmul_output_mode3_zero_expanded
        attention_24_fullymasked_qk_matmul_output_mode3_zero_expanded
        attention_24_qk_matmul_output_mode3_softmax_precision_expanded
    """,
    "the importer is for inference": """
        batchnorm_example_training_mode batchnorm_epsilon_training_mode training_dropout_default
        training_dropout_default_mask training_dropout training_dropout_mask
        training_dropout_zero_ratio training_dropout_zero_ratio_mask
    """,
    "TVM shifts as C does": """
        bitshift_right_int32_shift_ge_width bitshift_left_int32_shift_ge_width
        bitshift_right_int32_negative_shift bitshift_left_int32_negative_shift
    """,
    "infinities and signed zeros in a floored modulo": """
        mod_float_edge_cases_fmod_0_float16 mod_float_edge_cases_fmod_0_float32
        mod_float_edge_cases_fmod_0_float64
    """,
    "TVM cannot store a tensor without elements": """
        reduce_sum_empty_set_non_reduced_axis_zero reshape_allowzero_reordered
        slice_start_out_of_bounds tril_zero
    """,
    "ONNX Runtime rounds the length first, and so do we": """
        resize_downsample_scales_linear_align_corners resize_downsample_scales_cubic_align_corners
    """,
    "pooling gives no indices": """
        maxpool_with_argmax_2d_precomputed_pads maxpool_with_argmax_2d_precomputed_strides
    """,
    "three spatial dimensions": """
        convtranspose_3d
    """,
    "a diagonal": """
        einsum_batch_diagonal
    """,
    "the reset before the product": """
        gru_batchwise gru_bidirectional gru_defaults gru_reverse gru_seq_length
        gru_with_initial_bias
    """,
    "TVM sorts no uint64": """
        top_k_uint64
    """,
}


def in_scope(case: Any) -> bool:
    """All its nodes are in the table, and all its values are tensors of numbers."""
    values = [v for inputs_outputs in case.data_sets[0] for v in inputs_outputs]
    numbers = all(np.asarray(v).dtype.kind not in "OSU" for v in values if not listed(v))
    nodes = case.model.graph.node
    known = all(n.op_type in OPS.get(n.domain, {}) for n in nodes)
    return known and numbers and not any(map(listed, values))


def listed(value: object) -> bool:
    return value is None or isinstance(value, list | dict)


def cases() -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx computes the answers now, some beyond their dtype
        found = [c for c in collect_testcases(None) if in_scope(c)]
    failing = {f"test_{name}" for names in KNOWN.values() for name in names.split()}
    kept = [c for c in found if c.name not in failing]
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
