"""What the pipeline gives: functions as calls of kernels, and the kernels. Plan and code generation
read it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from tvm import relax, tirx
from tvm.ir import GlobalVar

from compiler import regions
from compiler.kernels.effort import flops, moved_bytes
from compiler.kernels.template import Packing, Schedule
from compiler.kernels.workload import Workload
from frontends.model import entries
from targets import Profile


@dataclass(frozen=True)
class Kernel:
    """A scheduled kernel: its workload and the schedule that was chosen."""

    name: str
    work: Workload
    schedule: Schedule
    profile: Profile

    @cached_property
    def packing(self) -> Mapping[int, Packing]:
        """The parameters that it reads packed."""
        return self.schedule.template.packing(self.work, self.profile, self.schedule.point)

    @cached_property
    def symbol(self) -> str:
        """The function's name in the object file: equal kernels have one, whatever the net."""
        template, point = self.schedule.template, sorted(self.schedule.point.items())
        text = f"{self.work.key} {template.version} {point}"
        return f"{template.name}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    @property
    def cost(self) -> float:
        """Cycles of a call, by the cost model."""
        return self.schedule.template.cost(self.work, self.profile, self.schedule.point)

    def emit(self, name: str) -> tirx.PrimFunc:
        template, point = self.schedule.template, self.schedule.point
        return template.apply(self.work, self.profile, point, name)


@dataclass(frozen=True)
class Lowered:
    """functions: the entries and the regions, which call only Primitive functions, views and
    regions; kernels: the name of a Primitive function -> its kernel.
    """

    functions: Mapping[str, relax.Function]
    kernels: Mapping[str, Kernel]

    @property
    def main(self) -> relax.Function:
        return self.functions["main"]

    def calls(self, name: str = "main") -> Iterator[relax.Call]:
        """Of kernels by a function and by the regions in it, in the plan's order."""
        for binding in self.functions[name].body.blocks[0].bindings:
            if isinstance(binding.value, relax.Call) and isinstance(binding.value.op, GlobalVar):
                yield binding.value
            for region in regions.names(binding.value):
                yield from self.calls(region)

    def report(self) -> list[dict[str, object]]:
        """What every kernel is and does in one call, and the layers of each of its calls in their
        order, for the manifest.
        """
        calls: dict[str, list[list[str]]] = {name: [] for name in self.kernels}
        for call in (call for entry in entries(self.functions) for call in self.calls(entry)):
            layers = call.attrs["layers"] if call.attrs else []
            calls[str(call.op.name_hint)].append([str(layer) for layer in layers])
        return [
            {
                "name": k.name,
                "template": k.schedule.template.name,
                "point": dict(k.schedule.point),
                "output": list(k.work.output[0]),
                "flops": flops(k.work),
                "bytes": moved_bytes(k.work, k.packing),
                "calls": calls[k.name],
            }
            for k in self.kernels.values()
        ]
