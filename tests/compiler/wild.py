"""A template some of whose settings misbehave, for tests of tuning."""

import os
import signal
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler.kernels.elementwise import Elementwise
from compiler.kernels.emit import kernel
from compiler.kernels.template import Point, Space, Template
from compiler.kernels.workload import Workload
from targets import Profile

GOOD, BETTER, CRASHES, NEVER_ENDS, RAISES, KILLS_THE_COMPILER = range(6)


class Wild(Template):
    """An operator's work, and a deed. deeds: those there are; the first is the default."""

    name = "wild"
    version = 1

    def __init__(self, *deeds: int, operator: str = "elementwise") -> None:
        self.deeds, self.operator = deeds, operator
        self.usual = Elementwise()

    def accepts(self, work: Workload, profile: Profile) -> bool:
        return work.operator == self.operator

    def space(self, work: Workload, profile: Profile) -> Space:
        return Space({"deed": self.deeds})

    def cost(self, work: Workload, profile: Profile, point: Point) -> float:
        return 1e-3 * self.deeds.index(point["deed"])

    def apply(self, work: Workload, profile: Profile, point: Point, name: str) -> tirx.PrimFunc:
        deed = point["deed"]
        if deed == RAISES:
            raise ValueError("not this one")
        if deed == KILLS_THE_COMPILER:
            os.kill(os.getpid(), signal.SIGKILL)
        if deed == BETTER:
            return self.usual.apply(work, profile, self.usual.default(work, profile), name)
        with kernel(name, work.parameters) as (buffers, done):
            _misbehave(deed, buffers[-1])
        return done[0]


def _misbehave(deed: int, out: Any) -> None:
    if deed == CRASHES:
        T.buffer_store(out, tirx.const(1.0, "float32"), [tirx.const(1 << 30, "int32")])
        return
    rounds = 1 << (62 if deed == NEVER_ENDS else 12)
    with T.serial(0, tirx.const(rounds, "int64")) as i:
        at = (i % 8).astype("int32")
        T.buffer_store(out, tirx.BufferLoad(out, [at]) * tirx.const(0.5, "float32"), [at])
