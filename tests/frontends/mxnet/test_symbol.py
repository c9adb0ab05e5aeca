"""Symbol files of every age, and what is none."""

import json
from typing import Any

import pytest

from frontends.model import ModelError
from frontends.mxnet import symbol


def document(spelling: str = "attrs", versions: bool = True) -> dict[str, Any]:
    entry = [0, 0, 0] if versions else [0, 0]
    return {
        "nodes": [
            {"op": "null", "name": "data", "inputs": []},
            {"op": "clip", "name": "y", spelling: {"a_min": "0"}, "inputs": [entry]},
        ],
        "arg_nodes": [0],
        "heads": [[1, *entry[1:]]],
    }


def parsed(value: Any) -> symbol.Symbol:
    return symbol.parse(json.dumps(value).encode())


@pytest.mark.parametrize("spelling", symbol.SPELLINGS)
@pytest.mark.parametrize("versions", [True, False])
def test_every_spelling(spelling: str, versions: bool) -> None:
    made = parsed(document(spelling, versions))
    assert made.nodes[1] == symbol.Node("clip", "y", {"a_min": "0"}, ((0, 0),))
    assert (made.heads, made.version) == (((1, 0),), 800)


def test_two_spellings_in_one_node() -> None:
    both = document("param")
    both["nodes"][1]["attr"] = {"lr_mult": "2"}
    assert parsed(both).nodes[1].attributes == {"a_min": "0", "lr_mult": "2"}


def test_version() -> None:
    assert parsed(document() | {"attrs": {"mxnet_version": ["int", 10901]}}).version == 10901
    assert parsed(document() | {"attrs": {"mxnet_version": "new"}}).version == 800


def change(place: str, value: Any) -> dict[str, Any]:
    made = document()
    made["nodes"][1][place] = value
    return made


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "no list of nodes"),
        ({"nodes": 3}, "no list of nodes"),
        (document() | {"heads": []}, "no heads"),
        (document() | {"heads": [[2, 0]]}, "nothing before it makes"),
        (document() | {"heads": [[0, -1]]}, "nothing before it makes"),
        (document() | {"nodes": [1]}, "is no object"),
        (change("inputs", [[1, 0, 0]]), "nothing before it makes"),
        (change("inputs", [[0]]), r"no \[node, result\]"),
        (change("inputs", [[0, 0.5]]), r"no \[node, result\]"),
        (change("inputs", None), "lacks op, name or inputs"),
        (change("attrs", {"a_min": 3}), "are not all text"),
        (change("subgraphs", [{}]), "operator clip of node 'y' holds a graph"),
        (document() | {"nodes": document()["nodes"][:1] * 2}, "two variables 'data'"),
    ],
)
def test_nonsense_is_refused(value: Any, text: str) -> None:
    with pytest.raises(ModelError, match=text):
        parsed(value)


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b"\xff\xfe\xfd", b"{}"])
def test_what_is_no_json(data: bytes) -> None:
    with pytest.raises(ModelError):
        symbol.parse(data)
