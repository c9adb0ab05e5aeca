"""Where buffers lie: how long each is needed, which take over the places of others, and offsets.

A buffer is alive from its first step to its last one. What a loop reads of outside is needed until
the loop ends, what it leaves behind from where it starts. A kernel that reads an operand only where
it writes its result takes over the operand's place if nothing reads that later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from compiler.lowered import Kernel

IN_PLACE = ("elementwise", "conv2d", "winograd", "depthwise", "pool", "matmul")  # see in_place()
ALIGNMENT = 64  # bytes; of parts that of a vector


@dataclass(frozen=True)
class Buffer:
    """A range of the arena (alive from step `first` to step `last`), or of the constants. Sizes in
    bytes.
    """

    space: str  # "arena" or "constant"
    dtype: str
    elements: int
    offset: int
    first: int = 0
    last: int = 0

    @property
    def nbytes(self) -> int:
        return self.elements * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Step:
    """What a step of the plan reads and writes, by the numbers of buffers."""

    reads: tuple[int, ...]
    writes: int | None = None
    kernel: Kernel | None = None


@dataclass(frozen=True)
class Uses:
    """Who needs the buffers. loops: first and last step. roots: for every buffer the one in whose
    memory it lies (itself, if it has its own), and at which byte.
    """

    steps: Sequence[Step]
    loops: Sequence[tuple[int, int]]
    inputs: Sequence[int]
    outputs: Sequence[int]
    roots: Sequence[tuple[int, int]]


def place(buffers: Sequence[Buffer], uses: Uses) -> tuple[list[Buffer], int]:
    """The buffers with their lives and offsets, and the arena's size."""
    return _offsets(*_shared(_alive(buffers, uses), uses))


def _alive(buffers: Sequence[Buffer], uses: Uses) -> list[Buffer]:
    """Inputs and outputs live through the whole run."""
    used: dict[int, list[int]] = {}
    for number, step in enumerate(uses.steps):
        named = step.reads if step.writes is None else (*step.reads, step.writes)
        for root in {uses.roots[n][0] for n in named}:
            used.setdefault(root, []).append(number)
    end = len(uses.steps)
    first = {root: at[0] for root, at in used.items()} | dict.fromkeys(uses.inputs, 0)
    last = {root: at[-1] for root, at in used.items()}
    for number in (*uses.inputs, *uses.outputs):
        root = uses.roots[number][0]
        first.setdefault(root, 0)
        last[root] = end
    for root, at in used.items():
        for start, stop in uses.loops:
            inside = any(start <= number <= stop for number in at)
            if inside and (first[root] < start or last[root] > stop):
                first[root], last[root] = min(first[root], start), max(last[root], stop)
    return [
        replace(b, first=first.get(root, 0), last=last.get(root, 0))
        for b, (root, _) in zip(buffers, uses.roots, strict=True)
    ]


def _shared(buffers: list[Buffer], uses: Uses) -> tuple[list[Buffer], list[tuple[int, int]]]:
    """The buffers, and where each lies, now that results have taken the places of operands that
    end there.
    """
    owner = list(range(len(buffers)))
    extended = list(buffers)
    pinned = {uses.roots[n][0] for n in (*uses.inputs, *uses.outputs)}
    whole = {n for n, (root, _) in enumerate(uses.roots) if root == n}
    parted = {root for n, (root, _) in enumerate(uses.roots) if root != n}
    alone = whole - parted - pinned  # buffers that nothing else names
    writers = Counter(step.writes for step in uses.steps)
    for number, step in enumerate(uses.steps):
        target = step.writes
        if step.kernel is None or target is None:
            continue
        for position in in_place(step.kernel):
            operand = step.reads[position]
            root = owner[operand]
            if (
                {operand, target} <= alone
                and writers[target] == 1
                and buffers[operand].space == "arena"
                and extended[root].last == number
                and step.reads.count(operand) == 1
                and buffers[operand].nbytes == buffers[target].nbytes
            ):
                owner[target] = root
                extended[root] = replace(extended[root], last=buffers[target].last)
                break
    return extended, [(owner[root], offset) for root, offset in uses.roots]


def in_place(kernel: Kernel) -> list[int]:
    """Operands that the kernel reads only at the elements that it writes then."""
    work = kernel.work
    if kernel.schedule.template.name not in IN_PLACE or not work.is_pointwise_after_anchor:
        return []
    before = work.anchor_parameters
    return [
        n
        for n, parameter in enumerate(work.parameters[:-1])
        if parameter == work.output and n not in before
    ]


def _offsets(buffers: list[Buffer], roots: list[tuple[int, int]]) -> tuple[list[Buffer], int]:
    """The largest first, each at the lowest offset that no buffer alive at the same time covers."""
    own = [n for n, b in enumerate(buffers) if b.space == "arena" and roots[n] == (n, 0)]
    offsets: dict[int, int] = {}
    for n in sorted(own, key=lambda n: (-buffers[n].nbytes, n)):
        busy = sorted(
            (offsets[m], offsets[m] + _rounded(buffers[m].nbytes))
            for m in offsets
            if buffers[m].first <= buffers[n].last and buffers[n].first <= buffers[m].last
        )
        at = 0
        for start, stop in busy:
            if at + _rounded(buffers[n].nbytes) <= start:
                break
            at = max(at, stop)
        offsets[n] = at
    size = max((offsets[n] + _rounded(buffers[n].nbytes) for n in own), default=0)
    placed = [
        replace(b, offset=offsets[root] + inside) if b.space == "arena" else b
        for b, (root, inside) in zip(buffers, roots, strict=True)
    ]
    return placed, max(size, ALIGNMENT)


def _rounded(nbytes: int) -> int:
    return max(-(-nbytes // ALIGNMENT) * ALIGNMENT, ALIGNMENT)
