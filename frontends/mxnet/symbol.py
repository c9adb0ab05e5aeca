"""Symbol JSON of MXNet 0.8 to 1.9: nodes with attributes as text, heads among their results.

The file is data of a stranger: everything is checked, nothing is taken to be there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frontends.model import ModelError

MAX_NODES = 1 << 18
VARIABLE = "null"
FIRST_VERSION = 800  # files older than 0.9 do not tell theirs
SPELLINGS = ("attrs", "attr", "param")  # of a node's attributes, newest first
EXPORT = "Export the model again with HybridBlock.export() or Module.save_checkpoint()."

Entry = tuple[int, int]  # the number of a node, and of one of its results


@dataclass(frozen=True)
class Node:
    """One node; `inputs` come before it in the file."""

    op: str
    name: str
    attributes: Mapping[str, str]
    inputs: tuple[Entry, ...]


@dataclass(frozen=True)
class Symbol:
    """A whole file. version: 10901 is 1.9.1."""

    nodes: tuple[Node, ...]
    heads: tuple[Entry, ...]
    version: int


def parse(data: bytes) -> Symbol:
    """Raises ModelError for what is no symbol file."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise ModelError(f"The symbol file is no JSON: {problem}. {EXPORT}") from None
    if not isinstance(document, dict) or not isinstance(document.get("nodes"), list):
        raise ModelError(f"The symbol file has no list of nodes. {EXPORT}")
    listed = document["nodes"]
    if len(listed) > MAX_NODES:
        raise ModelError(f"The symbol file has {len(listed)} nodes; at most {MAX_NODES} are read.")
    nodes = tuple(_node(number, entry) for number, entry in enumerate(listed))
    names = [n.name for n in nodes if n.op == VARIABLE]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ModelError(f"The symbol file has two variables '{twice}'.")
    heads = document.get("heads")
    if not isinstance(heads, list) or not heads:
        raise ModelError(f"The symbol file has no heads. {EXPORT}")
    ends = tuple(_entry("the list of heads", entry, len(nodes)) for entry in heads)
    return Symbol(nodes, ends, _version(document.get("attrs")))


def _node(number: int, entry: Any) -> Node:
    if not isinstance(entry, dict):
        raise ModelError(f"Node {number} of the symbol file is no object.")
    op, name, inputs = (entry.get(key) for key in ("op", "name", "inputs"))
    if not isinstance(op, str) or not isinstance(name, str) or not isinstance(inputs, list):
        raise ModelError(f"Node {number} of the symbol file lacks op, name or inputs.")
    where = f"node '{name}'"
    attributes: dict[str, str] = {}
    for key in reversed(SPELLINGS):  # files of 0.9 have `param` for the operator and `attr` beside
        given = entry.get(key, {})
        if not isinstance(given, dict) or not all(isinstance(v, str) for v in given.values()):
            raise ModelError(f"The attributes of {where} are not all text.")
        attributes |= given
    if entry.get("subgraphs"):
        raise ModelError(
            f"The operator {op} of {where} holds a graph of its own, which is not supported."
        )
    return Node(op, name, attributes, tuple(_entry(where, i, number) for i in inputs))


def _entry(where: str, entry: Any, count: int) -> Entry:
    """[node, result] or, with the version of a variable behind, [node, result, version]."""
    numbers = isinstance(entry, list) and all(type(part) is int for part in entry)
    if not numbers or len(entry) not in (2, 3):
        raise ModelError(f"{where} reads {str(entry)[:40]}, which is no [node, result].")
    if not 0 <= entry[0] < count or entry[1] < 0:
        raise ModelError(f"{where} reads {entry}, which nothing before it makes.")
    return entry[0], entry[1]


def _version(attributes: Any) -> int:
    found = attributes.get("mxnet_version") if isinstance(attributes, dict) else None
    known = isinstance(found, list) and len(found) == 2 and type(found[1]) is int
    return found[1] if known and found is not None else FIRST_VERSION
