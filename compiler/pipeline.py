"""Relax to scheduled kernels: which passes run in which phase, and the template behind every fused function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import tvm
from tvm import relax, tirx

from compiler import dump
from compiler.kernels import choose
from compiler.kernels.template import Point
from compiler.kernels.workload import Workload
from compiler.passes.fold_affine import fold_affine
from compiler.passes.fuse import fuse
from compiler.passes.lower_operators import lower_operators
from compiler.passes.pack_layout import pack_layout
from targets import Profile


Pass = Callable[[tvm.IRModule], tvm.IRModule]


@dataclass(frozen=True)
class Phase:
    name: str
    passes: tuple[Pass, ...]


@dataclass(frozen=True)
class Kernel:
    """A scheduled kernel: its workload, the template and the point that were chosen, and the function."""

    name: str
    work: Workload
    template: str
    point: Point
    function: tirx.PrimFunc


@dataclass(frozen=True)
class Lowered:
    """main calls only Primitive functions and views; kernels: the name of such a function -> its kernel."""

    main: relax.Function
    kernels: Mapping[str, Kernel]

    def report(self) -> list[dict[str, object]]:
        """What every kernel is, for the manifest."""
        return [
            {
                "name": k.name,
                "template": k.template,
                "point": dict(k.point),
                "output": list(k.work.output[0]),
            }
            for k in self.kernels.values()
        ]


def phases(profile: Profile) -> list[Phase]:
    graph = [
        Phase("fold", (fold_affine, lower_operators, relax.transform.EliminateCommonSubexpr()))
    ]
    return graph + [
        Phase("layout", (partial(pack_layout, lanes=profile.isa.lanes),)),
        Phase("fuse", (fuse,)),
    ]


def lower(module: tvm.IRModule, profile: Profile) -> tvm.IRModule:
    """Every call of main becomes a Primitive function or a view."""
    for phase in phases(profile):
        for apply in phase.passes:
            module = apply(module)
        if path := dump.slot(f"relax-{phase.name}.py"):
            path.write_text(show(module))
    return module


def schedule(module: tvm.IRModule, profile: Profile) -> Lowered:
    """Each Primitive function through the first template that accepts it, at its analytic default."""
    kernels = {}
    for var in sorted(module.get_global_vars(), key=lambda v: str(v.name_hint)):
        name = str(var.name_hint)
        if name == "main":
            continue
        work = Workload(module[var])
        template = choose(work, profile)
        point = template.default(work, profile)
        kernels[name] = Kernel(
            name, work, template.name, point, template.apply(work, profile, point, name)
        )
    if path := dump.slot("kernels.tir.py"):
        path.write_text("\n".join(kernel.function.script() for kernel in kernels.values()))
    return Lowered(module["main"], kernels)


def show(module: tvm.IRModule) -> str:
    return str(module.script(show_meta=False))
