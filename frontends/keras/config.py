"""A model's configuration, read as data: what it is made of, before anything is made.

A Lambda layer is Python code, and a class of the user's own is nothing without its code. For a
script of confined.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from frontends.tensorflow.declared import Refused

SAVED_MODEL = (
    "export a SavedModel, which holds no Python: model.export(path), and compile it with the "
    "framework TENSORFLOW"
)
CODE = ("Lambda", "__lambda__")
VALUE = re.compile(r"__\w+__$")  # a tensor, a slice and the like, as Keras 3 writes them
OWN = ("builtins", "keras", "tf_keras")  # the first part of a module of Keras
# What is known by its place alone has classes of its own.
BESIDE = re.compile(r"(initializer|regularizer|constraint|activation|dtype|policy|compile_config)$")


@dataclass(frozen=True)
class Part:
    """Something that the configuration makes. module: where Keras 3 says its class is."""

    kind: str
    name: str
    module: str | None
    registered: str | None

    @property
    def title(self) -> str:
        return f"'{self.name}'" if self.name else "one without a name"


def parts(config: Any, place: str = "") -> Iterator[Part]:
    """All layers and models, wrapped ones too. Older files say a class's name alone."""
    if isinstance(config, list):
        for entry in config:
            yield from parts(entry, place)
    if not isinstance(config, dict) or BESIDE.search(place):
        return
    kind, inner = config.get("class_name"), config.get("config")
    if isinstance(kind, str) and inner is not None and (kind in CODE or not VALUE.match(kind)):
        own = inner if isinstance(inner, dict) else {}
        name = own.get("name") or config.get("name") or ""
        yield Part(kind, str(name), config.get("module"), config.get("registered_name"))
    for key, entry in config.items():
        yield from parts(entry, str(key))


def check(config: Any, known: Callable[[str], bool]) -> None:
    """Raises Refused for all layers that are code, or of classes that Keras does not know.

    known: of a class that says no module.
    """
    try:
        found = list(parts(config))
    except RecursionError:
        raise Refused("the model's configuration is nested without end") from None
    faults = []
    if code := [part for part in found if part.kind in CODE]:
        code = [part for part in code if part.name] or code  # the function in a layer has none
        faults.append(
            f"Lambda layers hold Python code, which is not run: {_listed(code)}. Put layers in "
            f"their place (Rescaling, Reshape, ...), or {SAVED_MODEL}."
        )
    if foreign := [p for p in found if p.kind not in CODE and not _is_known(p, known)]:
        kinds = ", ".join(sorted({f"'{part.registered or part.kind}'" for part in foreign}))
        faults.append(
            f"Unknown classes {kinds} (layers {_listed(foreign)}): the file does not hold their "
            "code. Build the model of Keras's "
            f"own layers, or {SAVED_MODEL}."
        )
    if faults:
        raise Refused(" ".join(faults))


def _is_known(part: Part, known: Callable[[str], bool]) -> bool:
    if part.module is not None:
        return part.module.partition(".")[0] in OWN
    return known(part.kind) and not (part.registered and ">" in part.registered)


def _listed(found: list[Part]) -> str:
    names = [part.title for part in found]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def channels_first(config: Any) -> bool:
    """Whether any layer has its channels before the image."""
    if isinstance(config, list):
        return any(channels_first(entry) for entry in config)
    if not isinstance(config, dict):
        return False
    return config.get("data_format") == "channels_first" or any(
        channels_first(entry) for entry in config.values()
    )
