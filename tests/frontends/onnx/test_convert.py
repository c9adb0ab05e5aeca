"""The walk: every problem at once, bodies of composite ops, clean modules."""

from collections.abc import Callable

import numpy as np
import pytest
from tvm import relax
from tvm.ir import GenericConst

from frontends.layers import layer_of
from frontends.model import Model, ModelError
from frontends.onnx import ops
from tests.frontends.onnx.conftest import execute

Load = Callable[..., Model]

CANNOT = "TVM cannot convert ONNX model. Please make sure the framework you selected is correct. "


def test_all_unsupported_nodes_are_reported_at_once(load: Load) -> None:
    with pytest.raises(ModelError) as caught:
        load(
            "g (float[2,3] x) => (float[] y) {"
            " a = Imagine(x) c = Relu(a) d = StringNormalizer(c) y = my.Own(d) }"
        )
    text = str(caught.value)
    assert text.startswith(CANNOT)
    assert "not implemented: {'Imagine', 'my::Own'}" in text
    assert "node 'a' (Imagine, opset 17)" in text
    assert "node 'd' (StringNormalizer, opset 17): it computes with text" in text
    assert "ONNX Version running: " in text and "Model Version found: ir 8, opset 17." in text


def test_wrong_nodes_are_reported_together(load: Load) -> None:
    with pytest.raises(ModelError) as caught:
        load(
            "g (float[2,3] x) => (float[] y) {"
            " a = Transpose<perm=[0,2]>(x) b = Relu<alpha=1.0>(x) y = Add(a, b) }"
        )
    assert "node 'a' (Transpose, opset 17): attribute perm is [0, 2]" in str(caught.value)
    assert "node 'b' (Relu, opset 17): got an unexpected keyword argument 'alpha'" in str(
        caught.value
    )


def test_what_tvm_refuses_names_the_node(load: Load) -> None:
    with pytest.raises(ModelError, match=r"node 'y' \(Add, opset 17\): "):
        load("g (float[2,3] x, float[4] z) => (float[] y) { y = Add(x, z) }")


def test_composite_ops_come_in_through_their_body(agrees: Load) -> None:
    agrees("g (float[2,3,4,5] x) => (float[] y) { y = MeanVarianceNormalization(x) }")
    agrees("g (float[7] x) => (float[] y) { y = Shrink<lambd=0.3, bias=0.1>(x) }")


def test_a_graph_inside_a_composite_op_reads_what_stands_around_it(load: Load) -> None:
    """The standard's own evaluator cannot."""
    model = load(
        """g (float[1,2,4,8] q, float[1,2,4,8] k, float[1,2,4,8] v, float[4,4] bias)
        => (float[1,2,4,8] y) {
            more = Neg(bias)
            y = ai.onnx.preview.FlexAttention <score_mod = mod (float[1,2,4,4] s)
            => (float[1,2,4,4] t) { t = Add(s, more) }> (q, k, v)
        }""",
        '26, "ai.onnx.preview": 1',
    )
    rng = np.random.default_rng(0)
    q, k, v = rng.standard_normal((3, 1, 2, 4, 8)).astype(np.float32)
    bias = rng.standard_normal((4, 4)).astype(np.float32)
    powers = np.exp(q @ k.swapaxes(2, 3) / np.sqrt(8) - bias)
    wanted = powers / powers.sum(-1, keepdims=True) @ v
    [got] = execute(model, {"q": q, "k": k, "v": v, "bias": bias})
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_an_unsupported_op_inside_a_body_is_reported_as_the_outer_one(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(ops.OPS[""], "Less")
    with pytest.raises(ModelError, match=r"not implemented: \{'Shrink'\}"):
        load("g (float[2] x) => (float[] y) { y = Shrink(x) }")


def test_names_follow_the_model(load: Load) -> None:
    model = load(
        'g (float[2] x) => (float[2] y) { ["the/act.1"] z = Neg(x) ["the/act.1"] a = Abs(z) '
        '["the/act.1@1"] y = Shrink<lambd=0.3, bias=0.1>(a) }'
    )
    bindings = model.module["main"].body.blocks[0].bindings
    first, second, *parts, _ = [binding.var.name for binding in bindings]
    assert first != second and layer_of(first) == layer_of(second) == "the/act.1"
    assert len(parts) > 1 and {layer_of(part) for part in parts} == {"the/act.1@1"}


def test_an_input_or_a_constant_may_be_an_output(agrees: Load) -> None:
    model = agrees(
        "g (float[2] x) => (float[2] y, int64[1] s, float[2] z)"
        " { y = Identity(x) s = Shape(x) z = Neg(x) }"
    )
    assert [t.dtype for t in model.signature.outputs] == ["float32", "int64", "float32"]


@pytest.mark.parametrize("kind", ["float16", "double"])
def test_the_dtype_of_the_model_is_kept(agrees: Load, kind: str) -> None:
    one = np.ones(3, {"double": "float64"}.get(kind, kind))
    agrees(
        f"g ({kind}[2,3] x) => ({kind}[2,3] y)"
        " { a = Mul(x, one) b = HardSigmoid(a) y = Softmax(b) }",
        tolerance=1e-2,
        one=one,
    )


def test_a_tensor_beyond_32_bit_indices_is_refused(load: Load) -> None:
    with pytest.raises(ModelError, match="has more than 2147483647 elements"):
        load("g (float[1] x) => (float[] y) { y = Expand(x, w) }", w=[2**31])


def test_a_branch_that_reads_an_undefined_name_is_refused(load: Load) -> None:
    with pytest.raises(
        ModelError, match=r"node 'p' \(Neg, opset 17\) reads 'nobody', which nothing makes"
    ):
        load(
            """g (float[2] x) => (float[2] y) {
                y = If(c) <
                    then_branch = a () => (float[2] p) { p = Neg(nobody) },
                    else_branch = b () => (float[2] q) { q = Exp(x) }
                >
            }""",
            c=np.array(True),
        )


def test_weights_that_two_nodes_share_are_one_constant(load: Load) -> None:
    model = load("g (float[3] x) => (float[3] y) { a = Mul(x, w) y = Add(a, w) }", w=(3,))
    first, second, _ = model.module["main"].body.blocks[0].bindings
    assert first.value.args[1].same_as(second.value.args[1])


def kinds(model: Model) -> set[str]:
    """Types of the constants that are larger than a number."""
    found: set[str] = set()

    def look(expr: relax.Expr) -> None:
        if isinstance(expr, GenericConst) and expr.value.numpy().size > 1:
            found.add(str(expr.value.numpy().dtype))

    for binding in model.module["main"].body.blocks[0].bindings:
        relax.analysis.post_order_visit(binding.value, look)
    return found


def test_dequantised_constants_keep_their_integers(agrees: Load) -> None:
    """In another shape or order, too; an operator that asks for numbers gets numbers."""
    given = {"w": np.arange(-6, 6, dtype=np.int8).reshape(3, 4), "s": np.float32(0.5)}
    take = "w1 = DequantizeLinear(w, s)"
    product = f"{{ {take} y = Gemm<transB=1>(x, w1) }}"
    assert kinds(agrees(f"g (float[2,4] x) => (float[] y) {product}", **given)) == {"int8"}
    recurrent = {name: np.ones((1, 4, 3), np.int8) for name in ("w", "r")} | {"s": np.float32(0.5)}
    recurrent["r"] = np.ones((1, 4, 1), np.int8)
    body = f"{{ {take} r1 = DequantizeLinear(r, s) y, z, c = LSTM<hidden_size=1>(x, w1, r1) }}"
    agrees(f"g (float[2,1,3] x) => (float[] y) {body}", **recurrent)
