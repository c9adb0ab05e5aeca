"""Measures the most promising schedules of a net's kernels, those first on which most time is
spent, until the time is over or nothing is left that could win.

Candidates are compiled on all cores, some dozens at a time, and then measured alone, by turns, in
the state in which the net meets them. Each result is a record at once, so that a tuning which is
stopped in any way goes on where it was. What wins is judged in the net at last.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from tvm import relax
from tvm.ir import GenericConst

import targets
from compiler import (
    alone,
    build,
    choices,
    clock,
    codegen,
    forked,
    in_net,
    pipeline,
    progress,
    records,
)
from compiler.choices import Known, identity
from compiler.kernels.operators import dtype_of, shape_of
from compiler.kernels.template import Schedule
from compiler.kernels.workload import Workload
from compiler.lowered import Kernel
from compiler.measure import Meter, Trial, Unmeasured
from compiler.records import Book, Machine, Record
from compiler.request import CompileRequest
from frontends.model import Signature
from targets import Profile, host

USUAL_S = 300  # where the request names no time
# What comes after tuning, by what was seen: linking, verifying, packing and uploading weights.
RESERVE_S, RESERVE_S_PER_BYTE = 20.0, 0.15e-6
BATCH = 24  # candidates that are compiled between two measurements
COMPILE_LIMIT_S = 30.0  # of one kernel; usual is a quarter of a second
FIRST_LIMIT_S = 5.0  # of the first runs of a kernel about which nothing is known
SAMPLE_US, MIN_RUNS, MAX_RUNS = 2000.0, 3, 100  # of a kernel in one round
ROUNDS, LINEUP_S = 12, 3.0  # for all candidates of one workload
# Round -> times the best with which a candidate drops out. The first bound is above the 2 that two
# CPUs take when for a moment they are the threads of one core.
BEHIND = {1: 2.5, 4: 1.15, 7: 1.05}
WORTHWHILE = 0.01  # of its time must a round of neighbours gain, or it was a workload's last


@dataclass
class Subject:
    """One distinct workload. estimate: microseconds by the cost model. gain: the share of its time
    that the last round saved; before and after the first, what may be hoped for.
    """

    work: Workload
    known: Known
    calls: int
    queue: list[Schedule]
    estimate: float = 0.0
    gain: float = 0.1
    rounds: int = 0
    times: dict[Any, tuple[float, Schedule]] = field(default_factory=dict)
    tried: set[Any] = field(default_factory=set)

    @property
    def best(self) -> tuple[float, Schedule] | None:
        return min(self.times.values(), key=lambda t: (t[0], identity(t[1])), default=None)

    @property
    def us(self) -> float:
        """Of all calls in one run of the net, as far as is known."""
        return self.calls * (self.best[0] if self.best else self.estimate)


def choose(
    module: tvm.IRModule,
    signature: Signature,
    profile: Profile,
    request: CompileRequest,
    workdir: Path,
) -> dict[str, Schedule]:
    """Schedules by the names of main's functions, measured now or before; the rest is left to the
    cost model.
    """
    if not request.records and request.tune_s == 0:
        return {}
    book = records.at_hand() if request.records else Book()
    works = pipeline.workloads(module)
    if request.tune_s != 0 and targets.runs_here(profile.isa):
        tuner = _Tuner(module, profile, book, request.records, workdir)
        with alone.alone(clock.left() - tuner.reserve) as mine:
            if mine:
                _measure(tuner, module, signature, request)
            else:
                progress.warning("Another job measured all the time: nothing was measured.")
    elif request.tune_s != 0:
        progress.warning(
            f"This machine cannot execute {profile.isa.name}: nothing was measured, and schedules "
            "are those of records and of the cost model."
        )
    return choices.choose(works, profile, book)


def _measure(
    tuner: _Tuner, module: tvm.IRModule, signature: Signature, request: CompileRequest
) -> None:
    budget = min(request.tune_s or USUAL_S, clock.left() - tuner.reserve)
    judging = in_net.seconds(tuner.constants, tuner.us)
    end = time.monotonic() + budget
    affordable = 2 * judging <= budget
    tuner.run(end - judging if affordable else end)
    if affordable and tuner.trials:
        tuner.keep(in_net.judge(module, signature, tuner.profile, tuner.book, tuner.workdir))


class _Tuner:
    def __init__(
        self, module: tvm.IRModule, profile: Profile, book: Book, keep: bool, workdir: Path
    ) -> None:
        self.profile, self.book, self.workdir = profile, book, workdir
        self.file = records.user_file() if keep else None
        self.here: Machine = choices.machine(profile)
        self.trials = 0
        self.constants, activations = _bytes(module)
        self.reserve = RESERVE_S + RESERVE_S_PER_BYTE * self.constants
        cache = host.cache_sizes()[3] or (32 << 20)
        beyond = self.constants + activations > cache
        self.net_bytes = 2 * cache if beyond else self.constants
        self.subjects = self._subjects(module)

    def _subjects(self, module: tvm.IRModule) -> list[Subject]:
        calls = Counter(str(call.op.name_hint) for call in pipeline.kernel_calls(module))
        found: dict[str, Subject] = {}
        for name, work in pipeline.workloads(module).items():
            if work.key in found:
                found[work.key].calls += calls[name]
                continue
            known = Known(work, self.profile, self.book, self.here)
            subject = Subject(work, known, calls[name], known.wanted())
            for record in known.measured:
                schedule = known.schedule(record)
                subject.times[identity(schedule)] = record.us, schedule
            if subject.queue:
                first = subject.queue[0]
                cycles = first.template.cost(work, self.profile, first.point)
                subject.estimate = cycles / 3e3
            found[work.key] = subject
        return list(found.values())

    @property
    def us(self) -> float:
        """Of one run of the net, as far as is known."""
        return sum(subject.us for subject in self.subjects)

    def run(self, end: float) -> None:
        """Candidates of all, then neighbours of the best for as long as they gain."""
        going = [s for s in self.subjects if s.queue]
        if not going or time.monotonic() >= end:
            return
        program = build.link_measure(self.profile.zig, self.workdir)
        with Meter(program, self.here.threads, self.net_bytes) as meter:
            while going and time.monotonic() < end:
                going.sort(key=lambda s: -s.us * s.gain)
                going = [s for s in self._round(going, meter, end) if self._refill(s)]
                progress.note(f"best {self.us / 1e3:.2f} ms, {self.trials} trials")

    def _refill(self, subject: Subject) -> bool:
        """Neighbours of the best come next, if it is worth while and there are any."""
        if subject.best is None or subject.gain < WORTHWHILE:
            return False
        known = subject.tried | set(subject.times)
        near = subject.known.neighbours(subject.best[1])
        subject.queue = [s for s in near if identity(s) not in known]
        return bool(subject.queue)

    def _round(self, subjects: Sequence[Subject], meter: Meter, end: float) -> list[Subject]:
        """One pass over the subjects' queues; those for which there was time."""
        finished: list[Subject] = []
        waiting = list(subjects)
        pace = 0.5  # seconds for each candidate
        while waiting:
            start = time.monotonic()
            room = (end - start) / pace
            if _size(waiting[:1]) > room:
                break
            batch = [waiting.pop(0)]
            while waiting and _size([*batch, waiting[0]]) <= min(room, BATCH):
                batch.append(waiting.pop(0))
            count = _size(batch)
            self._measure(batch, meter, end)
            pace = (time.monotonic() - start) / count
            finished += batch
            left = max(0.0, end - time.monotonic())
            progress.tuning(self.us / 1e3, self.trials, left)
        return finished

    def _measure(self, batch: Sequence[Subject], meter: Meter, end: float) -> None:
        """Compiles all candidates of the batch, then measures a subject at a time."""
        lineups = [self._lineup(subject) for subject in batch]
        with tempfile.TemporaryDirectory(dir=self.workdir, prefix="tune-") as name:
            library = Path(name) / "kernels.so"
            compiled = self._compile([k for lineup in lineups for k in lineup], library, end)
            if not compiled:
                return
            meter.open(library)
            for subject, lineup in zip(batch, lineups, strict=True):
                if time.monotonic() > end:
                    return
                kernels = {identity(k.schedule): k for k in lineup if k.symbol in compiled}
                trials = {mark: Trial.of(kernel) for mark, kernel in kernels.items()}
                times = by_turns(meter, trials)
                self._note(subject, {m: (us, kernels[m].schedule) for m, us in times.items()})

    def _compile(self, kernels: Sequence[Kernel], library: Path, end: float) -> set[str]:
        """One library of all that compile in time; their symbols."""
        folder = library.parent
        missing = [k for k in kernels if not codegen.cached(k, self.profile, folder)]
        failed = forked.run(
            lambda n: codegen.compile_kernel(missing[n], self.profile, folder),
            len(missing), host.cores(), COMPILE_LIMIT_S, end,
        )  # fmt: skip
        bad = {missing[n].symbol for n in failed}
        symbols = [kernel.symbol for kernel in kernels if kernel.symbol not in bad]
        if symbols:
            objects = [folder / f"{symbol}.o" for symbol in symbols]
            build.link_kernels(objects, self.profile.zig, library)
        return set(symbols)

    def _lineup(self, subject: Subject) -> list[Kernel]:
        """The queue's kernels, and once more the best so far: it may have had a bad moment."""
        best = [subject.best[1]] if subject.best else []
        subject.tried |= {identity(s) for s in subject.queue}
        schedules = choices.unique([*best, *subject.queue])
        subject.queue = []
        return [Kernel(subject.work.operator, subject.work, s, self.profile) for s in schedules]

    def _note(self, subject: Subject, times: Mapping[Any, tuple[float, Schedule]]) -> None:
        """Times become records. The least of a setting's times counts: noise only adds."""
        before = subject.us
        new = []
        for mark, (us, schedule) in times.items():
            if mark not in subject.times or us < subject.times[mark][0]:
                subject.times[mark] = us, schedule
                new.append(self._record(subject.work, schedule, us))
        subject.rounds += 1
        if subject.rounds > 1:
            subject.gain = 1 - subject.us / before
        self.trials += len(new)
        self.keep(new)

    def keep(self, new: Sequence[Record]) -> None:
        """In the book and the user's file."""
        for record in new:
            self.book.add(record)
        if self.file is None or not new:
            return
        try:
            records.append(new, self.file)
        except OSError as error:
            progress.warning(f"Measurements are not kept: {self.file}: {error.strerror}.")
            self.file = None

    def _record(self, work: Workload, schedule: Schedule, us: float) -> Record:
        here, template = self.here, schedule.template
        return Record(
            work.key, here.isa, here.cpu, here.threads,
            template.name, template.version, schedule.point, round(us, 3),
        )  # fmt: skip


def by_turns(meter: Meter, trials: Mapping[Any, Trial]) -> dict[Any, float]:
    """Microseconds of each kernel that could be measured. Round by round every one has its turn,
    so that a noisy moment hits all, and what is behind soon drops out; a time is the least.
    """
    best: dict[Any, float] = {}
    running = list(trials)
    enough = time.monotonic() + LINEUP_S
    for number in range(ROUNDS):
        for mark in list(running):
            lead, mine = min(best.values(), default=0.0), best.get(mark, 0.0)
            runs = int(min(max(SAMPLE_US / mine, MIN_RUNS), MAX_RUNS)) if mine else MIN_RUNS
            limit_s = 1.0 + 20 * max(mine, lead) * runs / 1e6 if lead else FIRST_LIMIT_S
            try:
                best[mark] = min(*meter.times(trials[mark], runs, limit_s), mine or math.inf)
            except Unmeasured as error:
                progress.note(f"{error}")
                running.remove(mark)
                best.pop(mark, None)
        if number in BEHIND and best:
            bound = BEHIND[number] * min(best.values())
            running = [mark for mark in running if best[mark] <= bound]
        if number >= min(BEHIND) and time.monotonic() > enough:
            break
    return best


def _size(batch: Sequence[Subject]) -> int:
    return sum(len(subject.queue) + 1 for subject in batch)


def _bytes(module: tvm.IRModule) -> tuple[int, int]:
    """Of the net's constants, and of its largest activation and what is made from it."""
    constants: dict[Any, int] = {}
    largest = 0
    for call in pipeline.kernel_calls(module):
        for argument in call.args:
            if isinstance(argument, GenericConst):
                constants[argument] = _nbytes(argument)
        largest = max(largest, _nbytes(call))
    return sum(constants.values()), 2 * largest


def _nbytes(expr: relax.Expr) -> int:
    return math.prod(shape_of(expr)) * np.dtype(dtype_of(expr)).itemsize
