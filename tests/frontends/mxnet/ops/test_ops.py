"""Every operator through ONNX Runtime, against MXNet 1.9.1 itself."""

import numpy as np
import pytest

from frontends.mxnet.ops import OPS
from tests.frontends.mxnet.cases import CASES, Case, n
from tests.frontends.mxnet.conftest import ARRAYS, answers

WANTED = np.load(ARRAYS)


@pytest.mark.parametrize("name", CASES)
def test_it_says_what_mxnet_says(name: str) -> None:
    got = answers(CASES[name])
    for place, y in enumerate(got):
        want = WANTED[f"{name}/{place}"]
        assert (y.shape, y.dtype) == (want.shape, want.dtype)
        scale = max(1e-3, float(np.abs(want).max(initial=0)))
        np.testing.assert_allclose(y, want, rtol=0, atol=2e-6 * scale)
    assert f"{name}/{len(got)}" not in WANTED.files


def test_cases_are_of_known_operators() -> None:
    assert {case.op for case in CASES.values()} <= set(OPS)


@pytest.mark.parametrize(
    ("target", "pad", "adj"), [("(8, 10)", "(1, 1)", "(0, 0)"), ("(7, 12)", "(2, 0)", "(1, 0)")]
)
def test_a_target_shape_decides_pads(target: str, pad: str, adj: str) -> None:
    """MXNet's own CPU kernels refuse it; the rule is its documentation's."""
    operands = [n(1, 3, 4, 5), n(3, 2, 4, 4)]
    given = {"kernel": "(4,4)", "stride": "(2,2)", "num_filter": "2"}
    (wanted,) = answers(Case("Deconvolution", operands, given | {"pad": pad, "adj": adj}))
    (got,) = answers(Case("Deconvolution", operands, given | {"target_shape": target}))
    np.testing.assert_array_equal(got, wanted)
