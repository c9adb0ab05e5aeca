"""PyTorch in: TorchScript and ExportedProgram, as ONNX models that torch itself exports.

torch is an extra, and has a process of its own: its archives may run code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from frontends import apart
from frontends import onnx as hub
from frontends.model import (
    Array,
    DataInputConfig,
    Given,
    Known,
    Model,
    ModelError,
    Reference,
)
from frontends.pytorch import kinds

CANNOT_LOAD = "Framework cannot load PyTorch model."
CANNOT_CONVERT = (
    "TVM cannot convert the PyTorch model. Invalid model or input-shape mismatch. "
    "Make sure that inputs are lexically ordered and of the correct dimensionality."
)
TORCH = apart.Framework("PYTORCH", "torch", Path(__file__).with_name("export.py"), CANNOT_LOAD)
NEEDED = {"script": ("torch",), "program": ("torch", "onnxscript")}
DTYPES = {"float": "float32", "float32": "float32", "int64": "int64", "long": "int64"}


def load(path: Path, config: DataInputConfig | None, dtype: object = None) -> Model:
    """dtype: of CompilerOptions, for all inputs. Raises ModelError."""
    if dtype is not None and str(dtype) not in DTYPES:
        raise ModelError(f"CompilerOptions dtype {dtype!r} is none of {', '.join(DTYPES)}.")
    try:
        kind = kinds.kind(path)
    except ModelError as cause:
        raise ModelError(f"{CANNOT_LOAD} {cause}") from None
    names, given = _inputs(config)
    process = apart.Process(TORCH, path, NEEDED[kind], kind=kind)
    said = process.run(
        "export",
        names=names,
        given=None if given is None else [_entry(g) for g in given],
        dtype=DTYPES[str(dtype)] if dtype else None,
    )
    if "open" in said:
        raise ModelError(hub.CANNOT_DERIVE.format(said["open"]))
    if failed := said.get("failed"):
        raise ModelError(f"{CANNOT_LOAD if failed == 'load' else CANNOT_CONVERT} {said['why']}")
    shapes = [tuple(shape) for shape in said["shapes"]]
    model = _imported(process, said, given or shapes)
    shown = dict(zip(said["names"], said["shapes"], strict=True))
    return replace(model, derived=None if config else json.dumps(shown))


def _inputs(
    config: DataInputConfig | None,
) -> tuple[list[str] | None, Sequence[Given] | None]:
    """Names and shapes in the order of forward()'s positions, as Neo has it: of an object, its
    keys are sorted.
    """
    if config is None:
        return None, None
    if isinstance(config, dict):
        names = sorted(config)
        given = [config[name] for name in names]
    else:
        names, given = [f"input{n}" for n in range(len(config))], config
    for name, entry in zip(names, given, strict=True):
        if not isinstance(entry, Known) and any(d < 1 for d in entry):
            raise ModelError(
                f"DataInputConfig gives input '{name}' the shape {list(entry)}; every dimension "
                "must be a positive number"
            )
    return names, given


def _entry(given: Given) -> dict[str, Any]:
    return {"value": given.value} if isinstance(given, Known) else {"shape": list(given)}


def _imported(process: apart.Process, said: Mapping[str, Any], given: Sequence[Given]) -> Model:
    names = said["names"]
    try:
        model = hub.load(process.folder / "model.onnx", dict(zip(names, given, strict=True)))
    except ModelError as error:  # of its own words the cause; they name another framework
        raise ModelError(f"{CANNOT_CONVERT} {error.__cause__ or error}") from error

    def answers(runs: Sequence[Mapping[str, Array]]) -> list[list[Array]]:
        return process.answers([[run[name] for name in names] for run in runs])

    return replace(
        model,
        framework_version=f"torch {said['torch']}",
        reference=Reference(f"torch {said['torch']}", answers),
        warnings=process.warnings(said),
    )
