"""A tensor whose channels lie in several packed tensors, in any order: what slices, concatenations
and permutations of channels make, without moving anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from tvm import relax

from compiler.kernels.operators import shape_of


@dataclass(frozen=True)
class Scattered:
    """channels: for each the number of its tensor, and its number there. Tensors that no channel
    lies in any more stay: readers of the same first tensors share one buffer (see joins.py).
    """

    tensors: tuple[relax.Var, ...]
    channels: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, packed: relax.Var, channels: int) -> Scattered:
        return cls((packed,), tuple((0, c) for c in range(channels)))

    def chosen(self, numbers: Iterable[int]) -> Scattered:
        return Scattered(self.tensors, tuple(self.channels[n] for n in numbers))

    @property
    def read(self) -> tuple[relax.Var, ...]:
        """The tensors up to the last one with a channel in it."""
        return self.tensors[: 1 + max(tensor for tensor, _ in self.channels)]

    def places(self) -> np.ndarray:
        """The number of every channel in the concatenation of what is read, padding included."""
        sizes = [shape_of(t)[1] * shape_of(t)[-1] for t in self.read]
        starts = [0, *accumulate(sizes)]
        return np.array([starts[tensor] + channel for tensor, channel in self.channels], np.int32)


def beside(parts: Sequence[Scattered], order: Mapping[relax.Var, object]) -> Scattered:
    """The concatenation. order: of all tensors, as they are made."""
    held = {tensor for part in parts for tensor in part.tensors}
    tensors = tuple(tensor for tensor in order if tensor in held)
    number = {tensor: n for n, tensor in enumerate(tensors)}
    return Scattered(
        tensors, tuple((number[part.tensors[t]], c) for part in parts for t, c in part.channels)
    )
