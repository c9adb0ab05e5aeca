"""Regions: functions of the module that another function runs, by a call that names them.

    neoc.if("then", "else", condition, captured...)
    neoc.loop("body", [carried], trips, condition, first..., captured...)

Both branches take what is captured and give the call's results. A body takes the number of the
iteration, what is carried and what is captured. It gives whether to go on (where that is not always
so), what is carried on, and a row of every further result, in which the iterations are the first
axis. Every region has one call.
"""

from __future__ import annotations

from dataclasses import dataclass

import tvm
from tvm import relax
from tvm.ir import GlobalVar

from compiler.kernels.operators import REGIONS, integers
from compiler.kernels.workload import operands_of, operator_of
from frontends.model import entries


@dataclass(frozen=True)
class Branches:
    then: str
    otherwise: str
    condition: relax.Expr
    captured: tuple[relax.Expr, ...]


@dataclass(frozen=True)
class Loop:
    body: str
    trips: relax.Expr
    condition: relax.Expr
    first: tuple[relax.Expr, ...]
    captured: tuple[relax.Expr, ...]


def region_of(value: relax.Expr) -> Branches | Loop | None:
    """What a call runs, if it runs regions."""
    if not isinstance(value, relax.Call) or isinstance(value.op, GlobalVar):
        return None
    if operator_of(value) not in REGIONS:
        return None
    operands = operands_of(value)
    if operator_of(value) == "neoc.if":
        then, otherwise, condition, *captured = operands
        return Branches(str(then.value), str(otherwise.value), condition, tuple(captured))
    body, counts, trips, condition, *rest = operands
    [carried] = integers(counts)
    return Loop(str(body.value), trips, condition, tuple(rest[:carried]), tuple(rest[carried:]))


def names(value: relax.Expr) -> list[str]:
    """The regions that a call runs, in the plan's order."""
    region = region_of(value)
    if isinstance(region, Branches):
        return [region.then, region.otherwise]
    return [region.body] if region is not None else []


def functions(module: tvm.IRModule) -> dict[str, relax.Function]:
    """The entries and the regions that they run, in the plans' order."""
    found: dict[str, relax.Function] = {}

    def walk(name: str) -> None:
        found[name] = module[name]
        for binding in found[name].body.blocks[0].bindings:
            for region in names(binding.value):
                walk(region)

    for entry in entries([str(v.name_hint) for v in module.get_global_vars()]):
        walk(entry)
    return found
