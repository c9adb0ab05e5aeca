"""compiler/kernels/forest.py: what both strategies share."""

import numpy as np
import pytest
from tvm import relax

from compiler.kernels.forest import Table
from frontends import forest
from frontends.forest import AGGREGATES
from tests.compiler.kernels import forests
from tests.compiler.kernels.harness import check


def test_a_table_keeps_arrays_apart() -> None:
    table = Table([("a", "int8", 3), ("b", "float64", 2), ("c", "uint16", 40)])
    arrays = {
        "a": np.array([-1, 2, 3], np.int8),
        "b": np.array([0.5, np.nan]),
        "c": np.arange(40, dtype=np.uint16),
    }
    made = table.pack(arrays)
    assert made.size == table.words and made.dtype == np.int32
    for name, (at, kind, elements) in table.fields.items():
        assert at % 16 == 0
        np.testing.assert_array_equal(made[at:].view(kind)[:elements], arrays[name])


@pytest.mark.parametrize("how", list(AGGREGATES))
@pytest.mark.parametrize("rows", [1, 40])
def test_aggregates_and_what_follows(how: str, rows: int) -> None:
    grown = forests.grown(9, 3, 5, full=1.0)
    x = forests.inputs(grown, rows, 5)
    made = forest.forest(grown.nodes, grown.leaves, "float32", how)
    combine, first, _ = AGGREGATES[how]
    names = check(
        lambda v: relax.op.add(forests.call(v, made, how), relax.const(0.5, "float32")), [x],
        grown.walked(x, combine, first) + np.float32(0.5), seeds=[None, 0, 1],
    )  # fmt: skip
    assert len(names) == 1


def test_no_column() -> None:
    grown = forests.grown(5, 0, 2, 2)
    x = forests.inputs(grown, 3, 2)
    made = forest.forest(grown.nodes, grown.leaves, "float32")
    check(lambda v: forests.call(v, made), [x], grown.walked(x), seeds=[None, 0, 1])
