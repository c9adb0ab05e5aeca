"""Forests for many rows: a vector holds the ranks of as many rows as it has bytes.

    for a tile of rows:     ranks of its columns, a byte each
        for each tree:      all its nodes, children before parents:
                            leaf[node] = leaf[rank[column[node]] > cut[node] ? second : first]

So trees are complete: a leaf above the last level is there several times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import bound, kernel, loop, vector_at, workspace
from compiler.kernels.forest import (
    COMBINE,
    OPERATOR,
    Field,
    Job,
    Table,
    column_arrays,
    column_sizes,
    gather,
    ranks,
    rounds,
)
from compiler.kernels.template import Packing, Point, Space, Template
from compiler.kernels.value import Expr, Value
from compiler.kernels.vector import Evaluator, spread
from compiler.kernels.workload import Workload
from frontends.forest import SHALLOW, Forest, filled
from frontends.nodes import LEAF, Array
from targets import Profile

DEEPEST = 8  # the leaves' numbers are bytes
MOST = 255  # bounds of a column
FEWEST = 2  # rows for each lane: half a tile, which walks take as long for
LOW = 5  # levels that are written out in code
OFFSET = 128  # bytes are compared as signed ones


class ForestRanks(Template):
    """vectors: of bytes, that a tile's rows fill."""

    name = "forest_ranks"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        if work.operator != OPERATOR or 1 not in work.constants:
            return False
        job = Job.of(work)
        small = job.facts.depth <= DEEPEST and job.facts.most <= MOST
        return small and job.facts.trees > 0 and job.rows >= FEWEST * profile.isa.lanes

    def space(self, work: Workload, profile: Profile) -> Space:
        return Space({"vectors": (1 if Job.of(work).rows <= 4 * profile.isa.lanes else 2,)})

    def packing(self, work: Workload, profile: Profile, point: Point) -> Mapping[int, Packing]:
        job = Job.of(work)
        table = _table(job)
        return {1: Packing(self.name, (table.words,), lambda words: _packed(words, job, table))}

    def cost(self, work: Workload, profile: Profile, point: Point) -> float:
        job, lanes = Job.of(work), profile.isa.lanes
        tile = point["vectors"] * 4 * lanes
        tiles = -(-job.rows // (tile * profile.cores))
        search = job.facts.columns * 4 * point["vectors"] * (12 + 10 * rounds(job))
        nodes = job.facts.trees * (1 << job.facts.depth)
        walk = nodes * (0.6 + 0.7 * point["vectors"])
        leaves = job.facts.trees * job.facts.width * 4 * point["vectors"] * 12
        return float(tiles * (search + walk + leaves))

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        words = self.packing(work, profile, point)[1].shape
        given, _, *rest = work.parameters
        with kernel(name, [given, (words, "int32"), *rest]) as (buffers, done):
            _Tiles(Job.of(work), profile, point["vectors"], buffers).emit()
        return done[0]


def _table(job: Job) -> Table:
    facts = job.facts
    return Table(
        [
            *column_sizes(job, 1),
            ("cuts", "int8", facts.complete),
            ("columns", "uint16" if facts.columns < 1 << 16 else "int32", facts.complete),
            ("leaves", job.kind, facts.complete * facts.width),
            ("base", job.kind, job.outputs),
            ("depths", "int32", facts.trees),
            ("targets", "int32", facts.trees),
        ]
    )


def _packed(words: Array, job: Job, table: Table) -> Array:
    """Of a tree's 2^depth entries one is no node's: the first."""
    forest = Forest.unpacked(words)
    depths = filled(forest.depths)
    cuts, columns, leaves = [], [], []
    for root, depth in zip(forest.roots.tolist(), depths.tolist(), strict=True):
        level, entries = np.array([root]), 1
        tree = [np.array([root])]
        for _ in range(depth):
            inner = forest.column[level] != LEAF
            first = np.where(inner, forest.child[level], level)
            level = np.stack([first, np.where(inner, first + 1, level)], 1).reshape(-1)
            tree.append(level)
            entries *= 2
        nodes = np.concatenate([[root], *tree[:-1]])
        inner = forest.column[nodes] != LEAF
        cuts.append(np.where(inner, forest.cut[nodes], 0) - OFFSET)
        columns.append(np.where(inner, forest.column[nodes], 0))
        leaves.append(forest.leaves[forest.child[level]].reshape(-1))
    return table.pack(
        {
            **column_arrays(forest, job, 1),
            "cuts": np.concatenate(cuts).astype(np.int8),
            "columns": np.concatenate(columns).astype(table.fields["columns"][1]),
            "leaves": np.concatenate(leaves).astype(job.kind),
            "base": forest.base.astype(job.kind),
            "depths": depths.astype(np.int32),
            "targets": forest.targets,
        }
    )


class _Tiles:
    def __init__(
        self, job: Job, profile: Profile, vectors: int, buffers: Sequence[tirx.Buffer]
    ) -> None:
        self.job, self.isa, self.vectors = job, profile.isa, vectors
        self.lanes, self.bytes = profile.isa.lanes, 4 * profile.isa.lanes
        self.rows = vectors * self.bytes
        self.bound = job.work.bind(buffers)
        x, table = self.bound.anchor_buffers()
        self.x, self.out = Field(x, 0), buffers[-1]
        self.fields = _table(job).views(table)

    def emit(self) -> None:
        job = self.job
        tasks = -(-job.rows // self.rows)
        with loop(tasks, parallel=tasks > 1) as task:
            first = bound(task * self.rows)
            self.ranks = workspace(max(job.facts.columns, 1) * self.rows, "int8")
            self.sums = workspace(job.outputs * self.rows, job.kind)
            parts = 1 << max(job.facts.depth - LOW, 0)
            self.found = workspace(parts * self.rows, "int8")
            with loop(job.outputs) as k, loop(self.rows // self.lanes) as n:
                base = spread(self.fields["base"][k], self.lanes)
                at = vector_at(bound(k * self.rows) + n * self.lanes, self.lanes)
                T.buffer_store(self.sums, base, [at])
            self._columns(first)
            self._trees()
            self._store(first)

    def _columns(self, first: Expr) -> None:
        job, lanes = self.job, self.lanes
        if not job.facts.columns:
            return
        with loop(job.facts.columns) as c:
            feature, *column = (
                self.fields[name][c] for name in ("feature", "start", "count", "mask", "missing")
            )
            with loop(self.vectors) as v:
                x = []
                for n in range(4):
                    row = bound(first + v * self.bytes + n * lanes)
                    rows = tirx.Broadcast(row, lanes) + tirx.Ramp(0, 1, lanes)
                    last = spread(tirx.const(job.rows - 1, "int32"), lanes)
                    at = tirx.min(rows, last) * spread(tirx.const(job.features, "int32"), lanes)
                    x.append(gather(self.x, T.bind(at + spread(feature, lanes)), self.isa))
                found = ranks(x, column, self.fields["bounds"], rounds(job), self.isa)
                for n, rank in enumerate(found):
                    signed = rank - spread(tirx.const(OFFSET, "int32"), lanes)
                    at = bound(c * self.rows + v * self.bytes) + n * lanes
                    narrow = tirx.Cast(f"int8x{lanes}", signed)
                    T.buffer_store(self.ranks, narrow, [vector_at(at, lanes)])

    def _trees(self) -> None:
        state = T.alloc_buffer((1,), "int32", scope="local", layout=None)
        T.buffer_store(state, tirx.const(0, "int32"), [0])
        with T.serial(0, self.job.facts.trees) as tree:
            start = T.bind(state[0])
            depth, deepest = self.fields["depths"][tree], self.job.facts.depth
            for levels in range(max(deepest - SHALLOW, 0), deepest + 1):
                with T.If(tirx.EQ(depth, levels)), T.Then():
                    self._tree(start, levels)
            self._add(start, self.fields["targets"][tree])
            T.buffer_store(state, start + tirx.LShift(tirx.const(1, "int32"), depth), [0])

    def _tree(self, start: Expr, depth: int) -> None:
        """The number of every row's leaf. Of a deep tree the lower part is a loop over subtrees."""
        low = min(depth, LOW)
        high = depth - low

        def inside(tree: Expr, node: int, level: int) -> list[Expr]:
            """Of a subtree: its nodes are numbered like a tree's, from 1."""
            if level == low:
                number = tirx.const(node - (1 << low), "int8")
                return [spread(number, self.bytes)] * self.vectors
            place = tirx.LShift(tree, tirx.const(level, "int32")) + (node - (1 << level))
            firsts = inside(tree, 2 * node, level + 1)
            seconds = inside(tree, 2 * node + 1, level + 1)
            return self._chosen(start + place, firsts, seconds)

        def above(node: int, level: int) -> list[Expr]:
            if level == high:
                first = (node - (1 << high)) * self.rows
                return [self._part(first + v * self.bytes) for v in range(self.vectors)]
            pair = above(2 * node, level + 1), above(2 * node + 1, level + 1)
            return self._chosen(start + node, *pair)

        with loop(1 << high) as part:
            number = bound(tirx.LShift(part, tirx.const(low, "int32")))
            offset = spread(tirx.Cast("int8", number), self.bytes)
            for v, leaf in enumerate(inside(bound(part + (1 << high)), 1, 0)):
                place = vector_at(bound(part * self.rows) + v * self.bytes, self.bytes)
                T.buffer_store(self.found, leaf + offset if high else leaf, [place])
        if high:
            for v, leaf in enumerate(above(1, 0)):
                T.buffer_store(self.found, leaf, [vector_at(v * self.bytes, self.bytes)])

    def _part(self, first: int) -> Expr:
        return T.bind(self.found[vector_at(first, self.bytes)])

    def _chosen(self, at: Expr, firsts: list[Expr], seconds: list[Expr]) -> list[Expr]:
        """What a node says of each vector of rows."""
        at = bound(at)
        column = bound(self.fields["columns"][at].astype("int32") * self.rows)
        cut = T.bind(spread(self.fields["cuts"][at], self.bytes))
        made = []
        for v, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
            rank = self.ranks[vector_at(column + v * self.bytes, self.bytes)]
            made.append(T.bind(tirx.Select(tirx.GT(rank, cut), second, first)))
        return made

    def _add(self, start: Expr, target: Expr) -> None:
        job, lanes = self.job, self.lanes
        combine, width = COMBINE[job.aggregate], job.facts.width
        for v in range(self.rows // lanes):
            number = self.found[vector_at(v * lanes, lanes)]
            leaf = tirx.Cast(f"int32x{lanes}", tirx.Cast(f"uint8x{lanes}", number))
            leaf = T.bind(leaf + tirx.Broadcast(start, lanes))
            with loop(width) as k:
                at = leaf if width == 1 else T.bind(leaf * width + tirx.Broadcast(k, lanes))
                value = gather(self.fields["leaves"], at, self.isa)
                place = vector_at(bound((target + k) * self.rows) + v * lanes, lanes)
                T.buffer_store(self.sums, combine(T.bind(self.sums[place]), value), [place])

    def _store(self, first: Expr) -> None:
        job, lanes = self.job, self.lanes
        made = self.bound.result(
            Value(
                (job.rows, job.outputs),
                job.kind,
                lambda i: self.sums[i[1] * self.rows + (i[0] - first)],
            )
        )
        count = tirx.min(self.rows, job.rows - first)
        done = count // lanes * lanes if job.outputs == 1 else tirx.const(0, "int32")
        if job.outputs == 1:
            with T.serial(0, count // lanes) as n:
                lane, row = tirx.Var("lane", "int32"), bound(first + n * lanes)
                value = Evaluator(lane, lanes)(made.at((row + lane, tirx.const(0, "int32"))))
                T.buffer_store(self.out, value, [vector_at(row, lanes)])
        with T.serial(0, count - done) as n, loop(job.outputs) as k:
            row = bound(first + done + n)
            value = Evaluator(tirx.Var("lane", "int32"), 1)(made.at((row, k)))
            T.buffer_store(self.out, value, [row * job.outputs + k])
