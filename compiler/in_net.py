"""Judges settings where they count: in two running copies of the net that take turns, one with the
defaults and one with what was faster alone.

There a setting may be slower, such as one with larger packed weights: it depends on what other
layers leave in the caches.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import tvm

from compiler import build, choices, codegen, pipeline, plan, plan_source, progress
from compiler.bench import profile as profiled
from compiler.errors import ServerError
from compiler.lowered import Lowered
from compiler.records import Book, Record
from frontends.model import Signature
from targets import Profile

ROUNDS, ROUND_S = 6, 0.5  # a process each: equal kernels are fast in one and slow in another
LEAST_RUNS = 13  # that a process takes, however long they are
BUILD_S, BUILD_S_PER_BYTE = 1.5, 10e-9  # of one copy, by what was seen


def seconds(constants: int, us: float) -> float:
    """What judging takes, about. constants: their bytes. us: of one run of the net."""
    round_s = max(ROUND_S, LEAST_RUNS * us / 1e6)
    return 2 * (BUILD_S + BUILD_S_PER_BYTE * constants + ROUNDS * round_s)


def judge(
    module: tvm.IRModule, signature: Signature, profile: Profile, book: Book, work: Path
) -> list[Record]:
    """The records that decide against a default, with `in_net`; none if all had that before."""
    here = choices.machine(profile)
    works = pipeline.workloads(module)
    deciding = {w.key: choices.Known(w, profile, book, here).rival for w in works.values()}
    rivals = {key: record for key, record in deciding.items() if record}
    if all(record.in_net is not None for record in rivals.values()):
        return []
    chosen = choices.choose(works, profile, book)
    others = {name: s for name, s in chosen.items() if works[name].key not in rivals}
    copies = [pipeline.schedule(module, profile, schedules) for schedules in (others, chosen)]
    try:
        before, after = call_times(copies, signature, profile, here.threads, work)
    except ServerError as error:
        progress.note(f"Settings were not compared in the net: {error}")
        return []
    found = ratios(before, after, rivals)
    return [replace(rivals[key], in_net=round(ratio, 3)) for key, ratio in found.items()]


def ratios(
    usual: Mapping[str, float], chosen: Mapping[str, float], rivals: Mapping[str, Record]
) -> dict[str, float]:
    """Of rivals to defaults, beside the upper quartile of the kernels that are equal: those differ
    by chance, up to 20 %, or because one copy had the better moments.
    """
    found = {key: chosen[key] / usual[key] for key in usual if usual[key] and chosen[key]}
    equal = [r for key, r in found.items() if key not in rivals]
    chance = float(np.percentile(equal, 75)) if equal else 1.0
    return {key: r / chance for key, r in found.items() if key in rivals}


def call_times(
    copies: list[Lowered], signature: Signature, profile: Profile, threads: int, work: Path
) -> list[dict[str, float]]:
    """Of every workload in each copy: the least of each of its calls, summed."""
    with tempfile.TemporaryDirectory(dir=work, prefix="tune-") as name:
        folders = [Path(name) / str(n) for n in range(len(copies))]
        for lowered, folder in zip(copies, folders, strict=True):
            _build(lowered, signature, profile, folder)
        turns = [
            [profiled(folder, profile.zig, threads, ROUND_S).calls for folder in folders]
            for _ in range(ROUNDS)
        ]
    found = []
    for lowered, rounds in zip(copies, zip(*turns, strict=True), strict=True):
        times: dict[str, float] = defaultdict(float)
        for call in zip(*rounds, strict=True):
            if kernel := lowered.kernels.get(call[0].kernel):
                times[kernel.work.key] += min(c.min_ms for c in call)
        found.append(times)
    return found


def _build(lowered: Lowered, signature: Signature, profile: Profile, folder: Path) -> None:
    """compiled.so in the folder, which is made."""
    folder.mkdir()
    objects = codegen.compile_kernels(lowered.kernels, profile, folder)
    program = plan.make(lowered, folder)
    text = plan_source.source(program, signature, profile)
    build.link_model(objects, text, program.constants, profile.zig, folder)
    program.constants.unlink()
