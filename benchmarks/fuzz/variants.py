"""How a model is compiled: for vectors of either width, with the layouts and settings that cost
models choose, or with random ones. All of them must give the same answers.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from math import isfinite
from pathlib import Path

import onnx
import tvm
from tvm import relax

import targets
from benchmarks import onnx_backend
from benchmarks.onnx_backend import Arrays
from compiler import pipeline
from compiler.kernels import templates
from compiler.kernels.operators import shape_of
from compiler.kernels.template import Schedule
from compiler.kernels.workload import operator_of
from compiler.passes.layout_plan import Shape
from compiler.passes.pack_layout import pack_layout
from targets import Profile

DEVICES = ("ml_c4", "ml_c5", "host")
POINTS = 200  # of a template's settings, among which one is drawn


@dataclass(frozen=True)
class Variant:
    """device: what it is compiled for, by instructions that this CPU has. layouts,
    settings: seeds of random ones; None: what the cost models choose. optimised: by LLVM, which
    takes more than half of a graph's time.
    """

    device: str = "ml_c4"
    layouts: int | None = None
    settings: int | None = None
    optimised: bool = True


USUAL = Variant()


def drawn(seed: int) -> Variant:
    chance = random.Random(seed)
    device = chance.choice(DEVICES)
    if chance.random() < 0.2:
        return Variant(device)
    return Variant(
        device,
        seed if chance.random() < 0.6 else None,
        seed if chance.random() < 0.4 else None,
        chance.random() < 0.2,
    )


def compiled(proto: onnx.ModelProto, feed: Arrays, variant: Variant, folder: Path) -> Arrays:
    """Like onnx_backend.compiled."""
    model, constants = onnx_backend.imported(proto, feed, folder)
    profile = profile_of(variant)
    lowered = lower(model.module, profile, variant.layouts)
    chosen = settings(lowered, profile, variant.settings)
    scheduled = pipeline.schedule(lowered, profile, chosen)
    objects = onnx_backend.compile_together(scheduled.kernels, profile, folder)
    onnx_backend.link(objects, scheduled, model.signature, profile, folder)
    return constants


def profile_of(variant: Variant) -> Profile:
    """The device, if need be with instructions of this CPU."""
    host, profile = targets.get("host"), targets.get(variant.device)
    if not targets.runs_here(profile.isa):
        isa = replace(profile.isa, features=host.isa.features)
        profile = replace(profile, llvm=host.llvm, isa=isa)
    return profile if variant.optimised else replace(profile, llvm={**profile.llvm, "opt-level": 0})


def lower(module: tvm.IRModule, profile: Profile, layouts: int | None) -> tvm.IRModule:
    """pipeline.lower, with any layouts that the operators admit."""
    for phase in pipeline.phases(profile):
        passes = phase.passes
        if phase.name == "layout" and layouts is not None:
            pack = partial(pack_layout, lanes=profile.isa.lanes, costs=Chance(layouts))
            passes = (pipeline.each(pack), *passes[1:])
        for apply in passes:
            module = apply(module)
    return module


@dataclass(frozen=True)
class Chance:
    """Costs without reason, the same for the same operator in another graph."""

    seed: int

    def operator(self, call: relax.Call, packed: bool) -> float:
        return self._cost(f"{operator_of(call)} {shape_of(call)} {packed}")

    def transform(self, shape: Shape) -> float:
        return self._cost(str(shape))

    def _cost(self, what: str) -> float:
        return random.Random(f"{self.seed} {what}").random()


def settings(module: tvm.IRModule, profile: Profile, seed: int | None) -> Mapping[str, Schedule]:
    """Any template that computes a kernel, at any point that tuning might try."""
    if seed is None:
        return {}
    chosen = {}
    for name, work in pipeline.workloads(module).items():
        if found := templates(work, profile):
            chance = random.Random(f"{seed} {work.key}")
            template = chance.choice(found)
            points = islice(template.space(work, profile), POINTS)
            sound = [p for p in points if isfinite(template.cost(work, profile, p))]
            chosen[name] = Schedule(
                template, chance.choice(sound or [template.default(work, profile)])
            )
    return chosen
