"""benchmarks/kernels.py: calls beside the machine's peak."""

from benchmarks import kernels
from benchmarks.peak import Peak
from compiler.calls import Row


def row(template: str, ms: float, flops: int) -> Row:
    return Row(("layer",), "k", template, {}, (1,), ms, ms / 3, flops, 10**7)


def test_the_slowest_call_comes_first_with_its_share_of_the_peak() -> None:
    rows = [row("elementwise", 1, 0), row("conv2d", 2, 10**8)]
    head, first, second = kernels.table(rows, Peak(100, 20, 40))
    assert head.split()[3:9] == ["GB/s", "%", "FMA", "%", "memory", "template"]
    assert first.split() == "2.0000 66.7% 50.0 5.0 50% 25% conv2d 1 layer".split()
    assert second.split() == "1.0000 33.3% 10.0 50% elementwise 1 layer".split()
    assert kernels.summary(rows) == "conv2d 67%, elementwise 33%"
