"""compiler/calls.py: times and manifest as one table."""

from compiler import calls
from compiler.bench import CallTimes, ProfileResult

PROFILE = ProfileResult(
    1.0, 4.0, 10, (CallTimes("conv", 0.5, 1.0), CallTimes("add", 0.5, 1.0), CallTimes("conv", 1, 2))
)
KERNELS = [
    {
        "name": "add", "template": "elementwise", "point": {}, "output": [4],
        "flops": 0, "bytes": 8_000_000, "calls": [[]],
    },
    {
        "name": "conv", "template": "conv2d", "point": {"vectors": 2, "columns": 6},
        "output": [1, 8], "flops": 10**8, "bytes": 10**6, "calls": [["a", "relu"], ["b"]],
    },
]  # fmt: skip


def test_calls_of_a_kernel_have_their_own_layers() -> None:
    first, add, second = calls.rows(PROFILE, KERNELS)
    assert (first.layers, add.layers, second.layers) == (("a", "relu"), (), ("b",))
    assert (first.share, second.share) == (0.25, 0.5)
    assert (first.gflops_per_s, second.gflops_per_s, add.gbytes_per_s) == (100, 50, 8)


def test_the_table_is_aligned_and_names_what_has_no_layer() -> None:
    rows = calls.rows(PROFILE, KERNELS)
    head, first, add, _ = calls.lines(calls.HEAD, [row.cells() for row in rows])
    assert first.split() == "1.0000 25.0% 100.0 1.0 conv2d vectors=2 columns=6 1x8 a + relu".split()
    assert add.split() == "1.0000 25.0% 8.0 elementwise 4 add".split()
    assert head.index("layers") == first.index("a + relu") == add.index("add")
