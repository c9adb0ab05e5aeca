"""Shapes of Keras inputs: Neo asks for channels first although the model has them last.

Both orders are taken, channels first where a shape fits either. For a script of confined.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from frontends.tensorflow import declared
from frontends.tensorflow.declared import Chosen, Input, Shape, Wrong

IMAGES = (4, 5)  # ranks: batch, height and width, or depth too, channels


def chosen(inputs: Sequence[Input], job: Mapping[str, Any], first: bool) -> list[Chosen]:
    """As declared.chosen, with channels moved where the client gives them first. first: the model
    itself has them there. Raises Wrong, in Neo's words.
    """
    names, given = job["names"], job["given"]
    if names is not None and (missing := [i.names[0] for i in inputs if i.names[0] not in names]):
        raise Wrong(
            f"Model contains input layer ({missing[0]}) not specified in data_shape. Please "
            f"specify all input layers in data_shape. Its input layers are "
            f"{[i.names[0] for i in inputs]}, DataInputConfig has {names}."
        )
    if given is None or first:
        return declared.chosen(inputs, job)
    order = {name: place for place, name in enumerate(names)} if names is not None else {}
    entries = [given[order.get(i.names[0], n)] for n, i in enumerate(inputs) if n < len(given)]
    moved = [_is_moved(i, e) for i, e in zip(inputs, entries, strict=False)]
    shaped = [
        Input(i.names, _first(i.shape) if m and i.shape else i.shape, i.dtype)
        for i, m in zip(inputs, moved, strict=False)
    ]
    found = declared.chosen(shaped, job)
    return [Chosen(i, c.name, c.shape, m) for i, c, m in zip(inputs, found, moved, strict=True)]


def _is_moved(one: Input, entry: Mapping[str, Any]) -> bool:
    """Whether the shape has its channels first."""
    if one.shape is None or "shape" not in entry:
        return False
    name, own, shape = one.names[0], one.shape, tuple(entry["shape"])
    if own[:1] != (-1,) and len(shape) == len(own) and own[:1] != shape[:1]:
        raise Wrong(
            f"Input {name} has wrong batch size in Input Shape dictionary. The model's is "
            f"{own[0]}, DataInputConfig has {list(shape)}."
        )
    if len(own) in IMAGES and not declared.misfit(name, shape, _first(own)):
        return True
    if not declared.misfit(name, shape, own):
        return False
    shown = ",".join("None" if d < 0 else str(d) for d in _first(own))
    raise Wrong(
        f"Input {name} has wrong shape in Input Shape dictionary. Input shapes should be provided "
        f"in NCHW format. For example, ({shown}). DataInputConfig has {list(shape)}."
    )


def _first(shape: Shape) -> Shape:
    """The same with its channels behind the batch."""
    return (shape[0], shape[-1], *shape[1:-1]) if len(shape) in IMAGES else shape


def to_last(rank: int) -> list[int]:
    return [0, *range(2, rank), 1]


def to_first(rank: int) -> list[int]:
    return [0, rank - 1, *range(1, rank - 1)]
