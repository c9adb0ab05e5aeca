"""compiler/passes/layout_plan.py: which values are packed. Whatever the plan, answers are equal."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pytest
from tvm import relax

from compiler.passes import pack_layout
from compiler.passes.layout_plan import Costs, Estimates, Shape, plan_layouts
from targets import Profile
from tests.compiler import nets
from tests.compiler.kernels.harness import NARROW, WIDE, check, compute, main_of, values

R = relax.op
LANES = 8
W = values((16, 16, 1, 1))
FIRST, ODD, LAST = values((12, 5, 3, 3)), values((11, 12, 1, 1)), values((9, 14, 3, 3))


def plan(body: str, folder: Path, result: str = "y", costs: Costs | None = None) -> dict[str, bool]:
    signature = f"(float[1, 16, 6, 6] x) => ({result})"
    main = nets.load(nets.text(signature, body, {"w": W}), folder).module["main"]
    planned = plan_layouts(main, LANES, costs or Estimates(LANES))
    return {var.name.split("/")[0]: packed for var, packed in planned.items()}


@dataclass
class Dice:
    """Costs without reason."""

    random: Random

    def operator(self, call: relax.Call, packed: bool) -> float:
        return self.random.random()

    def transform(self, shape: Shape) -> float:
        return self.random.random()


@dataclass
class Measured:
    """One kind of operator is known to be slow when packed."""

    known: Estimates
    slow: str

    def operator(self, call: relax.Call, packed: bool) -> float:
        return 1e9 if packed and call.op.name == self.slow else self.known.operator(call, packed)

    def transform(self, shape: Shape) -> float:
        return self.known.transform(shape)


def packed_count(body: str, folder: Path, costs: Costs | None = None) -> int:
    return sum(plan(body, folder, costs=costs).values())


def test_nothing_is_packed_without_a_convolution(tmp_path: Path) -> None:
    assert packed_count("a = Relu(x) y = Exp(a)", tmp_path) == 0


def test_values_between_convolutions_stay_packed(tmp_path: Path) -> None:
    body = "a = Conv(x, w) b = MaxPool <kernel_shape = [2, 2]> (a) c = Relu(b) y = Conv(c, w)"
    assert packed_count(body, tmp_path) == 4


def test_measured_costs_change_the_plan(tmp_path: Path) -> None:
    body = "a = Conv(x, w) b = MaxPool <kernel_shape = [2, 2]> (a) c = Relu(b) y = Conv(c, w)"
    costs = Measured(Estimates(LANES), "relax.nn.max_pool2d")
    assert packed_count(body, tmp_path, costs) < 4


def net(x: relax.Var) -> tuple[relax.Expr, ...]:
    """Operators of every kind, residual, with gates, odd channels and several readers."""
    a = R.nn.relu(R.nn.conv2d(x, relax.const(FIRST), padding=1))
    p = R.nn.max_pool2d(a, [3, 3], [1, 1], [1, 1, 1, 1])
    gate = R.sigmoid(R.mean(p, [2, 3], keepdims=True))
    b = R.add(R.multiply(a, gate), R.nn.avg_pool2d(p, [3, 3], [1, 1], [1, 1, 1, 1]))
    c = R.concat([R.nn.conv2d(b, relax.const(ODD)), R.exp(R.negative(b))], 1)
    d = R.strided_slice(c, [1], [3], [17])
    e = R.nn.conv2d(R.nn.pad(d, [0, 0, 0, 0, 1, 1, 1, 1]), relax.const(LAST))
    return e, R.mean(d, [2, 3]), R.permute_dims(c, [0, 2, 3, 1])


@pytest.mark.parametrize("seed", range(4))
def test_every_plan_gives_the_same_answers(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    profile: Profile = (NARROW, WIDE)[seed % 2]
    x = values((1, 5, 7, 6))
    want, _ = compute(net, x, profile=profile)
    monkeypatch.setattr(pack_layout, "Estimates", lambda lanes: Dice(Random(seed)))
    check(net, [x], *want, profiles=[profile], tolerance=1e-5)


def test_convolutions_of_integers_are_packed() -> None:
    weight = relax.const(np.ones((16, 16, 1, 1), np.int8))
    x = np.zeros((1, 16, 6, 6), np.int16)
    module = main_of(lambda a: R.nn.conv2d(a, weight, out_dtype="int32"), [x])
    assert any(plan_layouts(module["main"], LANES, Estimates(LANES)).values())
