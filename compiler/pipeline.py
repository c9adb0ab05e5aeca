"""Relax to scheduled kernels: which passes run in which phase, and the template behind every fused
function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import tvm
from tvm import relax
from tvm.ir import GenericConst, GlobalVar

from compiler import dump, regions
from compiler.kernels import defaults
from compiler.kernels.template import Schedule
from compiler.kernels.workload import Workload
from compiler.lowered import Kernel, Lowered
from compiler.passes.channel_shuffle import channel_shuffle
from compiler.passes.find_attention import find_attention
from compiler.passes.find_norms import find_norms
from compiler.passes.fold_affine import fold_affine
from compiler.passes.fuse import fuse
from compiler.passes.integer_products import integer_products
from compiler.passes.join_parts import join_parts
from compiler.passes.lower_operators import lower_operators
from compiler.passes.lower_transposed import lower_transposed
from compiler.passes.merge_moves import merge_moves
from compiler.passes.open_windows import open_windows
from compiler.passes.order_pools import order_pools
from compiler.passes.pack_layout import pack_layout
from compiler.passes.read_in_place import read_in_place
from compiler.passes.sink_transposes import sink_transposes
from compiler.passes.store_narrow import store_narrow
from compiler.passes.take_input import take_input
from targets import Profile

Pass = Callable[[tvm.IRModule], tvm.IRModule]


@dataclass(frozen=True)
class Phase:
    name: str
    passes: tuple[Pass, ...]


def phases(profile: Profile) -> list[Phase]:
    deduplicate = relax.transform.EliminateCommonSubexpr()
    layout = partial(pack_layout, lanes=profile.isa.lanes)
    join = partial(join_parts, alignment=4 * profile.isa.lanes)
    fold = (
        store_narrow,
        integer_products,
        sink_transposes,
        fold_affine,
        order_pools,
        lower_transposed,
        lower_operators,
        channel_shuffle,
        find_attention,
        read_in_place,
        deduplicate,
        find_norms,
    )
    return [
        Phase("fold", tuple(map(each, fold))),
        Phase("layout", (each(layout), each(open_windows), each(merge_moves))),
        Phase("fuse", (each(partial(take_input, profile=profile)), each(join), fuse)),
    ]


def each(apply: Pass) -> Pass:
    """The pass over every function of a module, each as the main of its own."""

    def applied(module: tvm.IRModule) -> tvm.IRModule:
        alone = {n: tvm.IRModule({"main": f}) for n, f in regions.functions(module).items()}
        return tvm.IRModule({name: apply(one)["main"] for name, one in alone.items()})

    return applied


def lower(module: tvm.IRModule, profile: Profile) -> tvm.IRModule:
    """Every call of main and of the regions becomes a Primitive function, a view or a region's."""
    for phase in [Phase("imported", ()), *phases(profile)]:
        for apply in phase.passes:
            module = apply(module)
        if path := dump.slot(f"relax-{phase.name}.py"):
            path.write_text(show(module))
    return module


def schedule(
    module: tvm.IRModule, profile: Profile, chosen: Mapping[str, Schedule] | None = None
) -> Lowered:
    """Every Primitive function as a kernel: as `chosen` says for its name, else by the analytic
    default.
    """
    works = workloads(module)
    chosen = chosen or {}
    rest = [name for name in works if name not in chosen]
    analytic = defaults([works[name] for name in rest], profile)
    schedules = {**chosen, **dict(zip(rest, analytic, strict=True))}
    kernels = {name: Kernel(name, work, schedules[name], profile) for name, work in works.items()}
    if path := dump.slot("kernels.tir.py"):
        path.write_text("\n".join(k.emit(name).script() for name, k in kernels.items()))
    return Lowered(regions.functions(module), kernels)


def workloads(module: tvm.IRModule) -> dict[str, Workload]:
    """Every Primitive function by its name, with what is passed to it as constants."""
    constant: dict[str, frozenset[int]] = {}
    for call in kernel_calls(module):
        name = str(call.op.name_hint)
        here = frozenset(n for n, a in enumerate(call.args) if isinstance(a, GenericConst))
        constant[name] = constant.get(name, here) & here
    return {name: Workload(module[name], constant[name]) for name in sorted(constant)}


def kernel_calls(module: tvm.IRModule) -> Iterator[relax.Call]:
    """The calls of Primitive functions, of each function in turn."""
    for function in regions.functions(module).values():
        for binding in function.body.blocks[0].bindings:
            call = binding.value
            if isinstance(call, relax.Call) and isinstance(call.op, GlobalVar):
                yield call


def show(module: tvm.IRModule) -> str:
    return str(module.script(show_meta=False))
