"""Relax to scheduled kernels: which passes run in which phase, and the template behind every fused
function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import tvm
from tvm import relax

from compiler import dump
from compiler.kernels import choose_all
from compiler.kernels.workload import Workload
from compiler.lowered import Kernel, Lowered
from compiler.passes.fold_affine import fold_affine
from compiler.passes.fuse import fuse
from compiler.passes.lower_operators import lower_operators
from compiler.passes.lower_transposed import lower_transposed
from compiler.passes.open_windows import open_windows
from compiler.passes.pack_layout import pack_layout
from targets import Profile

Pass = Callable[[tvm.IRModule], tvm.IRModule]


@dataclass(frozen=True)
class Phase:
    name: str
    passes: tuple[Pass, ...]


def phases(profile: Profile) -> list[Phase]:
    deduplicate = relax.transform.EliminateCommonSubexpr()
    layout = partial(pack_layout, lanes=profile.isa.lanes)
    return [
        Phase("fold", (fold_affine, lower_transposed, lower_operators, deduplicate)),
        Phase("layout", (layout, open_windows)),
        Phase("fuse", (fuse,)),
    ]


def lower(module: tvm.IRModule, profile: Profile) -> tvm.IRModule:
    """Every call of main becomes a Primitive function or a view."""
    for phase in [Phase("imported", ()), *phases(profile)]:
        for apply in phase.passes:
            module = apply(module)
        if path := dump.slot(f"relax-{phase.name}.py"):
            path.write_text(show(module))
    return module


def schedule(module: tvm.IRModule, profile: Profile) -> Lowered:
    """Each Primitive function through the first template that accepts it, at its analytic
    default.
    """
    kernels = {}
    names = sorted(str(var.name_hint) for var in module.get_global_vars())
    works = {name: Workload(module[name]) for name in names if name != "main"}
    templates = choose_all(works.values(), profile)
    for (name, work), template in zip(works.items(), templates, strict=True):
        point = template.default(work, profile)
        kernels[name] = Kernel(
            name, work, template.name, point, template.apply(work, profile, point, name)
        )
    if path := dump.slot("kernels.tir.py"):
        path.write_text("\n".join(kernel.function.script() for kernel in kernels.values()))
    return Lowered(module["main"], kernels)


def show(module: tvm.IRModule) -> str:
    return str(module.script(show_meta=False))
