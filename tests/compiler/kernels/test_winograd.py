"""kernels/winograd.py: convolutions from fewer products, at every way to cut them."""

import random
from collections.abc import Callable

import numpy as np
import pytest
import tvm_ffi
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import relax

from compiler import codegen, pipeline
from compiler.arena import in_place
from compiler.kernels.template import Point, Schedule
from compiler.kernels.winograd import Winograd
from compiler.kernels.workload import Workload
from targets import Profile
from tests.compiler.kernels.harness import NARROW, WIDE, Machine, Sizes, close, main_of, values
from tests.compiler.kernels.references import conv2d

R = relax.op
TEMPLATE = Winograd()
TOLERANCES = {2: 5e-6, 4: 3e-5, 6: 5e-5}  # by tile: larger ones lose more digits

# batch, channels, height, width, out channels, kernel, padding
CASES = [
    (1, 16, 8, 8, 16, (3, 3), (1, 1, 1, 1)),
    (2, 19, 7, 13, 37, (3, 3), (1, 0, 2, 1)),
    (1, 16, 3, 3, 8, (3, 3), (0, 0, 0, 0)),
    (1, 33, 1, 1, 50, (3, 3), (1, 1, 1, 1)),
    (1, 16, 9, 17, 24, (1, 7), (0, 3, 0, 3)),
    (1, 24, 17, 5, 16, (7, 1), (3, 0, 3, 0)),
    (1, 16, 11, 6, 17, (5, 5), (2, 2, 2, 2)),
]


def run(
    case: Sizes,
    profile: Profile,
    choose: Callable[[Workload], Point],
    residual: bool = False,
    activation: Callable[[relax.Expr], relax.Expr] = R.nn.relu,
) -> tuple[np.ndarray, np.ndarray, Point]:
    """Got, wanted before the activation, and the point."""
    n, c, h, w, o, kernel, padding = case
    x, weight, bias = values((n, c, h, w)), values((o, c, *kernel)), values((1, o, 1, 1))

    def emit(a: relax.Var, b: relax.Var) -> relax.Expr:
        y = R.nn.conv2d(R.nn.relu(a), relax.const(weight), padding=padding)
        y = R.add(y, relax.const(bias))
        return activation(R.add(y, b) if residual else y)

    want = conv2d(np.maximum(x, 0), weight, (1, 1), padding) + bias
    other = values(want.shape)
    module = pipeline.lower(main_of(emit, [x, other]), profile)
    works = pipeline.workloads(module)
    [name] = [n for n, work in works.items() if TEMPLATE.accepts(work, profile)]
    point = choose(works[name])
    made = pipeline.schedule(module, profile, {name: Schedule(TEMPLATE, point)})
    [got] = Machine(made, codegen.build(made.kernels, profile))([x, other])
    return got, want + other if residual else want, point


def agrees(case: Sizes, profile: Profile, choose: Callable[[Workload], Point]) -> None:
    got, want, point = run(case, profile, choose)
    close(got, np.maximum(want, 0).astype(np.float32), TOLERANCES[point["tile"]])


def default(profile: Profile) -> Callable[[Workload], Point]:
    return lambda work: TEMPLATE.default(work, profile)


def drawn(profile: Profile, seed: int) -> Callable[[Workload], Point]:
    return lambda work: random.Random(seed).choice(list(TEMPLATE.space(work, profile)))


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("profile", [NARROW, WIDE], ids=["8", "16"])
def test_the_default_computes_the_definition(case: Sizes, profile: Profile) -> None:
    agrees(case, profile, default(profile))


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_points_of_the_space_compute_the_definition(case: Sizes, seed: int) -> None:
    profile = (NARROW, WIDE)[seed % 2]
    agrees(case, profile, drawn(profile, seed))


@settings(max_examples=8, deadline=None, derandomize=True, database=None)
@given(
    channels=st.integers(16, 40),
    outputs=st.integers(1, 40),
    size=st.tuples(st.integers(3, 14), st.integers(3, 14)),
    padding=st.tuples(*[st.integers(0, 2)] * 4),
    seed=st.integers(0, 1000),
)
def test_any_sizes(channels: int, outputs: int, size: Sizes, padding: Sizes, seed: int) -> None:
    agrees((1, channels, *size, outputs, (3, 3), padding), NARROW, drawn(NARROW, seed))


@pytest.mark.parametrize("runs", [0, 2])
@pytest.mark.parametrize("tile", TOLERANCES)
def test_deep_channels_stay_within_the_tolerance(runs: int, tile: int) -> None:
    point = {"tile": tile, "runs": runs, "rows": 4, "vectors": 1}
    agrees((1, 512, 6, 6, 8, (3, 3), (1, 1, 1, 1)), NARROW, lambda _: point)


def test_a_residual_and_a_long_epilogue_come_along() -> None:
    got, want, point = run(CASES[1], NARROW, default(NARROW), residual=True, activation=R.nn.silu)
    close(got, (want / (1 + np.exp(-want))).astype(np.float32), TOLERANCES[point["tile"]])


@pytest.mark.parametrize("runs", [0, 1])
def test_the_result_may_stand_where_the_residual_stood(runs: int) -> None:
    x, weight, other = values((1, 16, 9, 7)), values((16, 16, 3, 3)), values((1, 16, 9, 7), seed=1)

    def emit(a: relax.Var, b: relax.Var) -> relax.Expr:
        first = R.nn.conv2d(b, relax.const(weight[:, :, :1, :1]))
        total = R.add(R.nn.conv2d(a, relax.const(weight), padding=1), first)
        return R.nn.max_pool2d(total, (3, 3))

    module = pipeline.lower(main_of(emit, [x, other]), NARROW)
    works = pipeline.workloads(module)
    [name] = [n for n, work in works.items() if TEMPLATE.accepts(work, NARROW)]
    point = {"tile": 4, "runs": runs, "rows": 2, "vectors": 2}
    made = pipeline.schedule(module, NARROW, {name: Schedule(TEMPLATE, point)})
    kernel = made.kernels[name]
    assert in_place(kernel), "the residual's place should be free to take"

    library = codegen.build(made.kernels, NARROW)
    machine = Machine(made, library)
    machine([x, other])
    bindings = made.main.body.blocks[0].bindings
    [binding] = [b for b in bindings if name == getattr(getattr(b.value, "op", 0), "name_hint", 0)]
    arguments = [machine._place(a, kernel.packing.get(n)) for n, a in enumerate(binding.value.args)]
    place = arguments[in_place(kernel)[0]]
    library[name](*(tvm_ffi.from_dlpack(p.data) for p in (*arguments, place)))
    np.testing.assert_array_equal(place.data, machine.places[binding.var].data)


def test_wide_layers_take_it_and_narrow_ones_do_not() -> None:
    def chosen(channels: int, size: int) -> str:
        x, weight = values((1, channels, size, size)), values((channels, channels, 3, 3))

        def emit(a: relax.Var) -> relax.Expr:
            return R.nn.conv2d(a, relax.const(weight), padding=1)

        made = pipeline.schedule(pipeline.lower(main_of(emit, [x]), NARROW), NARROW)
        return (
            "winograd"
            if any(k.schedule.template.name == "winograd" for k in made.kernels.values())
            else "direct"
        )

    assert chosen(64, 56) == chosen(128, 28) == "winograd"
    assert chosen(16, 3) == "direct"


@pytest.mark.parametrize(
    "changed",
    [{"strides": 2}, {"dilation": 2, "padding": 2}, {"groups": 2}],
    ids=lambda changed: next(iter(changed)),
)
def test_what_it_cannot_do_it_declines(changed: dict[str, int]) -> None:
    weight = values((32, 32 // changed.get("groups", 1), 3, 3))

    def emit(a: relax.Var) -> relax.Expr:
        return R.nn.conv2d(a, relax.const(weight), **{"padding": 1, **changed})

    module = pipeline.lower(main_of(emit, [values((1, 32, 9, 9))]), NARROW)
    works = pipeline.workloads(module).values()
    assert not any(TEMPLATE.accepts(work, NARROW) for work in works)
