"""Which elements, and how much of each, an element of a resized axis is made of.

Source: the definition of image.resize2d in TVM (topi/image/resize.py), which follows ONNX Resize.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tvm
from tvm import relax, tirx
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


@dataclass(frozen=True)
class Sampling:
    """The attributes of image.resize2d that say what an element is made of."""

    method: str
    coordinates: str
    rounding: str
    alpha: float
    exclude: bool

    @classmethod
    def described(cls, attrs: Attrs) -> Sampling:
        return cls(
            str(attrs.method),
            str(attrs.coordinate_transformation_mode),
            str(attrs.rounding_method),
            float(attrs.cubic_alpha),
            bool(attrs.cubic_exclude),
        )

    @property
    def arguments(self) -> list[tvm.ir.Expr]:
        """As the last operands of neoc.resize."""
        names = map(tvm.ir.StringImm, (self.method, self.coordinates, self.rounding))
        return [*names, tirx.const(self.alpha, "float32"), relax.ShapeExpr([int(self.exclude)])]

    @classmethod
    def of(cls, call: relax.Call) -> Sampling:
        method, coordinates, rounding, alpha, exclude = call.args[-5:]
        names = str(method.value), str(coordinates.value), str(rounding.value)
        return cls(*names, float(alpha.value), bool(int(exclude.values[0])))

    @property
    def is_known(self) -> bool:
        methods = ("nearest_neighbor", "linear", "cubic")
        nearest = self.method == "nearest_neighbor"
        known = self.method in methods and self.coordinates in COORDINATES
        return known and (self.rounding in ROUNDINGS or not nearest)

    def table(self, length: int, output: int) -> tuple[Array, Array | None]:
        """int32 [output, taps] elements and float64 [output, taps] weights; no weights for the
        nearest element.
        """
        centre = COORDINATES[self.coordinates](np.arange(output, dtype=np.float64), length, output)
        if self.method == "nearest_neighbor":
            shift = EPSILON if self.rounding in ("", "floor") else 0.0
            nearest = ROUNDINGS[self.rounding](centre + shift)
            return np.clip(nearest, 0, length - 1).astype("int32")[:, None], None
        first = np.floor(centre)
        fraction = (centre - first)[:, None]
        if self.method == "linear":
            taps, weights = np.arange(2), np.concatenate([1 - fraction, fraction], axis=1)
        else:
            taps, weights = np.arange(-1, 3), _cubic(fraction, self.alpha)
        places = first[:, None] + taps
        if self.method == "cubic" and self.exclude:
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
