"""How every operator family runs: templates in order, the first that accepts a workload schedules it."""

from __future__ import annotations

from compiler.kernels.conv2d import DirectConv
from compiler.kernels.depthwise import Depthwise, Pool
from compiler.kernels.elementwise import Elementwise, Pieces
from compiler.kernels.matmul import Matmul
from compiler.kernels.reduce import Reduce
from compiler.kernels.resize import Resize
from compiler.kernels.rows import Rows
from compiler.kernels.template import Template
from compiler.kernels.workload import Workload
from targets import Profile

TEMPLATES: tuple[Template, ...] = (
    DirectConv(),
    Depthwise(),
    Pool(),
    Matmul(),
    Reduce(),
    Rows(),
    Resize(),
    Pieces(),
    Elementwise(),
)


class NoTemplate(Exception):
    """No template accepts the workload: its operator has no kernel yet."""


def choose(work: Workload, profile: Profile) -> Template:
    for template in TEMPLATES:
        if template.accepts(work, profile):
            return template
    raise NoTemplate(f"no kernel for {work.operator} of {work.output[1]} {list(work.output[0])}")
