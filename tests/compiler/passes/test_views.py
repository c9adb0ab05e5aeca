"""compiler/passes/views.py: which elements a chain of calls selects, by its strides."""

import numpy as np
from numpy.lib.stride_tricks import as_strided
from tvm import relax

from compiler.passes.rewriter import Rewriter
from compiler.passes.views import undoes, view_of
from tests.compiler.kernels.harness import Emit, main_of

R = relax.op


def rewritten(emit: Emit, x: np.ndarray) -> tuple[Rewriter, relax.Var]:
    rewriter = Rewriter(main_of(emit, [x]))
    rewriter.run()
    return rewriter, list(rewriter.producer)[-1]


def test_splitting_moving_and_slicing_are_strides_and_a_factor() -> None:
    def emit(a: relax.Var) -> relax.Expr:
        part = R.strided_slice(a, [1], [6], [12])
        half = R.multiply(part, relax.const(np.float32(0.5)))
        return R.permute_dims(R.reshape(half, (5, 2, 3)), [1, 2, 0])

    x = np.arange(60, dtype=np.float32).reshape(5, 12)
    rewriter, last = rewritten(emit, x)
    view = view_of(last, rewriter.producer)
    assert view.root.name == "x0" and view.factor == 0.5
    got = as_strided(x.ravel()[view.start :], (2, 3, 5), [4 * s for s in view.strides])
    np.testing.assert_array_equal(got, x[:, 6:].reshape(5, 2, 3).transpose(1, 2, 0))
    assert view_of(last, rewriter.producer, factors=False).root.name != "x0"


def test_a_reshape_of_what_was_moved_needs_a_copy() -> None:
    def emit(a: relax.Var) -> relax.Expr:
        return R.reshape(R.permute_dims(a, [1, 0]), (60,))

    rewriter, last = rewritten(emit, np.zeros((5, 12), np.float32))
    assert view_of(last, rewriter.producer).strides == (1,)


def test_a_permutation_undoes_its_inverse_alone() -> None:
    def emit(a: relax.Var) -> relax.Expr:
        return R.permute_dims(R.permute_dims(R.permute_dims(a, [1, 2, 0]), [2, 0, 1]), [2, 0, 1])

    rewriter, _ = rewritten(emit, np.zeros((2, 3, 4), np.float32))
    first, second, third = rewriter.producer.values()
    assert undoes(second, first) and not undoes(third, second) and not undoes(first, None)
