"""The text of a .cfg: sections of `key=value`, in order, each with its line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from frontends.model import ModelError

MAX_BYTES, MAX_SECTIONS, MAX_NUMBER = 1 << 20, 4000, 1 << 24
_INTEGER = re.compile(r"[+-]?\d{1,18}(?=$|\.)")


@dataclass(frozen=True)
class Section:
    """`options`: line and text of each key's first value; Darknet reads no other."""

    kind: str
    line: int
    options: Mapping[str, tuple[int, str]]

    def text(self, key: str, default: str = "") -> str:
        return self.options.get(key, (0, default))[1]

    def integer(self, key: str, default: int, least: int = -MAX_NUMBER) -> int:
        return _integer(key, *self.options[key], least) if key in self.options else default

    def integers(self, key: str) -> list[int]:
        line, text = self.options.get(key, (self.line, ""))
        return [_integer(key, line, word, -MAX_NUMBER) for word in text.split(",") if word]

    def number(self, key: str, default: float) -> float:
        line, text = self.options.get(key, (0, str(default)))
        try:
            return float(text)
        except ValueError:
            raise ModelError(f"line {line}: {key}={_shorten(text)} is no number.") from None


def read(data: bytes) -> list[Section]:
    """The first section is [net]. Raises ModelError."""
    if len(data) > MAX_BYTES:
        raise ModelError(f"The .cfg has {len(data)} bytes, more than {MAX_BYTES}.")
    sections: list[Section] = []
    options: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        words = re.sub(r"\s|#.*|\0", "", line)
        if words.startswith("["):
            options = {}
            sections.append(Section(words.strip("[]"), number, options))
        elif words and not words.startswith(";"):
            _option(words, number, sections, options)
    if not sections or sections[0].kind not in ("net", "network"):
        raise ModelError("The .cfg does not begin with a section [net].")
    if not 1 < len(sections) <= MAX_SECTIONS:
        raise ModelError(
            f"The .cfg has {len(sections) - 1} layers; one to {MAX_SECTIONS - 1} compile."
        )
    return sections


def _option(
    words: str, number: int, sections: list[Section], options: dict[str, tuple[int, str]]
) -> None:
    key, equals, value = words.partition("=")
    if not sections or not equals or not key:
        raise ModelError(f"line {number} is neither [section] nor key=value: {_shorten(words)}")
    options.setdefault(key, (number, value))


def _integer(key: str, line: int, text: str, least: int) -> int:
    found = _INTEGER.match(text)
    if not found or not least <= int(found[0]) <= MAX_NUMBER:
        raise ModelError(
            f"line {line}: {key}={_shorten(text)} is no integer from {least} to {MAX_NUMBER}."
        )
    return int(found[0])


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
