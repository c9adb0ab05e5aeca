"""The sizes of a recurrent layer, how its weights are packed, and what its kernel should cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from compiler.kernels.ahead import Ahead
from compiler.kernels.cells import CELLS, TAKING_INPUT, Cell, Settings
from compiler.kernels.emit import REGION
from compiler.kernels.geometry import FMA_LATENCY, LOADS_PER_CYCLE
from compiler.kernels.operators import dtype_of, shape_of
from compiler.kernels.template import Point
from compiler.kernels.workload import Workload, operands_of, tensors_of
from targets import Profile

UPDATE_CYCLES = 80  # of a vector of cells
VISIT_CYCLES = 100  # of a group of units, beside its sums
L2_BYTES, L3_BYTES = 30, 10  # a cycle: measured; the L2 cache limits a sequence of one row


@dataclass(frozen=True)
class Recurrence:
    """Sizes of a layer. extra_rows: of units, in the layer's own parameter. lengths: whether
    sequences end at steps that an operand tells. depth: of the input whose share of the gates the
    kernel makes; 0: it reads that.
    """

    cell: Cell
    settings: Settings
    steps: int
    batch: int
    directions: int
    units: int
    extra_rows: int
    lengths: bool
    out: tuple[int, ...]
    lanes: int
    depth: int

    @classmethod
    def of(cls, work: Workload, profile: Profile) -> Recurrence:
        assert work.anchor is not None
        cell = CELLS[work.operator]
        takes_input = work.operator in TAKING_INPUT
        tensors = tensors_of(work.anchor)
        rest = tensors[4 if takes_input else 2 :]
        directions, batch, units = shape_of(rest[0])
        behind = [shape_of(t) for t in rest[cell.states :] if dtype_of(t) == "float32"]
        return cls(
            cell=cell,
            settings=Settings.of(operands_of(work.anchor), cell.activations),
            steps=shape_of(tensors[0])[0],
            batch=batch,
            directions=directions,
            units=units,
            extra_rows=sum(shape[1] // units for shape in behind),
            lengths=dtype_of(rest[-1]) == "int32",
            out=shape_of(work.anchor),
            lanes=min(profile.isa.lanes, 1 << (units.bit_length() - 1)),
            depth=shape_of(tensors[0])[1] if takes_input else 0,
        )

    def ahead(self, point: Point) -> Ahead:
        sizes = self.steps, self.depth, self.cell.gates, self.units, self.lanes
        return Ahead(*sizes, point["vectors"], point["ahead"], point["across"])

    @property
    def state_elements(self) -> int:
        return self.directions * self.batch * self.units

    @property
    def half(self) -> int:
        """Elements of the old or the new state."""
        return self.cell.kept * self.state_elements

    def groups(self, vectors: int) -> int:
        return -(-self.units // (vectors * self.lanes))

    def first_unit(self, group: int, vectors: int) -> int:
        return min(group * vectors * self.lanes, self.units - vectors * self.lanes)

    def pack(self, weight: np.ndarray, vectors: int) -> np.ndarray:
        """[D, H, gates * H] -> of each part, one behind the other, [D, groups, H, vectors, gates,
        lanes].
        """
        d, h, lanes = self.directions, self.units, self.lanes
        by_unit = weight.reshape(d, h, self.cell.gates, h)
        starts = [self.first_unit(g, vectors) for g in range(self.groups(vectors))]
        width, first, packed = vectors * lanes, 0, []
        for part in self.cell.parts:
            gates = by_unit[:, :, first : first + part.gates]
            groups = np.stack([gates[..., s : s + width] for s in starts], 1)
            split = groups.reshape(d, -1, h, part.gates, vectors, lanes)
            packed.append(split.swapaxes(3, 4).reshape(-1))
            first += part.gates
        return np.concatenate(packed)


def cycles(shape: Recurrence, point: Point, profile: Profile) -> float:
    rows, vectors, parts = point["rows"], point["vectors"], point["parts"]
    ahead = shape.ahead(point) if shape.depth else None
    widths = [vectors * part.gates for part in shape.cell.parts]
    beside = ahead.registers if ahead else 0
    if max(widths) * rows + rows + (rows > 1) + beside > profile.isa.registers:
        return math.inf
    tiles = shape.directions * -(-shape.batch // rows)
    groups = shape.groups(vectors)
    unit_bytes = 4 * shape.units * shape.lanes
    if parts > 1:
        count = -(-tiles * groups // parts)
        own = unit_bytes * sum(widths) * shape.directions * groups // parts
    else:
        count = -(-tiles // profile.cores) * groups
        own = unit_bytes * sum(widths) * groups
    speed = _speed(own, profile)
    total, start = 0.0, 0.0
    for width in widths:
        arithmetic = width * rows / profile.fma_per_cycle
        step = max(arithmetic, (width + rows) / LOADS_PER_CYCLE, FMA_LATENCY)
        group = max(step * shape.units, unit_bytes * width / speed)
        if ahead:
            tile = ahead.cycles(profile)
            group = max(group, arithmetic * shape.units + tile * ahead.slice)
            group += 4 * shape.lanes * ahead.across * ahead.slice / speed
            start = tile * shape.depth * ahead.passes * count
        visit = VISIT_CYCLES + group + UPDATE_CYCLES * vectors * rows
        total += visit * count + REGION * (parts > 1)
    return start + shape.steps * total


def _speed(own: int, profile: Profile) -> float:
    """Bytes of weights a cycle, where a core reads so many in every step."""
    speeds = ((profile.l1_bytes // 2, math.inf), (profile.l2_bytes, L2_BYTES), (own, L3_BYTES))
    return next(speed for size, speed in speeds if own <= size)
