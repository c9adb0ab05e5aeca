"""compiler/steps.py: a right program of a quantised network passes, whatever it rounds
otherwise; of a wrong one the first step that is wrong is named.
"""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, NodeProto, helper, numpy_helper

import targets
from compiler import assemble, codegen, pipeline, plan, steps, verify
from compiler.errors import ServerError
from compiler.lowered import Lowered
from frontends import onnx as importer
from frontends.model import Model

Array = np.ndarray
SEEDS = 20
SHAPE = (1, 3, 9, 9)


def network(folder: Path) -> Path:
    """Two convolutions, a residual and a product, each between bytes, as quantisers write it."""
    random = np.random.default_rng(0)
    nodes: list[NodeProto] = []
    constants: dict[str, Array] = {}

    def node(operator: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [f"t{len(nodes)}"], **attributes))
        return str(nodes[-1].output[0])

    def constant(value: Array) -> str:
        constants[f"c{len(constants)}"] = value
        return f"c{len(constants) - 1}"

    def bytes_(x: str, step: float, zero: int) -> str:
        how = constant(np.asarray(step, "float32")), constant(np.asarray(zero, "uint8"))
        return node("DequantizeLinear", node("QuantizeLinear", x, *how), *how)

    def weight(*dims: int) -> str:
        whole = constant(random.integers(-127, 128, dims).astype("int8"))
        step = constant(random.uniform(0.002, 0.004, dims[0]).astype("float32"))
        return node("DequantizeLinear", whole, step, constant(np.zeros(dims[0], "int8")), axis=0)

    def convolution(x: str, inputs: int, step: float) -> str:
        y = node("Conv", x, weight(16, inputs, 3, 3), pads=[1, 1, 1, 1])
        return bytes_(node("Relu", y), step, 3)

    first = convolution(bytes_("x", 0.02, 120), 3, 0.008)
    second = convolution(first, 16, 0.008)
    added = bytes_(node("Add", first, second), 0.01, 5)
    pooled = bytes_(node("GlobalAveragePool", added), 0.009, 4)
    node("Gemm", node("Flatten", pooled), weight(10, 16), transB=1)
    nodes[-1].output[0] = "y"
    float_ = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", float_, SHAPE)],
        [helper.make_tensor_value_info("y", float_, (1, 10))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "net.onnx"
    onnx.save(made, path)
    return path


# ---- bugs ----


def change(model: ModelProto, node: NodeProto, n: int, by: Callable[[Array], Array]) -> None:
    """A node's constant operand becomes another, for this node alone."""
    [stored] = [t for t in model.graph.initializer if t.name == node.input[n]]
    value = numpy_helper.to_array(stored)
    changed = np.asarray(by(value.copy()), value.dtype)
    model.graph.initializer.append(numpy_helper.from_array(changed, "changed"))
    node.input[n] = "changed"


def of(model: ModelProto, operator: str, number: int) -> NodeProto:
    found: NodeProto = [node for node in model.graph.node if node.op_type == operator][number]
    return found


def read(model: ModelProto, node: NodeProto) -> NodeProto:
    """The DequantizeLinear behind a QuantizeLinear."""
    found: NodeProto = next(one for one in model.graph.node if node.output[0] in one.input)
    return found


def zero_point(model: ModelProto, number: int) -> None:
    change(model, read(model, of(model, "QuantizeLinear", number)), 2, lambda v: v + 1)


def scale(model: ModelProto, number: int) -> None:
    change(model, read(model, of(model, "QuantizeLinear", number)), 1, lambda v: v * 1.01)


def channel(model: ModelProto, number: int) -> None:
    def by(weight: Array) -> Array:
        weight[4] = np.minimum(weight[4], 126) + 1
        return weight

    wanted = [n for n in model.graph.node if n.op_type == "DequantizeLinear" and n.attribute]
    change(model, wanted[number % len(wanted)], 0, by)


def instead(model: ModelProto, node: NodeProto, rounding: str, *, clipped: bool) -> None:
    """Multiples of the scale by another rounding, before a QuantizeLinear or past it."""
    place = list(model.graph.node).index(node)
    ratio = helper.make_node("Div", node.input[:2], ["ratio"])
    whole = helper.make_node(rounding, ["ratio"], ["whole"])
    value = helper.make_node("Mul", ["whole", node.input[1]], ["value"])
    for made in (value, whole, ratio):
        model.graph.node.insert(place, made)
    if clipped:
        of_bytes = model.graph.node[place + 3]
        of_bytes.input[0] = "value"
    else:
        past = read(model, node).output[0]
        for user in model.graph.node:
            user.input[:] = ["value" if name == past else name for name in user.input]


def truncated(model: ModelProto, number: int) -> None:
    instead(model, of(model, "QuantizeLinear", number), "Floor", clipped=True)


def unclipped(model: ModelProto, number: int) -> None:
    instead(model, of(model, "QuantizeLinear", number), "Round", clipped=False)


BUGS = (zero_point, scale, channel, truncated, unclipped)


# ---- a program that is right but for a bug, without compiling one ----


def opened(model: ModelProto) -> onnxruntime.InferenceSession:
    named = ModelProto()
    named.CopyFrom(model)
    found = steps._names(steps.steps(named.graph))
    named.graph.output.extend(map(helper.make_empty_tensor_value_info, found))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(named.SerializeToString(), options)


def run(session: onnxruntime.InferenceSession, x: Array) -> dict[str, Array]:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"x": x}), strict=True))


def sample(seed: int) -> Array:
    large = 16 if seed % 4 == 3 else 1
    return (large * np.random.default_rng(seed).standard_normal(SHAPE)).astype("float32")


def judge(true: ModelProto, program: ModelProto, seeds: int) -> int:
    session, flipped = opened(program), 0
    framework = steps._Framework(true, run(session, sample(0)))
    for seed in range(seeds):
        x = sample(seed)
        values = run(session, x)
        told = framework({"x": x}, values)
        flipped += steps._judge(framework.steps, values, told)
        verify.report("", ["y"], [(values, told)])
    return flipped


def test_a_right_program_passes(tmp_path: Path) -> None:
    path = network(tmp_path)
    assert judge(onnx.load(path), onnx.load(path), SEEDS) == 0


def test_a_right_program_may_round_what_is_halfway_otherwise(tmp_path: Path) -> None:
    """All scales a few units in the last place off, as sums of another order are."""
    path = network(tmp_path)
    moved = onnx.load(path)
    for stored in moved.graph.initializer:
        if stored.data_type == onnx.TensorProto.FLOAT:
            value = numpy_helper.to_array(stored)
            exact = value * (1 + 3e-6 * np.random.default_rng(1).uniform(-1, 1, value.shape))
            stored.CopyFrom(numpy_helper.from_array(exact.astype("float32"), stored.name))
    assert judge(onnx.load(path), moved, SEEDS) > 0


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("bug", BUGS)
def test_a_wrong_program_does_not(
    bug: Callable[[ModelProto, int], None], number: int, tmp_path: Path
) -> None:
    path = network(tmp_path)
    wrong = onnx.load(path)
    bug(wrong, number)
    with pytest.raises(verify.Differs):
        judge(onnx.load(path), wrong, 4)


# ---- compiled ----


def compiled(model: Model, folder: Path) -> tuple[Path, Lowered]:
    profile = targets.get("host")
    lowered = pipeline.schedule(pipeline.lower(model.module, profile), profile)
    objects = codegen.compile_kernels(lowered.kernels, profile, folder)
    program = plan.make(lowered, folder)
    return assemble.link(objects, program, model.signature, profile, folder / "artifact"), lowered


@pytest.fixture
def differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers are too far apart, as those of a larger network are."""

    def check(*_: object) -> None:
        raise verify.Differs("end to end")

    monkeypatch.setattr(verify, "check", check)


def stepwise(model: Model, folder: Path) -> dict[str, Any]:
    artifact, lowered = compiled(model, folder)
    answers: Future[verify.Answers] = verify.ask(model)
    answers.result()  # no thread is left to the next test, which forks
    return steps.check(artifact, model, lowered, targets.get("host"), answers, folder)


@pytest.mark.usefixtures("differs")
def test_an_artifact_is_judged_by_its_steps(tmp_path: Path) -> None:
    model = importer.load(network(tmp_path), None)
    told = stepwise(model, tmp_path)
    assert told["relative"] < 1e-5 and told["runs"] == verify.RUNS + 1
    assert told["steps"]["tensors"] == 5 and told["steps"]["rounded_otherwise"] < 10


@pytest.mark.usefixtures("differs")
def test_a_compiler_with_a_bug_is_told_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = importer.load

    def wrong(path: Path, config: Any) -> Model:
        spoiled = onnx.load(path)
        channel(spoiled, 1)
        onnx.save(spoiled, tmp_path / "wrong.onnx")
        return load(tmp_path / "wrong.onnx", config)

    right = network(tmp_path)
    model = wrong(right, None)
    monkeypatch.setattr(importer, "load", wrong)
    one = Model(model.module, model.signature, right, None, "opset 17")
    with pytest.raises(verify.Differs, match=r"values of the quantised tensor 't\d+' are not what"):
        stepwise(one, tmp_path)


@pytest.mark.usefixtures("differs")
def test_steps_that_onnx_runtime_does_not_load_are_told() -> None:
    """Zero points of 16 bits came with opset 21."""
    proto = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 18]> g (float[4] x) => (float[4] y)
        <float s = {0.5}, int16 z = {3}>
        { q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z) }"""
    )
    with pytest.raises(ServerError, match=r"does not load them: .*int16"):
        steps._Framework(proto, {"q": np.zeros(4, np.int16)})


def test_an_artifact_that_is_not_made_of_its_steps_fails(tmp_path: Path) -> None:
    path = network(tmp_path)
    wrong = onnx.load(path)
    zero_point(wrong, 1)
    onnx.save(wrong, tmp_path / "wrong.onnx")
    other = importer.load(tmp_path / "wrong.onnx", None)
    model = Model(other.module, other.signature, path, None, "opset 17")
    with pytest.raises(ServerError, match="runs the artifact's answers are not those of its own"):
        stepwise(model, tmp_path)


@pytest.mark.usefixtures("differs")
def test_what_does_not_quantise_keeps_its_bound(tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["": 17]>
    net (float[2] x) => (float[2] y) { y = Erf(x) }"""
    path = tmp_path / "net.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    with pytest.raises(verify.Differs, match="end to end"):
        stepwise(importer.load(path, None), tmp_path)


# ---- a form made from another framework's file ----


def tensors(proto: ModelProto, x: Array) -> dict[str, Array]:
    """All quantised tensors of a model, as ONNX Runtime computes them."""
    names = [name for node in steps.steps(proto.graph) for name in node.output]
    proto.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    return dict(zip(names, session.run(names, {"x": x}), strict=True))


@pytest.mark.parametrize("bug", [None, *BUGS])
def test_the_form_is_held_to_the_frameworks_own_tensors(
    tmp_path: Path, bug: Callable[[ModelProto, int], None] | None
) -> None:
    path = network(tmp_path)
    x = np.random.default_rng(1).standard_normal(SHAPE).astype("float32")
    other = onnx.load(path)
    if bug:
        bug(other, 1)
    theirs = tensors(other, x)
    ours = tensors(onnx.load(path), x)
    last = {n: v.transpose(0, 2, 3, 1) if v.ndim == 4 else v for n, v in theirs.items()}
    model = importer.load(path, None)
    framework = steps._Framework(onnx.load(path), ours)
    if bug is None:
        said = steps._conversion(model, framework, [{"x": x}], [last], [ours])
        assert said == {"values": sum(v.size for v in ours.values()), "rounded_otherwise": 0}
    else:
        with pytest.raises(verify.Differs, match="quantised tensor"):
            steps._conversion(model, framework, [{"x": x}], [last], [ours])


@pytest.mark.parametrize(("x", "right"), [(126.497, True), (126.47, False)])
def test_a_framework_may_round_what_is_near_a_half_otherwise(
    tmp_path: Path, x: float, right: bool
) -> None:
    """All values, for they are one channel's, which is at its upper end."""
    text = """<ir_version: 8, opset_import: ["" : 17]> g (float[20] x) => (float[20] y)
    <float s = {1.0}, int8 z = {0}>
    { q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z) }"""
    path = tmp_path / "net.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    given = {"x": np.full(20, x, "float32")}
    theirs = {"q": np.full(20, 127, "int8")}
    framework = steps._Framework(onnx.load(path), theirs)
    asked = importer.load(path, None), framework, [given], [theirs], [theirs]
    if right:
        assert steps._conversion(*asked) == {"values": 20, "rounded_otherwise": 20}
    else:
        with pytest.raises(verify.Differs, match="20 of 20 values"):
            steps._conversion(*asked)


def test_a_tensor_that_the_framework_lacks(tmp_path: Path) -> None:
    path = network(tmp_path)
    x = np.zeros(SHAPE, "float32")
    ours = tensors(onnx.load(path), x)
    framework = steps._Framework(onnx.load(path), ours)
    with pytest.raises(ServerError, match="has no tensor"):
        steps._conversion(importer.load(path, None), framework, [{"x": x}], [{}], [ours])
