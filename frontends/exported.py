"""A model that its own framework wrote as ONNX, in a process of its own, and judges there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from frontends import apart
from frontends import onnx as hub
from frontends.model import Array, DataInputConfig, Given, Known, Model, ModelError, Reference


def asked(config: DataInputConfig | None) -> dict[str, Any]:
    """What a script is told of the inputs: `names`, where they have some, and `given`, a shape or
    a value each. Raises ModelError for dimensions that are unknown.
    """
    if config is None:
        return {"names": None, "given": None}
    names = list(config) if isinstance(config, dict) else None
    given = list(config.values()) if isinstance(config, dict) else config
    for place, entry in enumerate(given):
        if not isinstance(entry, Known) and any(d < 1 for d in entry):
            raise ModelError(
                f"DataInputConfig gives input '{names[place] if names else place}' the shape "
                f"{list(entry)}; every dimension must be a positive number"
            )
    return {"names": names, "given": [_entry(g) for g in given]}


def _entry(given: Given) -> dict[str, Any]:
    return {"value": given.value} if isinstance(given, Known) else {"shape": list(given)}


def model(process: apart.Process, config: DataInputConfig | None, **job: Any) -> Model:
    """What the process exports. It says `names` and `shapes` of the inputs in order.

    Raises ModelError.
    """
    made = said(process, **job)
    shown = dict(zip(made["names"], made["shapes"], strict=True))
    return replace(
        imported(process, made, _shapes(made, config)),
        derived=None if config else json.dumps(shown),
    )


def said(process: apart.Process, **job: Any) -> dict[str, Any]:
    """What the process says of its export: its `version`, of every quantised tensor the file's own
    name, in `steps`, and what else the script tells. Raises ModelError for what is `open` where
    shapes are missing, or `wrong` in them, or why it `failed`.
    """
    framework = process.framework
    made = process.run("export", **job)
    if "open" in made:
        raise ModelError(hub.CANNOT_DERIVE.format(made["open"]))
    if "wrong" in made:
        raise ModelError(made["wrong"])
    if failed := made.get("failed"):
        texts = {"load": framework.cannot_load}
        raise ModelError(f"{texts.get(failed, framework.cannot_convert)} {made['why']}")
    return made


def imported(process: apart.Process, told: Mapping[str, Any], shapes: dict[str, Given]) -> Model:
    """What was exported, for inputs of these shapes or values. Raises ModelError."""
    framework = process.framework
    try:
        made = hub.load(process.folder / "model.onnx", shapes)
    except ModelError as error:  # of its own words the cause; they name another framework
        raise ModelError(f"{framework.cannot_convert} {error.__cause__ or error}") from error

    steps: Mapping[str, str] = told.get("steps", {})

    def answers(runs: Sequence[Mapping[str, Array]], own: Sequence[str] = ()) -> list[list[Array]]:
        return process.answers([[run[name] for name in shapes] for run in runs], own)

    def values(runs: Sequence[Mapping[str, Array]]) -> list[dict[str, Array]]:
        made = answers(runs, list(steps.values()))
        return [dict(zip(steps, run, strict=True)) for run in made]

    version = f"{framework.title} {told['version']}"
    return replace(
        made,
        framework_version=version,
        reference=Reference(version, answers, values if steps else None),
        warnings=(*process.warnings(told), *told.get("warnings", ())),
    )


def _shapes(said: Mapping[str, Any], config: DataInputConfig | None) -> dict[str, Given]:
    """What the client gave of every input, or else the shape that the process found."""
    names, shapes = said["names"], said["shapes"]
    given = config if isinstance(config, dict) else dict(zip(names, config or (), strict=False))
    return {n: given.get(n, tuple(s)) for n, s in zip(names, shapes, strict=True)}
