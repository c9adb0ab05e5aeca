"""What every front end gives: one Relax module, its signature, and the oracle that can judge it.

A front end raises `ModelError` for anything that is wrong with the client's model or input shapes.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tvm

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Known:
    """An input whose value the client gives when the model is compiled: numbers, nested."""

    value: Any


# What a client says of the inputs: by name, or in the order of the model's inputs. -1 is unknown.
Given = tuple[int, ...] | Known
DataInputConfig = dict[str, Given] | list[Given]

SHAPE = ":shape"


def shape_name(output: str) -> str:
    """The output that holds the shape of another one, int64, where only the data decide it."""
    return output + SHAPE


# The rows that a model for any number of them is compiled for. The last block has to be worth a
# parallel region for every core that a device may have, the others fill up what is left.
BLOCKS = (1, 32, 128, 2048)


def more_rows(rows: int) -> str:
    """The function of a module that is `main` for so many rows."""
    return f"main_{rows}"


def entries(functions: Iterable[str]) -> list[str]:
    """Of a module's functions those that are run: `main`, and the same for more and more rows."""
    others = [name for name in functions if name.startswith("main_")]
    return ["main", *sorted(others, key=lambda name: int(name.removeprefix("main_")))]


class ModelError(Exception):
    """The client's model or shapes cannot be used. The text says what, where, and what to do."""


@dataclass(frozen=True)
class Tensor:
    """One input or output as the user sees it. `dtype` is numpy's name. The first dimension is -1
    where it may be any: of the one input, and then of all outputs.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs in the order of the model's own file. An output of a size that only the
    data decide is as large as it may become, with zeros behind what there is; an output named by
    `shape_name`, behind all others, says how much that is. fewer_columns: of a model for any number
    of rows, whether fewer may be given than the input has, for values that are missing.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    fewer_columns: bool = False

    @property
    def own(self) -> tuple[Tensor, ...]:
        """The outputs that the model itself has."""
        names = {tensor.name for tensor in self.outputs}
        return tuple(t for t in self.outputs if not _is_shape(t.name, names))


def cut(outputs: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs that the model itself has, each of its shape at run time."""
    own = {n: a for n, a in outputs.items() if not _is_shape(n, outputs)}
    return {
        n: a[tuple(slice(int(d)) for d in outputs[shape_name(n)])]
        if shape_name(n) in outputs
        else a
        for n, a in own.items()
    }


def _is_shape(name: str, names: Collection[str]) -> bool:
    return name.endswith(SHAPE) and name.removesuffix(SHAPE) in names


@dataclass(frozen=True)
class Reference:
    """The model's own framework. answers: the inputs of several runs -> the outputs of each.
    values: likewise its quantised tensors, by the names that the oracle has for them; each of any
    order of axes.
    """

    name: str
    answers: Callable[[Sequence[Mapping[str, Array]]], list[list[Array]]]
    values: Callable[[Sequence[Mapping[str, Array]]], list[dict[str, Array]]] | None = None


@dataclass(frozen=True)
class Model:
    """A loaded model. `module["main"]` takes the inputs in order and returns a tuple, always. Where
    the rows are free it is there for several numbers of them, see `entries`.

    `oracle` is an ONNX file with the same inputs and outputs, which ONNX Runtime can run.
    `constants` are inputs of the oracle that the module knows. `derived` is the DataInputConfig as
    JSON text when the client gave none. `reference` judges where there is one, else the oracle.
    `examples`: of an input rows like those that the model knows; others are drawn at random.
    """

    module: tvm.IRModule
    signature: Signature
    oracle: Path
    derived: str | None
    framework_version: str
    warnings: tuple[str, ...] = ()
    constants: Mapping[str, Array] = field(default_factory=dict)
    reference: Reference | None = None
    examples: Mapping[str, Array] = field(default_factory=dict)
