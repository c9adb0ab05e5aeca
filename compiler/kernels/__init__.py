"""How every operator family runs: templates in order, the first that accepts a workload schedules
it.
"""

from __future__ import annotations

from collections.abc import Iterable

from compiler.errors import ClientError
from compiler.kernels.contraction import Contraction
from compiler.kernels.conv2d import DirectConv
from compiler.kernels.depthwise import Depthwise, Pool
from compiler.kernels.elementwise import Elementwise, Empty, Pieces
from compiler.kernels.matmul import Matmul
from compiler.kernels.reduce import Reduce
from compiler.kernels.rows import Rows
from compiler.kernels.scan import Scan
from compiler.kernels.scatter import Scatter
from compiler.kernels.search import Choice
from compiler.kernels.template import Template
from compiler.kernels.workload import Workload
from targets import Profile

TEMPLATES: tuple[Template, ...] = (
    Empty(),
    DirectConv(),
    Depthwise(),
    Pool(),
    Matmul(),
    Contraction(),
    Reduce(),
    Rows(),
    Choice(),
    Scan(),
    Scatter(),
    Pieces(),
    Elementwise(),
)


TYPES = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
)


def choose(work: Workload, profile: Profile) -> Template:
    return choose_all([work], profile)[0]


def choose_all(works: Iterable[Workload], profile: Profile) -> list[Template]:
    """The template of each workload. Raises ClientError, naming every workload that has none."""
    found: list[Template] = []
    missing: list[str] = []
    for work in works:
        accepting = (t for t in TEMPLATES if work.types <= TYPES and t.accepts(work, profile))
        template = next(accepting, None)
        if template is None:
            kinds = " and ".join(sorted(work.types - TYPES)) or work.output[1]
            missing.append(f"{work.operator} of {kinds} {list(work.output[0])}")
        else:
            found.append(template)
    if missing:
        raise ClientError(
            "The model needs operators that no kernel computes yet: "
            + ", ".join(dict.fromkeys(missing))
            + ". Replace them in the model, or compute them outside of it."
        )
    return found
