"""What a schedule template is: it may decline, says what may vary and what a setting should cost,
emits the kernel.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Protocol

import numpy as np
from tvm import tirx

from compiler.kernels.workload import Workload
from targets import Profile

Point = Mapping[str, int]


@dataclass(frozen=True)
class Space:
    """The settings a template admits: every combination of the knobs' values that is sound."""

    knobs: Mapping[str, tuple[int, ...]]
    sound: Callable[[Point], bool] = lambda point: True

    def __iter__(self) -> Iterator[Point]:
        for values in product(*self.knobs.values()):
            point = dict(zip(self.knobs, values, strict=True))
            if self.sound(point):
                yield point

    def __contains__(self, point: Point) -> bool:
        return (
            point.keys() == self.knobs.keys()
            and all(point[name] in values for name, values in self.knobs.items())
            and self.sound(point)
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)


FIXED = Space({})


@dataclass(frozen=True)
class Packing:
    """A constant operand in the order in which a kernel reads it: what the plan stores in place of
    the operand. Equal names of one operand mean equal results.
    """

    name: str
    shape: tuple[int, ...]
    pack: Callable[[np.ndarray], np.ndarray] = field(compare=False)


class Template(Protocol):
    """version: of the code it emits; a record of another version only ranks."""

    name: str
    version: int = 1

    @abstractmethod
    def accepts(self, work: Workload, profile: Profile) -> bool: ...

    @abstractmethod
    def space(self, work: Workload, profile: Profile) -> Space: ...

    @abstractmethod
    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc: ...

    def cost(self, work: Workload, profile: Profile, point: Point) -> float:
        """Estimated cycles of the busiest core. Infinite: legal, but never worth a trial."""
        return 0.0

    def default(self, work: Workload, profile: Profile) -> Point:
        """The analytic choice: the least cost."""
        return min(self.space(work, profile), key=lambda p: self.cost(work, profile, p))

    def packing(self, work: Workload, profile: Profile, point: Point) -> Mapping[int, Packing]:
        """Parameters, all of them constants (see Workload.constants), that it reads packed."""
        return {}


@dataclass(frozen=True)
class Schedule:
    """One way to compute a workload."""

    template: Template
    point: Point
