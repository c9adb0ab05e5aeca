"""Which schedules records speak for, and which are worth a measurement.

Records of this machine's kind and of the template's version decide. Those of other machines with
the instruction set come first among the candidates, and decide where nothing better is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from tvm.target import codegen

import targets
from compiler.kernels import default, ranked, templates
from compiler.kernels.template import Schedule
from compiler.kernels.workload import Workload
from compiler.records import NOISE, Book, Machine, Record
from targets import Profile, host

DEPTH = 8  # settings of a workload that are measured at first


def machine(profile: Profile) -> Machine:
    """Where measurements count: this machine if it runs the code, else the device."""
    if not targets.runs_here(profile.isa):
        return Machine(profile.isa.name, str(profile.llvm["mcpu"]), profile.cores)
    threads = min(profile.cores, host.cores())
    return Machine(profile.isa.name, str(codegen.llvm_get_system_cpu()), threads)


def identity(schedule: Schedule) -> tuple[Any, ...]:
    return schedule.template.name, tuple(sorted(schedule.point.items()))


class Known:
    """What records say of one workload."""

    def __init__(self, work: Workload, profile: Profile, book: Book, here: Machine) -> None:
        self.work, self.profile = work, profile
        self._templates = {t.name: t for t in templates(work, profile)}
        self._spaces = {n: t.space(work, profile) for n, t in self._templates.items()}
        usable = [r for r in book.of(work.key) if r.isa == here.isa and self._fits(r)]
        current = [r for r in usable if r.version == self._templates[r.template].version]
        self.measured = [r for r in current if r.machine == here]
        self._elsewhere = [r for r in current if r.machine != here]
        self._older = [r for r in usable if r not in current]

    def schedule(self, record: Record) -> Schedule:
        return Schedule(self._templates[record.template], record.point)

    @property
    def best(self) -> Schedule | None:
        """What records decide; None: they do not know the workload. The default stays unless
        another setting is faster by more than noise, and not slower by more than that in the net.
        """
        found = self.measured or self._elsewhere
        if not found:
            return None
        first, usual = self.schedule(found[0]), default(self.work, self.profile)
        if usual is None:
            return first
        close = [identity(self.schedule(r)) for r in found if r.us <= NOISE * found[0].us]
        stays = identity(usual) in close or (found[0].in_net or 0.0) > NOISE
        return usual if stays else first

    @property
    def rival(self) -> Record | None:
        """What decides against the default, where both were measured here."""
        best, usual = self.best, default(self.work, self.profile)
        measured = {identity(self.schedule(r)) for r in self.measured}
        if best is None or usual is None or identity(usual) not in measured:
            return None
        return self.measured[0] if identity(best) != identity(usual) else None

    def candidates(self) -> list[Schedule]:
        """The default first, then what was fast elsewhere, then each template's best."""
        promising = ranked(self.work, self.profile)
        firsts = {s.template.name: s for s in reversed(promising)}
        hints = [self.schedule(r) for r in (*self._elsewhere, *self._older)][: DEPTH // 2]
        analytic = default(self.work, self.profile)
        usual = [analytic] if analytic is not None else []
        return unique([*usual, *hints, *firsts.values(), *promising])

    def wanted(self) -> list[Schedule]:
        """Candidates whose measurement is missing."""
        first = self.candidates()[:DEPTH]
        done = {identity(self.schedule(r)) for r in self.measured}
        covered = Counter[str]()
        for record in self.measured:
            covered[record.template] += record.best_of
        asked = Counter(s.template.name for s in first)
        return [
            s
            for s in first
            if identity(s) not in done and covered[s.template.name] < asked[s.template.name]
        ]

    def neighbours(self, schedule: Schedule) -> list[Schedule]:
        """One knob a step up or down, where the template deems that worth a trial."""
        template, point = schedule.template, schedule.point
        found = [
            Schedule(template, {**point, name: value})
            for name, values in self._spaces[template.name].knobs.items()
            for value in _beside(sorted(values), point[name])
        ]
        return [s for s in found if self._worthwhile(s)]

    def _fits(self, record: Record) -> bool:
        return record.template in self._spaces and record.point in self._spaces[record.template]

    def _worthwhile(self, schedule: Schedule) -> bool:
        template, point = schedule.template, schedule.point
        within = point in self._spaces[template.name]
        return within and isfinite(template.cost(self.work, self.profile, point))


def choose(works: Mapping[str, Workload], profile: Profile, book: Book) -> dict[str, Schedule]:
    """The schedules that records decide, by the names of their functions."""
    here = machine(profile)
    best = {name: Known(work, profile, book, here).best for name, work in works.items()}
    return {name: schedule for name, schedule in best.items() if schedule is not None}


def unique(schedules: Iterable[Schedule]) -> list[Schedule]:
    found: dict[tuple[Any, ...], Schedule] = {}
    for schedule in schedules:
        found.setdefault(identity(schedule), schedule)
    return list(found.values())


def _beside(values: list[int], value: int) -> list[int]:
    at = values.index(value)
    return values[max(at - 1, 0) : at] + values[at + 1 : at + 2]
