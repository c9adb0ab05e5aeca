"""Universal Binary JSON, as XGBoost writes it. Arrays of one type of number become numpy's."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from frontends.model import ModelError

NUMBERS = {
    "i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8",
}  # fmt: skip
PLAIN = {"Z": None, "T": True, "F": False}
DEEPEST = 64


def parse(data: bytes) -> Any:
    """Raises ModelError for what is no UBJSON."""
    try:
        return _Reader(data).value(0)
    except (struct.error, IndexError, ValueError, KeyError) as problem:
        raise ModelError(f"The file is no UBJSON: {problem}") from None


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def value(self, depth: int, mark: str = "") -> Any:
        if depth > DEEPEST:
            raise ValueError("it is nested too deeply")
        mark = mark or self._mark()
        if mark in NUMBERS:
            return self._number(mark)
        if mark in PLAIN:
            return PLAIN[mark]
        if mark in ("S", "C"):
            return self._text(1 if mark == "C" else self._length())
        if mark == "{":
            return self._object(depth)
        if mark == "[":
            return self._array(depth)
        raise ValueError(f"{mark!r} marks no value")

    def _take(self, count: int) -> bytes:
        if count < 0 or count > len(self.data) - self.at:
            raise ValueError("it ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def _mark(self) -> str:
        while (mark := chr(self._take(1)[0])) == "N":
            pass
        return mark

    def _peek(self) -> str:
        return chr(self.data[self.at])

    def _number(self, mark: str) -> int | float:
        kind = np.dtype(NUMBERS[mark])
        found: int | float = np.frombuffer(self._take(kind.itemsize), kind)[0].item()
        return found

    def _length(self) -> int:
        return int(self._number(self._mark()))

    def _text(self, count: int) -> str:
        return self._take(count).decode(errors="replace")

    def _head(self) -> tuple[str, int]:
        """The type and the number of what follows, where they are told; else '' and -1."""
        mark = ""
        if self._peek() == "$":
            self.at += 1
            mark = self._mark()
        if self._peek() != "#":
            return mark, -1
        self.at += 1
        return mark, self._length()

    def _object(self, depth: int) -> dict[str, Any]:
        mark, count = self._head()
        made: dict[str, Any] = {}
        while count and self._peek() != "}":
            key = self._text(self._length())
            made[key] = self.value(depth + 1, mark)
            count -= 1
        self.at += count < 0
        return made

    def _array(self, depth: int) -> Any:
        mark, count = self._head()
        if mark in NUMBERS and count >= 0:
            kind = np.dtype(NUMBERS[mark])
            whole = np.frombuffer(self._take(count * kind.itemsize), kind)
            return whole.astype(kind.newbyteorder("="))
        made = []
        while count and (count > 0 or self._peek() != "]"):
            made.append(self.value(depth + 1, mark))
            count -= 1
        self.at += count < 0
        return made
