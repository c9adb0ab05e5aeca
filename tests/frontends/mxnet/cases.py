"""One operator each: what it reads and its attributes. numpy alone: MXNet has old versions of all.

The first input is the model's; the others are parameters. Numbers come from a stream that numpy
promises never to change.
"""

import json
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray


class Case(NamedTuple):
    op: str
    inputs: list[Array]
    attributes: dict[str, str]

    @property
    def arguments(self) -> dict[str, Array]:
        return {f"x{n}": x for n, x in enumerate(self.inputs)}

    def symbol(self) -> dict[str, Any]:
        """As MXNet 1.9 writes it, with every result that the operator shows."""
        numbers = {"float32": "0", "float64": "1", "int32": "4", "int64": "6"}
        nodes: list[dict[str, Any]] = [
            {"op": "null", "name": n, "attrs": {"__dtype__": numbers[str(x.dtype)]}, "inputs": []}
            for n, x in self.arguments.items()
        ]
        reads = [[n, 0, 0] for n in range(len(nodes))]
        nodes.append({"op": self.op, "name": "y", "attrs": self.attributes, "inputs": reads})
        return {
            "nodes": nodes,
            "arg_nodes": list(range(len(reads))),
            "heads": [[len(reads), n, 0] for n in range(self.results())],
            "attrs": {"mxnet_version": ["int", 10901]},
        }

    def results(self) -> int:
        given = self.attributes
        if self.op in ("SliceChannel", "amp_multicast"):
            return int(given["num_outputs"])
        if self.op == "_split_v2":
            return int(given.get("sections", "0")) or given["indices"].count(",") + 1
        if self.op == "RNN" and given.get("state_outputs") == "True":
            return 3 if given["mode"] == "lstm" else 2
        return 2 if self.op == "moments" or given.get("ret_typ") == "both" else 1

    def text(self) -> str:
        return json.dumps(self.symbol())


_stream = np.random.RandomState(7)


def n(*shape: int) -> Array:
    return np.asarray(_stream.standard_normal(shape), np.float32)


def positive(*shape: int) -> Array:
    made: Array = np.abs(n(*shape)) + np.float32(0.1)
    return made


def small(*shape: int) -> Array:
    made: Array = (n(*shape) * 0.2).clip(-0.9, 0.9)
    return made


def whole(*shape: int, most: int = 5) -> Array:
    return _stream.randint(0, most, shape).astype(np.float32)


def floats(*values: float) -> Array:
    return np.array(values, np.float32)


def rnn_parameters(gates: int, features: int, units: int, layers: int, sides: int) -> Array:
    count = 0
    for layer in range(layers):
        inputs = features if layer == 0 else units * sides
        count += sides * gates * units * (inputs + units + 2)
    return n(count) * np.float32(0.4)


CASES: dict[str, Case] = {}


def case(op: str, *inputs: Array, **attributes: object) -> None:
    texts = {k: str(v) for k, v in attributes.items()}
    told = ",".join(f"{k}={v}".replace(" ", "") for k, v in texts.items())
    shapes = "x".join(str(list(x.shape)).replace(" ", "") for x in inputs[:2])
    CASES[f"{op}({told}){shapes}"] = Case(op, list(inputs), texts)


for _op in "abs arctan arcsinh cbrt ceil cos cosh degrees erf exp expm1 fix floor negative".split():
    case(_op, n(3, 5))
for _op in "radians rint round sign sin sinh softsign square tanh trunc relu sigmoid tan".split():
    case(_op, n(3, 5) * 3)
for _op in "log log10 log1p log2 rsqrt sqrt reciprocal rcbrt".split():
    case(_op, positive(3, 5))
for _op in "arccos arcsin arctanh _contrib_div_sqrt_dim BlockGrad make_loss _copy".split():
    case(_op, small(3, 5))
case("arccosh", positive(3, 5) + 1)
case("logical_not", whole(3, 5, most=2))
case("zeros_like", n(2, 3))
case("ones_like", n(2, 3))
case("hard_sigmoid", n(3, 5), alpha=0.3, beta=0.4)
case("smooth_l1", n(3, 5), scalar=2)
case("clip", n(3, 5), a_min=-0.5, a_max=0.25)
case("Cast", whole(3, 5), dtype="int32")
case("add_n", n(2, 3), n(2, 3), n(2, 3), num_args=3)
case("where", whole(2, 3, most=2), n(2, 3), n(2, 3))
case("where", whole(2, most=2), n(2, 3), n(2, 3))
for _op in "add sub mul div maximum minimum hypot power mod".split():
    case(f"broadcast_{_op}", positive(2, 3, 4), positive(1, 3, 1))
for _op in "equal not_equal greater greater_equal lesser lesser_equal logical_xor".split():
    case(f"broadcast_{_op}", whole(4, 6, most=3), whole(4, 1, most=3))
for _op in "elemwise_add elemwise_sub elemwise_mul elemwise_div _maximum _minimum".split():
    case(_op, n(2, 3), positive(2, 3))
case("_Plus", n(2, 3), n(2, 3))
case("broadcast_mod", n(4, 5) * 3, n(4, 1))
for _op in "plus minus rminus mul div rdiv maximum minimum hypot mod rmod greater lesser".split():
    case(f"_{_op}_scalar", n(3, 4), scalar=0.7)
for _op in "equal not_equal greater_equal lesser_equal logical_and logical_or logical_xor".split():
    case(f"_{_op}_scalar", whole(3, 4, most=3), scalar=1)
case("_power_scalar", positive(3, 4), scalar=1.5)
case("_rpower_scalar", n(3, 4), scalar=2)
case("_PlusScalar", n(3, 4), scalar="2.5")

case("Convolution", n(2, 3, 7, 9), n(4, 3, 3, 3), n(4), kernel="(3,3)", num_filter=4)
case(
    "Convolution", n(1, 4, 8, 7), n(6, 2, 3, 2), kernel="(3L, 2L)", stride="(2,1)", pad="(1,0)",
    dilate="(1,2)", num_filter=6, num_group=2, no_bias=True, workspace=1024, cudnn_tune="off",
)  # fmt: skip
case("Convolution", n(2, 3, 9), n(4, 3, 3), n(4), kernel="(3,)", num_filter=4, layout="NCW")
case("Convolution", n(1, 2, 4, 5, 6), n(3, 2, 2, 3, 2), n(3), kernel="(2,3,2)", num_filter=3)
case("Deconvolution", n(1, 3, 4, 5), n(3, 2, 3, 3), kernel="(3,3)", stride="(2,2)", num_filter=2)
case(
    "Deconvolution", n(1, 4, 4, 5), n(4, 3, 4, 4), n(6), kernel="(4,4)", stride="(2,2)",
    pad="(1,1)", adj="(1,0)", num_filter=6, num_group=2, no_bias=False,
)  # fmt: skip
case("Deconvolution", n(1, 3, 6), n(3, 2, 3), kernel="(3,)", stride="(2,)", num_filter=2)
for _type in "max avg sum".split():
    for _convention in "valid full".split():
        case(
            "Pooling", n(1, 2, 8, 9), kernel="(3,3)", stride="(2,2)", pad="(1,0)",
            pool_type=_type, pooling_convention=_convention,
        )  # fmt: skip
    case("Pooling", n(2, 3, 5, 4), kernel="(2,2)", global_pool=True, pool_type=_type)
    case("Pooling", n(1, 2, 9), kernel="(3,)", stride="(2,)", pool_type=_type, pad="(1,)")
case("Pooling", n(1, 2, 5, 6, 4), kernel="(2,3,2)", stride="(2,1,2)", pool_type="max")
case("Pooling", n(1, 2, 5, 6, 4), kernel="(2,3,2)", stride="(2,1,2)", pool_type="avg")
case(
    "Pooling", n(1, 2, 8, 9), kernel="(3,3)", stride="(2,2)", pad="(1,1)", pool_type="avg",
    pooling_convention="full", count_include_pad=False,
)  # fmt: skip
case("Pooling", n(1, 2, 8, 8), kernel="(3,3)", stride="(3,3)", pool_type="lp", p_value=2)
case("_contrib_AdaptiveAvgPooling2D", n(1, 2, 7, 9), output_size="(3,4)")
case("_contrib_AdaptiveAvgPooling2D", n(1, 2, 7, 9), output_size="2")
case("_contrib_BilinearResize2D", n(1, 2, 5, 6), height=9, width=8)
case("UpSampling", n(1, 2, 3, 4), scale=2, sample_type="nearest", num_args=1)
case("UpSampling", n(1, 2, 3, 4), n(1, 3, 6, 8), scale=2, sample_type="nearest", num_args=2)
case(
    "UpSampling", n(1, 2, 3, 4), n(2, 1, 4, 4), scale=2, sample_type="bilinear", num_filter=2,
    num_args=2,
)  # fmt: skip
case("Crop", n(1, 2, 7, 8), n(1, 5, 3, 4), num_args=2, offset="(2,1)")
case("Crop", n(1, 2, 7, 8), num_args=1, h_w="(4,3)", center_crop=True)

case("BatchNorm", n(2, 3, 4, 5), n(3), n(3), n(3), positive(3))
case("BatchNorm", n(2, 3, 4, 5), n(3), n(3), n(3), positive(3), fix_gamma=False, eps="1e-05")
case("BatchNorm", n(2, 4, 3), n(3), n(3), n(3), positive(3), fix_gamma=False, axis=-1)
case("InstanceNorm", n(2, 3, 4, 5), n(3), n(3), eps=0.01)
case("LayerNorm", n(2, 3, 5), n(5), n(5))
case("LayerNorm", n(2, 3, 5), n(3), n(3), axis=1, eps=0.01)
case("GroupNorm", n(2, 4, 3, 5), n(2), n(2), num_groups=2)
case("LRN", positive(1, 7, 3, 3), nsize=5, alpha=0.1, beta=0.5, knorm=1)
for _mode in "instance channel spatial".split():
    case("L2Normalization", n(2, 3, 4, 5), mode=_mode)
    case("FullyConnected", n(2, 3, 4), n(5, 12), n(5), num_hidden=5)
case("FullyConnected", n(2, 3, 4), n(5, 4), num_hidden=5, flatten=False, no_bias=True)
case("Dropout", n(2, 3), p=0.5)
for _type in "relu sigmoid tanh softrelu softsign".split():
    case("Activation", n(3, 5), act_type=_type)
case("LeakyReLU", n(2, 3, 4), act_type="leaky", slope=0.1)
case("LeakyReLU", n(2, 3, 4, 4), n(3), act_type="prelu")
case("LeakyReLU", n(2, 3, 4, 4), n(1), act_type="prelu")
for _type in "elu selu gelu rrelu".split():
    case("LeakyReLU", n(2, 3, 4), act_type=_type)
case("softmax", n(2, 3, 4), axis=1, temperature=2.0)
case("softmax", n(2, 5), np.array([3, 5], np.int32), use_length=True)
case("log_softmax", n(2, 3, 4))
case("softmin", n(2, 3, 4), axis=1)
case("SoftmaxActivation", n(2, 3, 4, 4), mode="channel")
case("SoftmaxActivation", n(2, 3, 4))
case("SoftmaxOutput", n(2, 3), whole(2, most=3), grad_scale=1, use_ignore=False)
case("SoftmaxOutput", n(2, 3, 4), whole(2, 4, most=3), multi_output=True)
case("SoftmaxOutput", n(2, 3, 4), whole(2, 3, most=3), preserve_shape=True)
case("SoftmaxOutput", n(2, 3, 4), whole(2, 3, most=3))
case("LinearRegressionOutput", n(2, 3), n(2, 3))
case("LogisticRegressionOutput", n(2, 3), n(2, 3))
case("MAERegressionOutput", n(2, 3), n(2, 3))

for _shape, _reverse in [
    ("(0,-1)", False), ("(-1,0)", True), ("(-2,)", False), ("(0,-3,0)", False), ("(-3,-2)", False),
    ("(-4,1,2,-2)", False), ("(0,-4,-1,3,-2)", False), ("(-1,4,0)", True), ("(6,-1,5)", False),
    ("(-3,0,0)", True), ("(0,0,-1,2,-4,0)", True), ("(-2,1,1)", False), ("-1", False),
]:  # fmt: skip
    case("Reshape", n(2, 3, 4, 5), shape=_shape, reverse=_reverse)
case("Reshape", n(2, 3, 4), target_shape="(2,0)")
case("Flatten", n(2, 3, 4))
case("expand_dims", n(2, 3), axis=-1)
case("squeeze", n(2, 1, 3, 1), axis="(1,3)")
case("squeeze", n(2, 1, 3, 1))
case("transpose", n(2, 3, 4), axes="(1,2,0)")
case("transpose", n(2, 3, 4))
case("SwapAxis", n(2, 3, 4), dim1=0, dim2=2)
case("Concat", n(2, 3), n(2, 4), dim=1, num_args=2)
case("stack", n(2, 3), n(2, 3), axis=1, num_args=2)
case("SliceChannel", n(2, 6, 3), num_outputs=3)
case("SliceChannel", n(2, 3, 4), num_outputs=3, axis=1, squeeze_axis=True)
case("_split_v2", n(2, 7), indices="(0, 2, 5)", axis=1)
case("_split_v2", n(2, 6), indices="()", axis=1, sections=3)
case("slice", n(4, 5, 6), begin="(1, None, 4)", end="(3, None, 1)", step="(1, 2, -1)")
case("slice", n(4, 5), begin="(-3,)", end="(None,)")
case("slice_axis", n(4, 5), axis=1, begin=-4, end="None")
case("slice_like", n(4, 5), n(2, 3))
case("slice_like", n(4, 5), n(2, 3), axes="(1,)")
case("tile", n(2, 3), reps="(2, 1, 2)")
case("repeat", n(2, 3), repeats=2, axis=1)
case("repeat", n(2, 3), repeats=2)
case("reverse", n(2, 3, 4), axis="(0, 2)")
for _mode in "constant edge reflect".split():
    case("Pad", n(1, 2, 4, 5), mode=_mode, pad_width="(0,0,0,0,1,2,2,1)", constant_value=3)
case("broadcast_axis", n(2, 1, 3, 1), axis="(1, 3)", size="(4, 2)")
case("broadcast_to", n(2, 1, 3), shape="(0, 4, 0)")
case("broadcast_like", n(2, 1, 3), n(2, 4, 3))
case("reshape_like", n(2, 6), n(3, 4))
case("depth_to_space", n(1, 8, 2, 3), block_size=2)
case("space_to_depth", n(1, 2, 4, 6), block_size=2)
case("_contrib_arange_like", n(3, 4), start=1, step=0.5, axis=1)
case("shape_array", n(3, 4))

case("take", n(5, 3), whole(2, 4, most=7))
case("take", n(2, 5, 3), whole(4, most=9) - 3, axis=1, mode="wrap")
case("Embedding", whole(2, 3), n(5, 4), input_dim=5, output_dim=4)
case("pick", n(3, 4), whole(3, most=4))
case("pick", n(3, 4, 2), whole(3, 2, most=4), axis=1, keepdims=True)
case("batch_take", n(3, 4), np.array([1, 0, 3], np.int32))
case("gather_nd", n(3, 4, 2), np.array([[0, 2], [3, 1]], np.float32))
case("one_hot", whole(2, 3), depth=5, on_value=2, off_value=-1)
case("argmax", n(3, 4), axis=1)
case("argmin", n(3, 4, 2), axis=1, keepdims=True)
case("argmax", n(3, 4))
case("argmax_channel", n(3, 4))
case("topk", n(3, 6), k=2)
case("topk", n(3, 6), k=2, axis=0, ret_typ="both", is_ascend=True)
case("topk", n(3, 6), k=2, ret_typ="mask")
case("sort", n(3, 6), axis=0)
case("argsort", n(3, 6), is_ascend=False)
case("SequenceMask", n(4, 2, 3), floats(2, 4), use_sequence_length=True, value=-1)
case("SequenceMask", n(2, 4, 3), floats(2, 4), use_sequence_length=True, axis=1)
case("SequenceLast", n(4, 2, 3), floats(2, 4), use_sequence_length=True)
case("SequenceLast", n(4, 2, 3))
case("SequenceReverse", n(4, 2, 3), floats(2, 4), use_sequence_length=True)
case("SequenceReverse", n(4, 2, 3))

for _op in "sum mean max min prod".split():
    case(_op, n(2, 3, 4), axis="(0, 2)")
    case(_op, n(2, 3, 4), axis=1, keepdims=True)
case("sum", n(2, 3, 4), axis="(1,)", exclude=True)
case("mean", n(2, 3, 4))
case("nansum", np.where(n(3, 4) > 0, n(3, 4), np.float32("nan")), axis=1)
case("norm", n(2, 3, 4))
case("norm", n(2, 3, 4), ord=1, axis="(1, 2)", keepdims=True)
case("moments", n(2, 3, 4), axes="(0, 2)", keepdims=True)
case("cumsum", n(3, 4), axis=1)
case("dot", n(3, 4), n(4, 5))
case("dot", n(4, 3), n(5, 4), transpose_a=True, transpose_b=True)
case("dot", n(2, 3, 4), n(4, 5))
case("batch_dot", n(2, 3, 4), n(2, 5, 4), transpose_b=True)
case("batch_dot", n(2, 4, 3), n(2, 4, 5), transpose_a=True)
case("_linalg_gemm2", n(2, 3, 4), n(2, 5, 4), transpose_b=True, alpha=0.5)
case("_contrib_interleaved_matmul_selfatt_qk", n(5, 2, 18), heads=3)
case("_contrib_interleaved_matmul_selfatt_valatt", n(5, 2, 18), n(6, 5, 5), heads=3)
case("_contrib_interleaved_matmul_encdec_qk", n(5, 2, 6), n(4, 2, 12), heads=3)
case("_contrib_interleaved_matmul_encdec_valatt", n(4, 2, 12), n(6, 5, 4), heads=3)

for _mode, _gates in [("lstm", 4), ("gru", 3), ("rnn_relu", 1), ("rnn_tanh", 1)]:
    for _layers, _sides in [(1, 1), (2, 2)]:
        _states = [small(_layers * _sides, 2, 3) for _ in range(1 + (_mode == "lstm"))]
        case(
            "RNN", small(4, 2, 5), rnn_parameters(_gates, 5, 3, _layers, _sides), *_states,
            mode=_mode, state_size=3, num_layers=_layers, bidirectional=_sides == 2,
            state_outputs=_layers == 2, p=0.5,
        )  # fmt: skip
