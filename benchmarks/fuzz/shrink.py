"""The fewest nodes of a graph that still fail. Whatever a node reads from those that are gone
becomes an input, with the value that it had.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from benchmarks.fuzz.drawing import Graph, reads


def part(graph: Graph, keep: frozenset[int]) -> Graph:
    """These nodes alone. It gives what it gave, and what the others read."""
    nodes = tuple(node for n, node in enumerate(graph.nodes) if n in keep)
    made = [name for node in nodes for name in node.output]
    read = dict.fromkeys(name for node in nodes for name in reads(node) if name in graph.known)
    others = [node for n, node in enumerate(graph.nodes) if n not in keep]
    wanted = {*graph.outputs, *(name for node in others for name in reads(node))}
    unread = [name for name in made if name not in read]
    return replace(
        graph,
        nodes=nodes,
        constants={n: a for n, a in graph.constants.items() if n in read},
        inputs=tuple(n for n in read if n not in made and n not in graph.constants),
        outputs=tuple(n for n in made if n in wanted or n in unread),
    )


def shrunk(graph: Graph, fails: Callable[[Graph], bool]) -> Graph:
    """A part that fails, none of whose nodes can be spared."""
    keep = frozenset(range(len(graph.nodes)))
    size = max(1, len(keep) // 2)
    while True:
        order = sorted(keep)
        chunks = [frozenset(order[n : n + size]) for n in range(0, len(order), size)]
        smaller = (keep - chunk for chunk in chunks if keep - chunk)
        found = next((s for s in smaller if fails(part(graph, s))), None)
        if found is not None:
            keep = found
            size = min(size, max(1, len(keep) // 2))
        elif size > 1:
            size //= 2
        else:
            return one_output(part(graph, keep), fails) if len(keep) < len(graph.nodes) else graph


def one_output(graph: Graph, fails: Callable[[Graph], bool]) -> Graph:
    alone = (replace(graph, outputs=(name,)) for name in graph.outputs)
    return next((one for one in alone if fails(one)), graph)
