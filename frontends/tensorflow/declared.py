"""What a file declares of its inputs, and what DataInputConfig says of them, brought together.

For a script of confined.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]


class Refused(Exception):
    """What was given does not fit the model."""


class Open(Exception):
    """The shapes of the inputs are given neither by the client nor by the file."""


class Wrong(Exception):
    """The shapes do not fit the model, told in Neo's own words."""


@dataclass(frozen=True)
class Input:
    """names: all that it goes by, first the one it has if the client gives none. shape: -1 where
    the file leaves a size open, None for any rank. dtype: as numpy calls it.
    """

    names: tuple[str, ...]
    shape: Shape | None
    dtype: str


@dataclass(frozen=True)
class Chosen:
    """An input as the artifact has it. channels_first: unlike the model."""

    input: Input
    name: str
    shape: Shape
    channels_first: bool = False


def chosen(inputs: Sequence[Input], job: Mapping[str, Any]) -> list[Chosen]:
    """Of every input, in order, its name and shape. job: `names` and `given`, see exported.py.

    Raises Refused, or Open.
    """
    given = _given(inputs, job)
    return [_chosen(i, given.get(i.names[0])) for i in inputs]


def _given(inputs: Sequence[Input], job: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """By the first name of every input, how the client calls it and what is given."""
    names, given = job["names"], job["given"]
    if given is None:
        return {}
    if names is None:
        if len(given) != len(inputs):
            raise Refused(
                f"DataInputConfig lists {len(given)} shapes; the model has {len(inputs)} inputs: "
                f"{[i.names[0] for i in inputs]}"
            )
        return {i.names[0]: (i.names[0], g) for i, g in zip(inputs, given, strict=True)}
    found: dict[str, tuple[str, Any]] = {}
    for name, entry in zip(names, given, strict=True):
        known = [i for i in inputs if name in i.names] or [
            i for i in inputs if name.removesuffix(":0") in i.names
        ]
        if not known:
            raise Refused(
                f"DataInputConfig names the input '{name}', which the model does not have; its "
                f"inputs are {[i.names[0] for i in inputs]}"
            )
        if (first := known[0].names[0]) in found:
            raise Refused(f"'{found[first][0]}' and '{name}' of DataInputConfig are one input")
        found[first] = name, entry
    if missing := [i.names[0] for i in inputs if i.names[0] not in found]:
        raise Refused(
            f"DataInputConfig has no shape for the input '{missing[0]}'. Please specify all input "
            "layers in data_shape."
        )
    return found


def _chosen(declared: Input, given: tuple[str, Any] | None) -> Chosen:
    if given is None:
        name, own = declared.names[0], declared.shape
        # The first size is how many are computed at once.
        if own is None or any(d < 0 for d in own[1:]):
            shown = None if own is None else list(own)
            raise Open(f"input '{name}' having the shape {shown}")
        return Chosen(declared, name, tuple(abs(d) for d in own))
    name, entry = given
    shape = tuple(entry["shape"] if "shape" in entry else shape_of(entry["value"]))
    if fault := misfit(name, shape, declared.shape):
        raise Refused(fault)
    return Chosen(declared, name, shape)


def misfit(name: str, shape: Shape, own: Shape | None) -> str:
    """Why the shape is none of the input's; empty where it is."""
    if own is None:
        return ""
    if len(shape) != len(own):
        return (
            f"DataInputConfig gives input '{name}' {len(shape)} dimensions, {list(shape)}; the "
            f"model has {len(own)}: {list(own)}"
        )
    for place, (mine, fixed) in enumerate(zip(shape, own, strict=True)):
        if fixed >= 0 and mine != fixed:
            return (
                f"DataInputConfig gives input '{name}' {mine} at dimension {place}, which the "
                f"model fixes to {fixed}"
            )
    return ""


def shape_of(value: Any) -> Shape:
    """Of nested lists of numbers."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else math.nan
    return tuple(shape)
