"""compiler/plan_source.py: the tables of a plan, as C."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import targets
from compiler import plan_source
from compiler.arena import Buffer
from compiler.plan import Call, Jump, Plan
from frontends.model import Signature, Tensor

PLAN = Plan(
    buffers=(
        Buffer("arena", "float32", 6, 0),
        Buffer("arena", "int64", 1, 64),
        Buffer("constant", "bool", 3, 128),
        Buffer("arena", "uint8", 0, 128),
        Buffer("arena", "float16", 6, 192),
    ),
    steps=(
        Call("add_0", "add_a", (0, 2, 4)),
        Call("relu_1", "relu_b", (4, 3)),
        Jump(4, unless=2),
        Call("", "neoc_copy", (0, 4)),
        Jump(0),
        Call("add_0", "add_a", (0, 2, 4)),
    ),
    inputs=(0, 1),
    outputs=(4, 3),
    arena_bytes=256,
    constants=Path("constants.bin"),
)
SIGNATURE = Signature(
    inputs=(Tensor("x:0", (2, 3), "float32"), Tensor("count", (), "int64")),
    outputs=(Tensor('a "quoted" \\ name', (2, 3), "float16"), Tensor("né", (0,), "uint8")),
)


def test_a_plan_as_c(golden: Callable[[str, str], None]) -> None:
    golden("plan.c", plan_source.source(PLAN, SIGNATURE, targets.PROFILES["ml_c4"]))


@pytest.mark.parametrize("name", ["a", 'b"\\', "né", "\U0001f600", "what??/", "\x01 \n\x7f", "7"])
def test_any_name_is_a_string_of_c(tmp_path: Path, name: str) -> None:
    signature = Signature((Tensor(name, (2,), "float32"),), ())
    plan = Plan((Buffer("arena", "float32", 2, 0),), (), (0,), (), 64, Path())
    text = plan_source.source(plan, signature, targets.PROFILES["ml_c4"])
    [literal] = re.findall(r"^  {(\".*\"), \"float32\", 1, input_0, 0}$", text, re.MULTILINE)
    assert literal.isascii() and "??" not in literal
    octal = re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), literal[1:-1])
    assert octal.encode("latin-1").decode() == name


def test_a_plan_of_nothing_is_c_all_the_same() -> None:
    empty = Plan((), (), (), (), 64, Path())
    text = plan_source.source(empty, Signature((), ()), targets.PROFILES["ml_c4"])
    assert "neoc_step steps[] = {\n  0\n};" in text  # C has no empty arrays
    assert ".num_steps = 0" in text
