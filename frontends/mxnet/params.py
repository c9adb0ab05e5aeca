"""`.params` of MXNet: arrays by name, in every form since 0.8. Bytes of a stranger, all bounded."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frontends.model import ModelError

Array = NDArray[Any]

LIST = 0x112
# Before an array, since 0.11. An older one begins with its rank, and its dimensions have 32 bits.
WIDE, STORED, SCALARS = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
MAX_RANK = 32
TYPES = ("f4", "f8", "f2", "u1", "i4", "i1", "i8", "?", "i2", "u2", "u4", "u8")
UNPREFIXED = (
    "Please use HybridBlock.export() or gluoncv.utils.export_block() to export your model instead "
    "of Block.save_parameters()."
)


def parse(data: bytes) -> dict[str, Array]:
    """Parameters and auxiliary states by their names in the symbol. Raises ModelError."""
    try:
        named = _Reader(data).arrays()
    except (struct.error, ValueError) as problem:
        raise ModelError(f"The parameter file cannot be read: {problem}.") from None
    found: dict[str, Array] = {}
    for key, array in named:
        kind, colon, name = key.partition(":")
        if kind not in ("arg", "aux") or not colon:
            raise ModelError(f"{UNPREFIXED} (a key is '{key[:60]}')")
        if name in found:
            raise ModelError(f"The parameter file holds '{name[:60]}' twice.")
        found[name] = array
    return found


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def arrays(self) -> list[tuple[str, Array]]:
        if self._number("Q") != LIST:
            raise ValueError("it is no list of MXNet's arrays")
        self._number("Q")  # reserved
        arrays = [self._array() for _ in range(self._count(4))]
        names = [self._take(self._count(1)).decode() for _ in range(self._count(8))]
        if len(names) != len(arrays):
            raise ValueError(f"it has {len(arrays)} arrays and {len(names)} names")
        return list(zip(names, arrays, strict=True))

    def _take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise ValueError("it ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def _number(self, kind: str) -> int:
        return int(struct.unpack(f"<{kind}", self._take(struct.calcsize(kind)))[0])

    def _count(self, least: int) -> int:
        """Of items that follow, each of at least so many bytes."""
        count = self._number("Q")
        if count * least > len(self.data) - self.at:
            raise ValueError("it ends too early")
        return count

    def _array(self) -> Array:
        mark = self._number("I")
        if mark in (STORED, SCALARS) and self._number("i") != 0:
            raise ValueError("it has a sparse array; store it dense, by tostype('default')")
        marked = mark in (WIDE, STORED, SCALARS)
        rank = self._number("i") if marked else mark
        if not 0 <= rank <= MAX_RANK:
            raise ValueError(f"it has an array of rank {rank}")
        dims = struct.unpack(
            f"<{rank}{'q' if marked else 'I'}", self._take(rank * (4 + 4 * marked))
        )
        if rank == 0 and mark != SCALARS:
            return np.zeros(0, np.float32)  # nothing behind it
        self._take(8)  # the device it was on
        kind = self._number("i")
        if not 0 <= kind < len(TYPES):
            raise ValueError(f"it has an array of the type {kind}")
        size = np.dtype(TYPES[kind]).itemsize
        for dim in dims:
            size *= dim
            if dim < 0 or size > len(self.data):
                raise ValueError(f"it ends before an array of the shape {dims}")
        return np.frombuffer(self._take(size), f"<{TYPES[kind]}").reshape(dims)
