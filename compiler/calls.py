"""A profile of an artifact with what its manifest knows of every kernel: a row for each call."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compiler.bench import ProfileResult

HEAD = ("ms", "share", "GFLOP/s", "GB/s", "template", "knobs", "output", "layers")


@dataclass(frozen=True)
class Row:
    """One call. layers: what it computes, the layer with most of the work first. ms: the median;
    share: of the sum of all calls. flops, bytes: see kernels/effort.py.
    """

    layers: tuple[str, ...]
    kernel: str
    template: str
    point: Mapping[str, int]
    output: tuple[int, ...]
    ms: float
    share: float
    flops: int
    bytes: int

    @property
    def gflops_per_s(self) -> float:
        return self.flops / self.ms / 1e6 if self.ms else 0.0

    @property
    def gbytes_per_s(self) -> float:
        return self.bytes / self.ms / 1e6 if self.ms else 0.0

    def cells(self) -> tuple[str, ...]:
        knobs = " ".join(f"{name}={value}" for name, value in self.point.items())
        return (
            f"{self.ms:.4f}",
            f"{self.share:.1%}",
            f"{self.gflops_per_s:.1f}" if self.flops else "",
            f"{self.gbytes_per_s:.1f}",
            self.template,
            knobs,
            "x".join(map(str, self.output)),
            " + ".join(self.layers) or self.kernel,
        )


def rows(profile: ProfileResult, kernels: Sequence[Mapping[str, Any]]) -> list[Row]:
    """In the order of the calls, those that ran. kernels: the manifest's."""
    known = {kernel["name"]: kernel for kernel in kernels}
    layers = {name: iter(kernel["calls"]) for name, kernel in known.items()}
    total = sum(call.median_ms for call in profile.calls)
    found = []
    for call in profile.calls:
        kernel = known[call.kernel]
        found.append(
            Row(
                layers=tuple(next(layers[call.kernel])),
                kernel=call.kernel,
                template=kernel["template"],
                point=kernel["point"],
                output=tuple(kernel["output"]),
                ms=call.median_ms,
                share=call.median_ms / total,
                flops=kernel["flops"],
                bytes=kernel["bytes"],
            )
        )
    return [row for row in found if row.ms]


def lines(head: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """Aligned columns."""
    table = [head, *cells]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(text.ljust(n) for text, n in zip(row, widths, strict=True)).rstrip()
