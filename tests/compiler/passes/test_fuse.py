"""compiler/passes/fuse.py: which calls become one kernel."""

from pathlib import Path

import numpy as np
import pytest

import targets
from compiler import pipeline
from compiler.passes.fuse import fuse
from compiler.passes.lower_operators import lower_operators
from tests.compiler import nets

W = np.ones((16, 16), np.float32)


def groups(body: str, folder: Path, result: str = "float[4, 16] y") -> list[list[str]]:
    """The operators of each kernel, in the order in which main calls them; views are bare."""
    constants = {"w": W} if "w)" in body else {}
    text = nets.text(f"(float[4, 16] x, float[4, 16] z) => ({result})", body, constants)
    module = fuse(lower_operators(nets.load(text, folder).module))
    functions = {str(var.name_hint): module[var] for var in module.get_global_vars()}
    return [
        [name.removeprefix("relax.") for name in nets.operators(functions[called])]
        if called in functions
        else [called]
        for called in nets.operators(module["main"])
    ]


@pytest.mark.parametrize(
    ("body", "kernels"),
    [
        # Element-wise calls follow each other, whatever they read besides.
        ("a = Add(x, z) b = Relu(a) y = Mul(b, x)", [["add", "nn.relu", "multiply"]]),
        # ... and follow an anchor,
        ("a = MatMul(x, w) b = Add(a, z) y = Relu(b)", [["matmul", "add", "nn.relu"]]),
        # ... but only one anchor: a kernel is one loop nest around one.
        ("a = MatMul(x, w) y = MatMul(a, w)", [["matmul"], ["matmul"]]),
        # An anchor's operands are stored: it reads each of them many times.
        ("a = Relu(x) y = MatMul(a, w)", [["nn.relu"], ["matmul"]]),
        # Softmax reads each element about once.
        ("a = Add(x, z) y = Softmax(a)", [["add", "nn.softmax"]]),
        # What two kernels read is stored; what one kernel reads twice is not,
        ("a = Relu(x) b = MatMul(a, w) y = Add(a, b)", [["nn.relu"], ["matmul", "add"]]),
        ("a = Relu(x) b = Exp(a) y = Add(a, b)", [["nn.relu", "exp", "add"]]),
        # ... as in x * sigmoid(x) behind an anchor,
        (
            "a = MatMul(x, w) b = Sigmoid(a) c = Mul(a, b) d = Relu(c) y = Mul(d, c)",
            [["matmul", "sigmoid", "multiply", "nn.relu", "multiply"]],
        ),
        # ... unless an element of the result depends on others of the anchor's.
        (
            "a = MatMul(x, w) b = Sigmoid(a) c = Softmax(b) y = Mul(a, c)",
            [["matmul"], ["sigmoid", "nn.softmax", "multiply"]],
        ),
        # Two anchors meet in a sum: it goes with the second.
        (
            "a = MatMul(x, w) b = MatMul(z, w) y = Add(a, b)",
            [["matmul"], ["matmul", "add"]],
        ),
    ],
)
def test_groups(body: str, kernels: list[list[str]], tmp_path: Path) -> None:
    assert sorted(groups(body, tmp_path)) == sorted(kernels)


def test_an_output_in_the_middle_is_stored(tmp_path: Path) -> None:
    both = "float[4, 16] a, float[4, 16] y"
    assert groups("a = Relu(x) y = Exp(a)", tmp_path, both) == [["nn.relu"], ["exp"]]


def test_a_broadcast_operand_is_not_computed_again_for_every_row(tmp_path: Path) -> None:
    body = "m = ReduceMax <axes = [1]> (x) e = Exp(m) y = Sub(x, e)"
    assert groups(body, tmp_path) == [["max", "exp"], ["subtract"]]


def test_a_view_is_no_kernel(tmp_path: Path) -> None:
    text = nets.text(
        "(float[4, 16] x) => (float[2, 32] y)",
        "a = Relu(x) r = Reshape(a, to) y = Exp(r)",
        {"to": np.array([2, 32])},
    )
    module = fuse(nets.load(text, tmp_path).module)
    called = nets.operators(module["main"])
    assert len(called) == 3 and called[1] == "relax.reshape"


def test_equal_kernels_are_one(tmp_path: Path) -> None:
    text = nets.text(
        "(float[4, 16] x) => (float[4, 16] y)",
        "a = MatMul(x, w) b = MatMul(a, v) c = Softmax(b) y = Softmax(c)",
        {"w": W, "v": 2 * W},
    )
    module = fuse(nets.load(text, tmp_path).module)
    called = nets.operators(module["main"])
    assert called[0] == called[1] != called[2] == called[3]
    assert len(module.get_global_vars()) == 3


def test_names_tell_what_is_inside(tmp_path: Path) -> None:
    text = nets.text(
        "(float[4] x) => (float[4] y)", "a = Exp(x) b = Relu(a) c = Tanh(b) d = Neg(c) y = Abs(d)"
    )
    module = fuse(nets.load(text, tmp_path).module)
    assert nets.operators(module["main"]) == ["exp_relu_tanh_negative_etc_0"]


def test_the_whole_pipeline_leaves_kernels_and_views(tmp_path: Path) -> None:
    module = nets.load(nets.net(), tmp_path).module
    lowered = pipeline.lower(module, targets.get(nets.DEVICE))
    kernels = {str(var.name_hint) for var in lowered.get_global_vars()} - {"main"}
    assert set(nets.operators(lowered["main"])) - kernels <= {"relax.reshape"}


def test_an_index_that_was_looked_up_is_stored(tmp_path: Path) -> None:
    made = groups(
        "i = Cast<to=6>(z) a = GatherElements<axis=1>(x, i) j = Cast<to=6>(a) "
        "y = GatherElements<axis=1>(x, j)",
        tmp_path,
    )
    assert [names.count("gather_elements") for names in made] == [1, 1]
