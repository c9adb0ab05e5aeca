"""What is known at import is a number afterwards."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model, ModelError

Load = Callable[..., Model]


def ops(model: Model) -> list[str]:
    bindings = model.module["main"].body.blocks[0].bindings[:-1]
    return [b.value.op.name.removeprefix("relax.") for b in bindings]


def test_shape_arithmetic_leaves_one_reshape(load: Load) -> None:
    model = load(
        """g (float[2,3,4,5] x) => (float[2,60] y) {
            shape = Shape(x) batch = Gather(shape, zero) lead = Unsqueeze(batch, axes)
            whole = Concat<axis=0>(lead, rest) y = Reshape(x, whole)
        }""",
        zero=0, axes=[0], rest=[-1],
    )  # fmt: skip
    assert ops(model) == ["reshape"]
    assert model.signature.outputs[0].shape == (2, 60)


def test_ranges_and_casts_of_sizes_are_constants(load: Load) -> None:
    model = load(
        """g (float[2,7] x) => (float[2,7] y) {
            size = Shape<start=1>(x) n = Squeeze(size) places = Range(zero, n, one)
            f = Cast<to=1>(places) y = Add(x, f)
        }""",
        zero=0, one=1,
    )  # fmt: skip
    assert ops(model) == ["add"]


def test_a_known_condition_inlines_its_branch(load: Load) -> None:
    model = load(
        """g (float[2,1] x) => (float[2] y) {
            d = Shape<start=1>(x) is = Equal(d, one) c = Squeeze(is)
            y = If(c) <
                then_branch = a () => (float[2] p) { p = Squeeze(x, one) },
                else_branch = b () => (float[2,1] q) { q = Exp(x) }
            >
        }""",
        one=[1],
    )
    assert ops(model) == ["reshape"]


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceSumSquare", "ReduceProd", "CumSum"])
def test_what_is_computed_now_has_the_type_of_the_operator(load: Load, op: str) -> None:
    axes = "c, axis" if op == "CumSum" else "c"
    model = load(
        f"g (int32[2] x) => (int32[n] z) {{ y = {op}({axes}) z = Add(x, y) }}",
        c=np.array([[3, 70000], [5, 7]], np.int32)[0], axis=0,
    )  # fmt: skip
    assert ops(model) == ["add"]
    assert model.signature.outputs[0].dtype == "int32"


BOMBS = [
    "y0 = ConstantOfShape(huge)",
    "y0 = Expand(one, huge)",
    "y0 = Tile(row, huge)",
    "y0 = Range(zero, much, one_)",
]


@pytest.mark.parametrize("node", BOMBS)
def test_a_constant_has_a_largest_size(load: Load, node: str) -> None:
    with pytest.raises(ModelError, match="bytes is more than the 1073741824 allowed"):
        load(
            f"g (float[2] x) => (float[2] y) {{ {node} s = Shape(y0) y = Add(x, s) }}",
            huge=[10**6, 10**6],
            one=np.float32(1),
            row=np.ones((1, 1), np.float32),
            zero=0,
            much=10**12,
            one_=1,
        )


def test_weights_made_by_nodes_are_constants(load: Load) -> None:
    model = load(
        "g (float[1,2,5,5] x) => (float[] y) { w = ConstantOfShape(d) y = Conv(x, w) }",
        d=[3, 2, 3, 3],
    )
    assert ops(model) == ["nn.conv2d"]


@pytest.mark.parametrize("opset", [11, 13, 17])
def test_a_normalisation_of_constants_is_for_inference(agrees: Load, opset: int) -> None:
    agrees(
        "g (float[1] x) => (float[] y) { n = BatchNormalization(w, s, b, m, v) y = Add(n, x) }",
        opset,
        w=(7, 3),
        s=(3,),
        b=(3,),
        m=(3,),
        v=np.full(3, 0.5, np.float32),
    )


def test_a_maximum_of_a_constant_volume_keeps_its_rank(agrees: Load) -> None:
    agrees(
        "g (float[1] x) => (float[] y) { m = GlobalMaxPool(w) y = Add(m, x) }", w=(2, 3, 4, 3, 2)
    )


def test_a_slice_of_constants_is_cut_as_the_standard_has_it(agrees: Load) -> None:
    agrees(
        "g (float[1] x) => (float[] y) { p = Slice(w, a, a, c, d) y = Add(p, x) }",
        w=(2, 3),
        a=[-3],
        c=[0],
        d=[-1],
    )


def test_standardised_weights_are_constants(load: Load) -> None:
    model = load(
        """g (float[1,2,5,5] x) => (float[] y) {
            mean = ReduceMean<axes=[1, 2, 3]>(w) flat = Sub(w, mean)
            size = ReduceL2<axes=[1, 2, 3]>(flat) even = Div(flat, size) y = Conv(x, even)
        }""",
        w=(3, 2, 3, 3),
    )
    assert ops(model) == ["nn.conv2d"]


AS_KERNELS_DO = [
    ("Unsqueeze<axes=[2, 0]>(w)", 11, {"w": (2, 3)}),
    ("Squeeze<axes=[2, 1, 0]>(w)", 11, {"w": (1, 1, 1, 5, 1)}),
    ("Softmax<axis=1>(w)", 11, {"w": (2, 3, 2)}),
    ("LogSoftmax(w)", 17, {"w": np.array([[0, 200]], np.float32)}),
    ("LpNormalization<p=1>(w)", 17, {"w": np.array([[1, -2, 3]], np.float32)}),
    (
        "RoiAlign<output_height=1, output_width=1, sampling_ratio=1>(w, r, n)",
        10,
        {"w": (1, 1, 4, 4), "r": np.array([[0, 0, 3, 3]], np.float32), "n": [0]},
    ),
    ("LpPool<kernel_shape=[3], strides=[2], ceil_mode=1>(w)", 18, {"w": (1, 1, 4)}),
]


@pytest.mark.parametrize(("node", "opset", "known"), AS_KERNELS_DO, ids=lambda v: str(v)[:12])
def test_constants_are_computed_as_at_run_time(
    agrees: Load, node: str, opset: int, known: dict[str, object]
) -> None:
    """The standard's evaluator is wrong here."""
    agrees(f"g (float[1] x) => (float[] y) {{ c = {node} y = Add(c, x) }}", opset, **known)


def test_what_is_quantised_now_saturates(agrees: Load) -> None:
    agrees(
        "g (uint8[1] x) => (uint8[] y) { q = QuantizeLinear(w, s, z) y = Max(q, x) }",
        w=np.array([-1e10, 3, 1e10], np.float32),
        s=np.float32(1),
        z=np.uint8(0),
    )


def test_a_shape_from_behind_the_end_is_empty(load: Load) -> None:
    nodes = "s = Shape<end=-3>(x) r = ReduceSum(x) y = Reshape(r, s)"
    model = load(f"g (float[2,3] x) => (float[] y) {{ {nodes} }}")
    assert model.signature.outputs[0].shape == ()


@pytest.mark.parametrize("node", ["Tile(w)", "Range(w)", "QuantizeLinear(w)", "OneHot(w)"])
def test_an_input_that_is_missing_is_told(load: Load, node: str) -> None:
    with pytest.raises(ModelError, match="missing a required argument"):
        load(f"g (float[2] x) => (float[2] y) {{ c = {node} y = Add(c, x) }}", w=(2,))


MADE = [
    ("float[1,1,2,2] x", "y = Resize(x, , , w)", [1, 1, 10**6, 10**9]),
    ("float[2] x", 'y = Pad<mode="edge">(x, w)', [0, 10**9]),
    ("int64[2] x", "y = OneHot(x, w, v)", 10**9),
]


@pytest.mark.parametrize(("x", "node", "size"), MADE)
def test_indices_and_matrices_have_a_largest_size(
    load: Load, x: str, node: str, size: object
) -> None:
    with pytest.raises(ModelError, match="bytes is more than the 1073741824 allowed"):
        load(f"g ({x}) => (float[] y) {{ {node} }}", w=size, v=np.array([0, 1], np.float32))
