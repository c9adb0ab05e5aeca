"""Forests for a few rows: several walks from root to leaf at once, each without a branch.

    for a row:                 ranks of its columns
        for 8 trees at once:   for each level: node = child[node] + (rank[column[node]] > cut[node])

A leaf leads to itself. For many rows it is 8 rows that walk one tree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import bound, kernel, loop, registers, vector_at
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
from compiler.kernels.value import ZERO, Expr, Value
from compiler.kernels.vector import Evaluator
from compiler.kernels.workload import Workload
from frontends.forest import Forest
from frontends.nodes import LEAF, Array
from targets import Profile

WALKS = 8  # at once: as many as hide a load's latency
WORDS = 4  # of a node: cut, column, first child, and of a leaf its number
NEVER = 2**31 - 1  # no rank is above it


class ForestWalk(Template):
    """rows: that a task walks together. There is no choice: what a kernel is measured with are
    tables of zeros, in which no walk is longer than a step.
    """

    name = "forest_walk"

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.operator == OPERATOR and 1 in work.constants

    def space(self, work: Workload, profile: Profile) -> Space:
        rows = Job.of(work).rows
        return Space({"rows": (max(r for r in (1, 8, 32) if r <= max(rows, 1)),)})

    def packing(self, work: Workload, profile: Profile, point: Point) -> Mapping[int, Packing]:
        job, lanes = Job.of(work), profile.isa.lanes
        table = _table(job, lanes)
        made = Packing(
            f"{self.name}{lanes}", (table.words,), lambda words: _packed(words, job, table, lanes)
        )
        return {1: made}

    def cost(self, work: Workload, profile: Profile, point: Point) -> float:
        job = Job.of(work)
        rows = -(-job.rows // profile.cores) if job.rows > 1 else 1
        search = -(-job.facts.columns // profile.isa.lanes) * (20 + 10 * rounds(job))
        walk = job.facts.trees * (1.6 * job.facts.depth + 4.0 * job.facts.width)
        return rows * (search + walk) * (1.0 if point["rows"] > 1 or job.rows == 1 else 1.1)

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        job = Job.of(work)
        words = self.packing(work, profile, point)[1].shape
        given, _, *rest = work.parameters
        with kernel(name, [given, (words, "int32"), *rest]) as (buffers, done):
            _Walk(job, profile, point["rows"], buffers).emit()
        return done[0]


def _table(job: Job, lanes: int) -> Table:
    facts = job.facts
    return Table(
        [
            *column_sizes(job, lanes),
            ("nodes", "int32", WORDS * facts.nodes),
            ("roots", "int32", facts.trees),
            ("levels", "int32", facts.trees),
            ("targets", "int32", facts.trees),
            ("leaves", job.kind, facts.leaves * facts.width),
            ("base", job.kind, job.outputs),
        ]
    )


def _packed(words: Array, job: Job, table: Table, lanes: int) -> Array:
    forest = Forest.unpacked(words)
    leaf = forest.column == LEAF
    here = np.arange(len(leaf))
    nodes = np.stack(
        [
            np.where(leaf, NEVER, forest.cut),
            np.where(leaf, 0, forest.column),
            WORDS * np.where(leaf, here, forest.child),
            np.where(leaf, forest.child, 0),
        ],
        1,
    )
    whole = len(forest.depths) // WALKS * WALKS
    most = forest.depths[:whole].reshape(-1, WALKS).max(1, initial=0)
    return table.pack(
        {
            **column_arrays(forest, job, lanes),
            "nodes": nodes.astype(np.int32),
            "roots": WORDS * forest.roots,
            "levels": np.append(np.repeat(most, WALKS), forest.depths[whole:]).astype(np.int32),
            "targets": forest.targets,
            "leaves": forest.leaves.astype(job.kind),
            "base": forest.base.astype(job.kind),
        }
    )


class _Walk:
    def __init__(
        self, job: Job, profile: Profile, together: int, buffers: Sequence[tirx.Buffer]
    ) -> None:
        self.job, self.isa, self.together = job, profile.isa, together
        self.buffers = buffers
        self.bound = job.work.bind(buffers)
        x, table = self.bound.anchor_buffers()
        self.x = Field(x, 0)
        self.fields = _table(job, self.isa.lanes).views(table)
        self.combine = COMBINE[job.aggregate]
        self.width = -(-job.facts.columns // self.isa.lanes) * self.isa.lanes or 1

    def emit(self) -> None:
        job, together = self.job, self.together
        tasks = -(-job.rows // together)
        with loop(tasks, parallel=tasks > 1) as task:
            first = bound(task * together)
            count = together if job.rows % together == 0 else tirx.min(together, job.rows - first)
            self.row_ranks = T.alloc_buffer((together * self.width,), "int32", layout=None)
            self.sums = T.alloc_buffer((together * job.outputs,), job.kind, layout=None)
            with loop(together) as n, loop(job.outputs) as k:
                T.buffer_store(self.sums, self.fields["base"][k], [n * job.outputs + k])
            self._columns(first)
            with loop(job.facts.trees // WALKS if together == 1 else 0) as group:
                if together == 1 and job.facts.trees >= WALKS:
                    self._walk([bound(group * WALKS + n) for n in range(WALKS)], [ZERO] * WALKS)
            self._rest()
            self._store(first, count)

    def _rest(self) -> None:
        """What does not fill a group."""
        job, together = self.job, self.together
        if not job.facts.trees:
            return
        if together == 1:
            done = job.facts.trees // WALKS * WALKS
            if done < job.facts.trees:
                with loop(job.facts.trees - done) as n:
                    self._walk([bound(n + done)], [ZERO])
            return
        with loop(job.facts.trees) as tree, loop(together // WALKS) as group:
            rows = [bound(group * WALKS + n) for n in range(WALKS)]
            self._walk([tree] * WALKS, rows)

    def _columns(self, first: Expr) -> None:
        """The ranks of every row; what is behind the last row is the last row once more."""
        job, lanes = self.job, self.isa.lanes
        if not job.facts.columns:
            return
        with loop(self.together) as n, loop(self.width // lanes) as vector:
            row = bound(tirx.min(first + n, tirx.const(job.rows - 1, "int32")))
            at = bound(vector * lanes)
            feature, *column = (
                self.fields[name].vector(at, lanes)
                for name in ("feature", "start", "count", "mask", "missing")
            )
            place = T.bind(feature + tirx.Broadcast(row * job.features, lanes))
            x = gather(self.x, place, self.isa)
            (rank,) = ranks([x], column, self.fields["bounds"], rounds(job), self.isa)
            T.buffer_store(self.row_ranks, rank, [vector_at(bound(n * self.width) + at, lanes)])

    def _walk(self, trees: Sequence[Expr], rows: Sequence[Expr]) -> None:
        """One tree a row: to the leaf, and what it says into the row's sums."""
        nodes, count = self.fields["nodes"], len(trees)
        state = registers(count, 1, "int32")
        for n, tree in enumerate(trees):
            T.buffer_store(state, self.fields["roots"][tree], [n])
        at = [bound(row * self.width) for row in rows]
        with T.serial(0, self.fields["levels"][trees[0]]):
            now = [T.bind(state[n]) for n in range(count)]
            cuts = [nodes[i] for i in now]
            columns = [nodes[i + 1] for i in now]
            children = [nodes[i + 2] for i in now]
            held = [T.bind(self.row_ranks[a + c]) for a, c in zip(at, columns, strict=True)]
            for n in range(count):
                second = tirx.Select(tirx.GT(held[n], cuts[n]), tirx.const(WORDS, "int32"), ZERO)
                T.buffer_store(state, children[n] + second, [n])
        leaves = [nodes[T.bind(state[n]) + 3] for n in range(count)]
        for tree, row, leaf in zip(trees, rows, leaves, strict=True):
            target = self.fields["targets"][tree]
            with loop(self.job.facts.width) as k:
                place = bound(row * self.job.outputs + target + k)
                value = self.fields["leaves"][leaf * self.job.facts.width + k]
                T.buffer_store(self.sums, self.combine(T.bind(self.sums[place]), value), [place])

    def _store(self, first: Expr, count: int | Expr) -> None:
        job = self.job
        made = self.bound.result(
            Value(
                (job.rows, job.outputs),
                job.kind,
                lambda i: self.sums[(i[0] - first) * job.outputs + i[1]],
            )
        )
        with loop(count) as n, loop(job.outputs) as k:
            row = bound(first + n)
            value = Evaluator(tirx.Var("lane", "int32"), 1)(made.at((row, k)))
            T.buffer_store(self.buffers[-1], value, [row * job.outputs + k])
