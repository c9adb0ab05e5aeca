"""What every front end gives: one Relax module, its signature, and the oracle that can judge it.

A front end raises `ModelError` for anything that is wrong with the client's model or input shapes.
"""

from dataclasses import dataclass
from pathlib import Path

import tvm

# The shapes a client asks for: by input name, or in the order of the model's inputs. -1 is unknown.
DataInputConfig = dict[str, tuple[int, ...]] | list[tuple[int, ...]]


class ModelError(Exception):
    """The client's model or shapes cannot be used. The text says what, where, and what to do."""


@dataclass(frozen=True)
class Tensor:
    """One input or output as the user sees it. `dtype` is numpy's name."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs in the order of the model's own file."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Model:
    """A loaded model. `module["main"]` takes the inputs in order and returns a tuple, always.

    `oracle` is an ONNX file with the same inputs and outputs, which ONNX Runtime can run.
    `derived` is the DataInputConfig as JSON text when the client gave none.
    """

    module: tvm.IRModule
    signature: Signature
    oracle: Path
    derived: str | None
    framework_version: str
    warnings: tuple[str, ...] = ()
