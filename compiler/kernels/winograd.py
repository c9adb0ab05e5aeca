"""Winograd convolution, [N, C/L, H, W, L] in, [N, O/L, H', W', L] out: stride 1, constant weights.

Tiles of the output are computed from fewer products than the definition takes (see filtering.py):
F(4x4, 3x3) multiplies 36 times where it takes 144. The stages (see winograd_stages.py) either run
one after the other for a block of tiles whose V and M stay in a core's cache, or, where there are
few tiles and many weights, one after the other for all tiles, each parallel, so that the weights
are read once.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import kernel, loop
from compiler.kernels.filtering import MOST
from compiler.kernels.geometry import Geometry, fits
from compiler.kernels.template import Packing, Point, Space, Template
from compiler.kernels.winograd_cost import estimate
from compiler.kernels.winograd_stages import Stages, Tiling
from compiler.kernels.workload import Workload, tensors_of
from targets import Profile

TILES = (2, 4, 6)


class Winograd(Template):
    name = "winograd"
    version = 2

    def accepts(self, work: Workload, profile: Profile) -> bool:
        if work.operator != "neoc.conv2d" or _weight(work) not in work.constants:
            return False
        s = Geometry.of(work)
        unit = s.stride == s.dilation == (1, 1) and s.groups == 1 and s.block == s.lanes
        return unit and not s.whole and max(s.kernel) > 1 and max(s.kernel) + min(TILES) - 1 <= MOST

    def space(self, work: Workload, profile: Profile) -> Space:
        s = Geometry.of(work)
        return Space({
            "tile": tuple(t for t in TILES if t + max(s.kernel) - 1 <= MOST),
            "runs": (0, 1, 2, 3, 4, 5, 6, 8),
            "rows": tuple(r for r in (1, *range(3, 15)) if r <= s.batch * s.pixels),
            "vectors": tuple(v for v in (1, 2, 3, 4) if v <= s.panels),
        })  # fmt: skip

    def cost(self, work: Workload, profile: Profile, point: Point) -> float:
        if not fits(point["vectors"], point["rows"], profile):
            return inf
        return estimate(_tiling(Geometry.of(work), point), point["runs"] == 0, profile)

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        tiling = _tiling(Geometry.of(work), point)
        parameters = list(work.parameters)
        for n, packing in self.packing(work, profile, point).items():
            parameters[n] = packing.shape, "float32"
        with kernel(name, parameters) as (buffers, done):
            bound = work.bind(buffers)
            data, weight = bound.anchor_buffers()
            stages = Stages(tiling, bound, data, weight, buffers[-1])
            (_fused if point["runs"] else _staged)(tiling, stages)
        return done[0]

    def packing(self, work: Workload, profile: Profile, point: Point) -> Mapping[int, Packing]:
        tiling = _tiling(Geometry.of(work), point)
        s = tiling.shape
        shape = (tiling.planes, s.panels * s.reach * s.lanes)
        name = f"winograd {tiling.down.outputs} {tiling.across.outputs} {tiling.vectors}"
        return {_weight(work): Packing(name, shape, lambda weight: transformed(weight, tiling))}


def transformed(weight: np.ndarray, tiling: Tiling) -> np.ndarray:
    """[panels, KH, KW, reach, L] -> [planes, panels * reach * L], for each group of `vectors`
    panels as [reach, vectors, L].
    """
    panels, _, _, reach, lanes = weight.shape
    down, across = tiling.down.weight, tiling.across.weight
    done = np.empty((len(down) * len(across), panels * reach * lanes), np.float32)
    for first in range(0, panels, tiling.vectors):
        group = weight[first : first + tiling.vectors].astype(np.float64)
        planes = np.einsum("iy,jx,vyxcl->ijcvl", down, across, group, optimize=True)
        at = first * reach * lanes
        done[:, at : at + group.shape[0] * reach * lanes] = planes.reshape(len(done), -1)
    return done


def _weight(work: Workload) -> int:
    """The number of the parameter that holds the weights."""
    assert work.anchor is not None
    weight = tensors_of(work.anchor)[1]
    return next(n for n, p in enumerate(work.function.params) if p.same_as(weight))


def _tiling(shape: Geometry, point: Point) -> Tiling:
    whole = Tiling(shape, point["tile"], 1, point["rows"], point["vectors"])
    block = point["runs"] * point["rows"] or whole.count
    return Tiling(shape, point["tile"], block, point["rows"], point["vectors"])


def _fused(t: Tiling, stages: Stages) -> None:
    """A task takes a block of tiles through all stages."""
    with loop(t.blocks, parallel=True) as block:
        first = T.bind(block * t.block)
        count = t.block if t.count % t.block == 0 else T.bind(tirx.min(t.count - first, t.block))
        runs = t.held // t.rows if isinstance(count, int) else (count + t.rows - 1) // t.rows
        v, m = stages.workspaces()
        with loop(count) as n, loop(t.depth // t.shape.lanes) as chunk:
            stages.input(v, n, T.bind(first + n), chunk)
        with loop(t.planes) as plane, loop(t.groups) as group:
            stages.products(v, m, plane, group, runs)
        with loop(count) as n, loop(t.shape.panels) as panel:
            stages.output(m, n, T.bind(first + n), panel)


def _staged(t: Tiling, stages: Stages) -> None:
    """Each stage over all tiles, in parallel."""
    v, m = stages.workspaces()
    chunks, panels = t.depth // t.shape.lanes, t.shape.panels
    with loop(t.count * chunks, parallel=True) as task:
        n = T.bind(task // chunks)
        stages.input(v, n, n, T.bind(task % chunks))
    with loop(t.planes * t.groups, parallel=True) as task:
        plane, group = T.bind(task // t.groups), T.bind(task % t.groups)
        stages.products(v, m, plane, group, t.held // t.rows)
    with loop(t.count * panels, parallel=True) as task:
        n = T.bind(task // panels)
        stages.output(m, n, n, T.bind(task % panels))
