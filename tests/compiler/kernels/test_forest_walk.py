"""compiler/kernels/forest_walk.py against plain walks."""

from hypothesis import given, settings
from hypothesis import strategies as st

from frontends import forest
from tests.compiler.kernels import forests
from tests.compiler.kernels.harness import NARROW, check

EVERY = tuple(range(7))


@settings(max_examples=12, deadline=None)
@given(
    trees=st.integers(0, 21), depth=st.integers(0, 12), features=st.integers(1, 20),
    targets=st.integers(1, 3), vectors=st.booleans(), rows=st.integers(1, 19),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_any_forest(
    trees: int, depth: int, features: int, targets: int, vectors: bool, rows: int, seed: int
) -> None:
    grown = forests.grown(
        trees, depth, features, targets, seed=seed, tests=EVERY, vectors=vectors,
        full=0.85 if depth < 7 else 0.5,
    )  # fmt: skip
    x = forests.inputs(grown, rows, features, seed)
    made = forest.forest(grown.nodes, grown.leaves, "float32")
    check(
        lambda v: forests.call(v, made), [x], grown.walked(x), seeds=[None, 1],
        tolerance=1e-7, profiles=[NARROW],
    )  # fmt: skip
