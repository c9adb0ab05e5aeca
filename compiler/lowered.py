"""What the pipeline gives: main as calls of kernels, and the kernels. Plan and code generation
read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tvm import relax, tirx

from compiler.kernels.template import Packing, Schedule
from compiler.kernels.workload import Workload


@dataclass(frozen=True)
class Kernel:
    """A scheduled kernel: its workload, the schedule that was chosen, the parameters that it reads
    packed, and the function.
    """

    name: str
    work: Workload
    schedule: Schedule
    packing: Mapping[int, Packing]
    function: tirx.PrimFunc


@dataclass(frozen=True)
class Lowered:
    """main calls only Primitive functions and views; kernels: the name of such a function -> its
    kernel.
    """

    main: relax.Function
    kernels: Mapping[str, Kernel]

    def report(self) -> list[dict[str, object]]:
        """What every kernel is, for the manifest."""
        return [
            {
                "name": k.name,
                "template": k.schedule.template.name,
                "point": dict(k.schedule.point),
                "output": list(k.work.output[0]),
            }
            for k in self.kernels.values()
        ]
