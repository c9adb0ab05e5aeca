"""How every operator family runs: families of templates in order, the first of which a member
accepts a workload schedules it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

from compiler.errors import ClientError
from compiler.kernels.attention import Attention
from compiler.kernels.columns import Columns
from compiler.kernels.contraction import Contraction
from compiler.kernels.conv2d import DirectConv
from compiler.kernels.depthwise import Depthwise, Pool
from compiler.kernels.elementwise import Elementwise, Empty, Pieces
from compiler.kernels.forest_ranks import ForestRanks
from compiler.kernels.forest_walk import ForestWalk
from compiler.kernels.matmul import Matmul
from compiler.kernels.order import Order, Places
from compiler.kernels.recurrent import Recurrent
from compiler.kernels.reduce import Reduce
from compiler.kernels.resize import Resize
from compiler.kernels.rows import Rows
from compiler.kernels.scan import Scan
from compiler.kernels.scatter import Scatter
from compiler.kernels.search import Choice
from compiler.kernels.suppress import Suppress
from compiler.kernels.template import Schedule, Template
from compiler.kernels.transpose import Transpose
from compiler.kernels.winograd import Winograd
from compiler.kernels.workload import Workload
from targets import Profile

# The templates of one row compete: the cheapest by its own estimate, or by measurement, wins.
FAMILIES: tuple[tuple[Template, ...], ...] = (
    (Empty(),),
    (DirectConv(), Winograd()),
    (Depthwise(),),
    (Pool(),),
    (Attention(),),
    (Matmul(),),
    (Contraction(),),
    (Recurrent(),),
    (Reduce(),),
    (Rows(),),
    (Columns(),),
    (Choice(),),
    (Order(),),
    (Places(),),
    (Suppress(),),
    (Resize(),),
    (Scan(),),
    (Scatter(),),
    (ForestRanks(),),
    (ForestWalk(),),
    (Pieces(),),
    (Transpose(),),
    (Elementwise(),),
)


TYPES = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
)


def templates(work: Workload, profile: Profile) -> list[Template]:
    """The templates that accept a workload, of the first family in which one does."""
    if not work.types <= TYPES:
        return []
    accepting = ([t for t in family if t.accepts(work, profile)] for family in FAMILIES)
    return next(filter(None, accepting), [])


def default(work: Workload, profile: Profile) -> Schedule | None:
    """The analytic choice; None: no template computes the workload."""
    found = [Schedule(t, t.default(work, profile)) for t in templates(work, profile)]
    return min(found, key=lambda s: s.template.cost(work, profile, s.point), default=None)


def defaults(works: Iterable[Workload], profile: Profile) -> list[Schedule]:
    """The analytic choice for each. Raises ClientError, naming every workload that has none."""
    found: list[Schedule] = []
    missing: list[str] = []
    for work in works:
        schedule = default(work, profile)
        if schedule is None:
            kinds = " and ".join(sorted(work.types - TYPES)) or work.output[1]
            missing.append(f"{work.operator} of {kinds} {list(work.output[0])}")
        else:
            found.append(schedule)
    if missing:
        raise ClientError(
            "The model needs operators that no kernel computes yet: "
            + ", ".join(dict.fromkeys(missing))
            + ". Replace them in the model, or compute them outside of it."
        )
    return found


def ranked(work: Workload, profile: Profile) -> list[Schedule]:
    """Every setting of every template that accepts the workload, the most promising first."""
    found = [Schedule(t, p) for t in templates(work, profile) for p in t.space(work, profile)]
    costs = {id(s): s.template.cost(work, profile, s.point) for s in found}
    return sorted((s for s in found if isfinite(costs[id(s)])), key=lambda s: costs[id(s)])
