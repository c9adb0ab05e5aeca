"""Which elements, and how much of each, an element of a resized axis is made of.

Source: the definition of image.resize2d in TVM (topi/image/resize.py), which follows ONNX Resize.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tvm.ir import Attrs

Array = np.ndarray


COORDINATES: dict[str, Callable[[Array, int, int], Array]] = {
    "half_pixel": lambda i, n, m: (i + 0.5) * (n / m) - 0.5,
    "half_pixel_symmetric": lambda i, n, m: (i + 0.5) * (n / m) - 0.5,
    "align_corners": lambda i, n, m: i * ((n - 1) / max(m - 1, 1)),
    "asymmetric": lambda i, n, m: i * (n / m),
    "pytorch_half_pixel": lambda i, n, m: (i + 0.5) * (n / m) - 0.5 if m > 1 else i * 0.0,
    "tf_half_pixel_for_nn": lambda i, n, m: (i + 0.5) * (n / m),
}
ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "": np.floor,
    "round": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
}
EPSILON = 1e-5  # TVM's: coordinates that should be whole may fall short of it


def table(length: int, output: int, attrs: Attrs) -> tuple[Array, Array | None] | None:
    """int32 [output, taps] elements and float64 [output, taps] weights; no weights for the nearest
    element. None: the mode has no table.
    """
    mode, method = str(attrs.coordinate_transformation_mode), str(attrs.method)
    if mode not in COORDINATES:
        return None
    centre = COORDINATES[mode](np.arange(output, dtype=np.float64), length, output)
    if method == "nearest_neighbor":
        rounding = str(attrs.rounding_method)
        if rounding not in ROUNDINGS:
            return None
        shift = EPSILON if rounding in ("", "floor") else 0.0
        nearest = ROUNDINGS[rounding](centre + shift)
        return np.clip(nearest, 0, length - 1).astype("int32")[:, None], None
    if method not in ("linear", "cubic"):
        return None
    first = np.floor(centre)
    fraction = (centre - first)[:, None]
    if method == "linear":
        taps, weights = np.arange(2), np.concatenate([1 - fraction, fraction], axis=1)
    else:
        taps, weights = np.arange(-1, 3), _cubic(fraction, float(attrs.cubic_alpha))
    places = first[:, None] + taps
    if method == "cubic" and int(attrs.cubic_exclude):
        weights = np.where((places < 0) | (places >= length), 0.0, weights)
        weights = weights / weights.sum(axis=1, keepdims=True)
    return np.clip(places, 0, length - 1).astype("int32"), weights


def _cubic(t: Array, a: float) -> Array:
    """Keys' kernel at 1 + t, t, 1 - t, 2 - t."""

    def near(d: Array) -> Array:
        return np.asarray(((a + 2) * d - (a + 3)) * d * d + 1)

    def far(d: Array) -> Array:
        return np.asarray(((d - 5) * d + 8) * d * a - 4 * a)

    return np.concatenate([far(1 + t), near(t), near(1 - t), far(2 - t)], axis=1)
