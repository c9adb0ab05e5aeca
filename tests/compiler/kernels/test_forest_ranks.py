"""compiler/kernels/forest_ranks.py against plain walks."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from compiler import codegen, pipeline
from compiler.kernels.forest_ranks import ForestRanks
from compiler.kernels.template import Schedule
from frontends import forest
from targets import Profile
from tests.compiler.kernels import forests
from tests.compiler.kernels.harness import NARROW, WIDE, Array, Machine, close, main_of

RANKS = ForestRanks()


def computed(made: forest.Forest, x: Array, profile: Profile, vectors: int) -> Array:
    module = pipeline.lower(main_of(lambda v: forests.call(v, made), [x]), profile)
    works = pipeline.workloads(module)
    assert all(RANKS.accepts(work, profile) for work in works.values())
    chosen = {name: Schedule(RANKS, {"vectors": vectors}) for name in works}
    lowered = pipeline.schedule(module, profile, chosen)
    return Machine(lowered, codegen.build(lowered.kernels, profile))([x])[0]


@settings(max_examples=8, deadline=None)
@given(
    trees=st.integers(1, 12), depth=st.integers(0, 6), features=st.integers(1, 20),
    targets=st.integers(1, 3), together=st.booleans(), rows=st.integers(16, 150),
    vectors=st.integers(1, 2), kind=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_any_forest(
    trees: int, depth: int, features: int, targets: int, together: bool, rows: int, vectors: int,
    kind: str, seed: int,
) -> None:  # fmt: skip
    grown = forests.grown(
        trees, depth, features, targets, seed=seed, tests=tuple(range(7)), vectors=together,
        kind=kind,
    )  # fmt: skip
    x = forests.inputs(grown, rows, features, seed, kind)
    made = forest.forest(grown.nodes, grown.leaves, kind)
    assume(len(made.roots))  # the others are for walks
    close(computed(made, x, NARROW, vectors), grown.walked(x), 1e-7)


@pytest.mark.parametrize(("depth", "profile"), [(8, NARROW), (5, WIDE)])
def test_deep_trees_and_many_bounds(depth: int, profile: Profile) -> None:
    grown = forests.grown(3, depth, 2, seed=1, distinct=400, full=1.0)
    x = forests.inputs(grown, 70, 2)
    made = forest.forest(grown.nodes, grown.leaves, "float32")
    close(computed(made, x, profile, 1), grown.walked(x), 1e-7)
