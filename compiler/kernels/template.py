"""What a schedule template is: it may decline, says what may vary, picks well with no measurement,
emits the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Protocol

from tvm import tirx

from compiler.kernels.workload import Workload
from targets import Profile

Point = Mapping[str, int]


@dataclass(frozen=True)
class Space:
    """The settings a template admits: every combination of the knobs' values."""

    knobs: Mapping[str, tuple[int, ...]]

    def __iter__(self) -> Iterator[Point]:
        for values in product(*self.knobs.values()):
            yield dict(zip(self.knobs, values, strict=True))

    def __len__(self) -> int:
        return sum(1 for _ in self)


FIXED = Space({})


class Template(Protocol):
    name: str

    def accepts(self, work: Workload, profile: Profile) -> bool: ...

    def space(self, work: Workload, profile: Profile) -> Space: ...

    def default(self, work: Workload, profile: Profile) -> Point:
        """The analytic choice."""
        ...

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc: ...
