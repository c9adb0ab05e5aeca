"""compiler/passes/join_parts.py: which concatenations and slices compute nothing."""

from pathlib import Path

import numpy as np
import pytest

import targets
from compiler import pipeline
from compiler.passes.join_parts import join_parts
from compiler.passes.lower_operators import lower_operators
from tests.compiler import nets

ROW = "float[1, 16] x"


def joined(body: str, folder: Path, result: str, inputs: str = ROW) -> list[str]:
    """The operators behind the pass, without their prefixes."""
    constants = {"k": np.ones((1, 16), np.float32)} if "k" in body else {}
    module = nets.load(nets.text(f"({inputs}) => ({result})", body, constants), folder).module
    main = join_parts(lower_operators(module), 64)["main"]
    return [name.split(".")[-1] for name in nets.operators(main)]


@pytest.mark.parametrize(
    ("body", "result", "operators"),
    [
        # Kernels write their parts where the whole is read.
        (
            "a = Exp(x) b = Relu(x) y = Concat <axis = 1> (a, b)",
            "float[1, 32] y",
            ["exp", "relu", "join"],
        ),
        # Leading axes of one element do not count, and nested joins are opened.
        (
            "a = Exp(x) b = Relu(x) c = Concat <axis = 0> (a, b) y = Concat <axis = 0> (c, b)",
            "float[3, 16] y",
            ["exp", "relu", "astype", "join"],
        ),
        # Inputs and constants have places of their own.
        (
            "a = Exp(x) y = Concat <axis = 1> (x, a, k)",
            "float[1, 48] y",
            ["exp", "astype", "astype", "join"],
        ),
        # One kernel copies everything where nothing can be written in place.
        ("y = Concat <axis = 1> (x, k)", "float[1, 32] y", ["concat"]),
        # Across rows the parts are not contiguous.
        (
            "a = Exp(x) b = Concat <axis = 0> (a, a) y = Concat <axis = 1> (b, b)",
            "float[2, 32] y",
            ["exp", "astype", "join", "concat"],
        ),
    ],
)
def test_concatenations(body: str, result: str, operators: list[str], tmp_path: Path) -> None:
    assert joined(body, tmp_path, result) == operators


def test_contiguous_aligned_slices_are_parts(tmp_path: Path) -> None:
    body = "a = Exp(x) u, y = Split <axis = 0, num_outputs = 2> (a) z = Relu(u)"
    inputs, result = "float[2, 16] x", "float[1, 16] y, float[1, 16] z"
    text = nets.text(f"({inputs}) => ({result})", body).replace("17", "18")
    main = join_parts(lower_operators(nets.load(text, tmp_path).module), 64)["main"]
    assert nets.operators(main) == ["relax.exp", "neoc.part", "neoc.part", "relax.nn.relu"]


def test_slices_that_are_not_aligned_stay(tmp_path: Path) -> None:
    body = "a = Exp(x) u, y = Split <axis = 0, num_outputs = 2> (a) z = Relu(u)"
    inputs, result = "float[2, 15] x", "float[1, 15] y, float[1, 15] z"
    text = nets.text(f"({inputs}) => ({result})", body).replace("17", "18")
    operators = nets.operators(
        join_parts(lower_operators(nets.load(text, tmp_path).module), 64)["main"]
    )
    assert operators == ["relax.exp", "neoc.part", "relax.strided_slice", "relax.nn.relu"]


def test_a_dense_block_copies_nothing(tmp_path: Path) -> None:
    """Every prefix of the longest concatenation is the same memory."""
    weights = {f"w{n}": np.ones((8, 8 * n, 1, 1), np.float32) for n in (1, 2, 3)}
    body = """a = Conv(x, w1) b = Conv(a, w1) c = Concat <axis = 1> (a, b) d = Conv(c, w2)
        e = Concat <axis = 1> (a, b, d) y = Conv(e, w3)"""
    signature = "(float[1, 8, 6, 6] x) => (float[1, 8, 6, 6] y)"
    module = nets.load(nets.text(signature, body, weights), tmp_path).module
    main = pipeline.lower(module, targets.get(nets.DEVICE))["main"]
    names = [name.rsplit("_", 1)[0] for name in nets.operators(main)]
    assert names == [
        "pack",
        "conv2d",
        "conv2d",
        "neoc.join",
        "conv2d",
        "neoc.join",
        "conv2d",
        "unpack",
    ]
