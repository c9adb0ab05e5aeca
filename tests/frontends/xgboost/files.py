"""Boosters as versions of XGBoost wrote them, with twelve rows and what that version says of them.

The names tell version, what is special, and the form. Trained on random numbers for these tests.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

ARRAYS = np.load(Path(__file__).with_name("boosters.npz"))
NAMES = sorted({name.split("/")[0] for name in ARRAYS.files})


class Case(NamedTuple):
    data: bytes
    x: np.ndarray
    y: np.ndarray


def case(name: str) -> Case:
    return Case(ARRAYS[f"{name}/file"].tobytes(), ARRAYS[f"{name}/x"], ARRAYS[f"{name}/y"])
