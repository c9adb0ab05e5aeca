"""benchmarks/kernels.py: calls beside what they take at least."""

from benchmarks import kernels
from benchmarks.floors import Floor
from benchmarks.peak import Peak
from compiler.calls import Row


def row(template: str, ms: float, flops: int) -> Row:
    return Row(("layer",), "k", template, {}, (1,), ms, ms / 3, flops, 10**7)


def test_the_slowest_call_comes_first_with_its_floor_and_why() -> None:
    rows = [row("elementwise", 1, 0), row("conv2d", 2, 10**8)]
    least = [Floor(0, 0.25), Floor(1, 0.5, "few tasks")]
    head, first, second = kernels.table(rows, least, Peak(100, 20, 40))
    assert head.split()[3:9] == ["GB/s", "%", "FMA", "floor,", "ms", "%"]
    told = "2.0000 66.7% 50.0 5.0 50% 1.0000 50% conv2d 1 layer few tasks"
    assert first.split() == told.split()
    assert second.split() == "1.0000 33.3% 10.0 0.2500 25% elementwise 1 layer".split()
    assert kernels.summary(rows) == "conv2d 67%, elementwise 33%"
