"""The numbers of a .weights file, taken layer by layer in the order of the .cfg."""

from __future__ import annotations

import math

import numpy as np

from frontends.model import Array, ModelError

MAX_BYTES = 2**31 - 2**26  # what one ONNX file holds


class Weights:
    """Three versions, the number of images seen, then float32 and nothing else."""

    def __init__(self, data: bytes) -> None:
        if not 16 <= len(data) <= MAX_BYTES:
            raise ModelError(
                f"The .weights file has {len(data)} bytes; 16 to {MAX_BYTES} can be read."
            )
        major, minor, revision = (int(n) for n in np.frombuffer(data, "<i4", 3))
        if min(major, minor, revision) < 0:
            raise ModelError("The .weights file does not begin with its version.")
        self.version = f"{major}.{minor}.{revision}"
        ancient = major >= 1000 or minor >= 1000
        self.transposed = major > 1000 or minor > 1000
        """Matrices of connected layers have a row for each input."""
        start = 20 if major * 10 + minor >= 2 and not ancient else 16
        if (len(data) - start) % 4:
            raise ModelError(
                f"The .weights file has {len(data)} bytes: {start} of version {self.version}'s "
                "head, and no whole number of float32."
            )
        self._numbers = np.frombuffer(data, "<f4", offset=start) if len(data) > start else _NONE
        self._taken = 0

    @property
    def left(self) -> int:
        return len(self._numbers) - self._taken

    def take(self, *shape: int) -> Array:
        count = math.prod(shape)
        if count > self.left:
            raise ModelError(
                f"it needs {count} numbers more, but the .weights file has {self.left} left of "
                f"{len(self._numbers)}. Give the file that belongs to the .cfg."
            )
        found = self._numbers[self._taken : self._taken + count].reshape(shape)
        self._taken += count
        return found

    def check_end(self) -> None:
        if self.left:
            raise ModelError(
                f"The layers take {self._taken} numbers, but the .weights file has "
                f"{len(self._numbers)}: {self.left} are left over. Give the file that belongs to "
                "the .cfg."
            )


_NONE = np.zeros(0, "<f4")
