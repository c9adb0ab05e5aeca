"""Resize and Upsample.

Where Relax's resize2d means exactly the same it is emitted. Everything else is what a resize is by
definition, one constant linear map along each axis: an index for nearest, a matrix for the rest.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import (
    Builder,
    R,
    Table,
    Value,
    affordable,
    axis_of,
    constant,
    dtype,
    integers,
    rank,
    shape,
)
from frontends.onnx.graph import Array


@dataclass(frozen=True)
class Axis:
    """How one axis is resized. `scale` may differ from output / length, and then counts."""

    length: int
    output: int
    scale: float
    roi: tuple[float, float] = (0.0, 1.0)

    @property
    def exact(self) -> bool:
        return math.isclose(self.scale * self.length, self.output, rel_tol=1e-6)


@dataclass(frozen=True)
class Method:
    """The attributes that say where a sample lies and what it is made of."""

    mode: str = "nearest"
    coordinates: str = "half_pixel"
    nearest: str = "round_prefer_floor"
    cubic_a: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False
    extrapolation: float = 0.0


def _pytorch_half_pixel(i: Array, a: Axis) -> Array:
    return (i + 0.5) / a.scale - 0.5 if a.output > 1 else np.zeros_like(i)


def _half_pixel_symmetric(i: Array, a: Axis) -> Array:
    adjustment = a.output / (a.scale * a.length)
    return a.length / 2 * (1 - adjustment) + (i + 0.5) / a.scale - 0.5


def _align_corners(i: Array, a: Axis) -> Array:
    """The standard has the last corner where the scale puts it, if that is no whole length."""
    width = a.output if a.exact else a.scale * a.length
    return i * (a.length - 1) / (width - 1) if a.output > 1 else np.zeros_like(i)


def _crop_and_resize(i: Array, a: Axis) -> Array:
    start, end = (r * (a.length - 1) for r in a.roi)
    return start + i * (end - start) / (a.output - 1) if a.output > 1 else i + (start + end) / 2


# Where output element i lies in the input. Source: ONNX Resize-19.
COORDINATES: dict[str, Callable[[Array, Axis], Array]] = {
    "align_corners": _align_corners,
    "asymmetric": lambda i, a: i / a.scale,
    "half_pixel": lambda i, a: (i + 0.5) / a.scale - 0.5,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "pytorch_half_pixel": _pytorch_half_pixel,
    "tf_crop_and_resize": _crop_and_resize,
    "tf_half_pixel_for_nn": lambda i, a: (i + 0.5) / a.scale,
}

NEAREST: dict[str, Callable[[Array], Array]] = {
    "ceil": np.ceil,
    "floor": np.floor,
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
}

# ONNX's coordinates -> the name of the same formula in resize2d
SAME_IN_RELAX = {
    "align_corners": "align_corners",
    "asymmetric": "asymmetric",
    "half_pixel": "half_pixel",
    "half_pixel_symmetric": "half_pixel",
    "pytorch_half_pixel": "pytorch_half_pixel",
}
FLOOR_SHIFT = 1e-5  # resize2d adds it: coordinates that should be whole may fall short of it


def _triangle(distance: Array, _: float) -> Array:
    return np.maximum(0.0, 1.0 - distance)


def _cubic(d: Array, a: float) -> Array:
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((d - 5) * d + 8) * d * a - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


# mode: the filter over the distance from the sample, and how far it reaches
FILTERS: dict[str, tuple[Callable[[Array, float], Array], int]] = {
    "linear": (_triangle, 1),
    "cubic": (_cubic, 2),
}


def matrix(axis: Axis, method: Method) -> Array:
    """[output, length] float64: the weights of the input elements in each output element."""
    curve, reach = FILTERS[method.mode]
    centre = COORDINATES[method.coordinates](np.arange(axis.output, dtype=np.float64), axis)
    shrink = min(1.0, axis.scale) if method.antialias else 1.0
    span = math.ceil(reach / shrink) + 1
    taps = np.floor(centre)[:, None] + np.arange(-span, span + 1)
    weights = curve(np.abs(taps - centre[:, None]) * shrink, method.cubic_a)
    if method.exclude_outside:
        weights = np.where((taps < 0) | (taps >= axis.length), 0.0, weights)
    if method.exclude_outside or method.antialias:
        weights /= weights.sum(axis=1, keepdims=True)
    result = np.zeros((axis.output, axis.length))
    columns = np.clip(taps, 0, axis.length - 1).astype(int)
    np.add.at(result, (np.arange(axis.output)[:, None], columns), weights)
    return result


def indices(axis: Axis, method: Method) -> Array:
    """[output]: the input element that each output element repeats."""
    # float32 as in ONNX Runtime, so that ties fall to the same side
    centre = COORDINATES[method.coordinates](np.arange(axis.output, dtype=np.float32), axis)
    nearest = NEAREST[method.nearest](centre)
    return np.clip(nearest, 0, axis.length - 1).astype(np.int64)


def outside(axis: Axis, method: Method) -> Array:
    """[output] bool: where tf_crop_and_resize reads beyond the input."""
    centre = COORDINATES[method.coordinates](np.arange(axis.output, dtype=np.float64), axis)
    return (centre < 0) | (centre > axis.length - 1)


def apply(b: Builder, x: Value, axes: dict[int, Axis], method: Method) -> Value:
    """Resize the given axes of x."""
    for table, key in ((COORDINATES, method.coordinates), (NEAREST, method.nearest)):
        if key not in table:
            raise ModelError(f"'{key}' is not implemented; known are {sorted(table)}")
    if method.mode not in ("nearest", *FILTERS):
        raise ModelError(f"attribute mode is '{method.mode}'; known are nearest, linear, cubic")
    changed = {
        i: a for i, a in axes.items() if a.length != a.output or a.scale != 1 or a.roi != (0.0, 1.0)
    }
    if not changed:
        return x
    affordable(
        max(a.output * (1 if method.mode == "nearest" else a.length) for a in changed.values())
    )
    if named := _relax_attributes(x, changed, method):
        height, width = (axes[i].output if i in axes else shape(x)[i] for i in (2, 3))
        return b(R.image.resize2d, x, size=(height, width), layout="NCHW", **named)
    for i, axis in changed.items():
        if method.mode == "nearest":
            y = b.take(x, indices(axis, method), i)
        else:
            y = _mapped(b, x, matrix(axis, method), i)
        x = y
    if method.coordinates == "tf_crop_and_resize":
        beyond = np.zeros([1] * rank(x), bool)
        for i, axis in changed.items():
            beyond = beyond | outside(axis, method).reshape([-1] + [1] * (rank(x) - i - 1))
        x = b(R.where, beyond, method.extrapolation, x) if beyond.any() else x
    return x


def _mapped(b: Builder, x: Value, weights: Array, axis: int) -> Value:
    """weights @ x along one axis."""
    kept = dtype(x)
    x = x if "float" in kept else b.cast(x, "float32")
    weights = weights.astype(dtype(x))
    if axis == rank(x) - 1:
        y = b(R.matmul, x, weights.T)
    else:
        dims = shape(x)
        rows = b.reshape(x, (*dims[: axis + 1], math.prod(dims[axis + 1 :])))
        y = b.reshape(b(R.matmul, weights, rows), (*dims[:axis], len(weights), *dims[axis + 1 :]))
    return b.cast(y, kept)


def _repeated(axis: Axis, coordinates: str, rounding: str) -> Array:
    """[output]: the elements that resize2d repeats; -1 where the last digit decides."""
    whole = Axis(axis.length, axis.output, axis.output / axis.length)
    centre = COORDINATES[coordinates](np.arange(axis.output, dtype=np.float64), whole)
    centre = centre + (FLOOR_SHIFT if rounding == "floor" else 0.0)
    low, high = (
        np.clip(NEAREST[rounding](c), 0, axis.length - 1) for c in (centre - 1e-9, centre + 1e-9)
    )
    return np.where(low == high, low, -1).astype(np.int64)


def _nearest_attributes(axes: Sequence[Axis], method: Method) -> dict[str, str] | None:
    """Of the formula that is asked for; or of the one that no last digit decides."""
    own = SAME_IN_RELAX.get(method.coordinates, "asymmetric"), method.nearest
    for coordinates, rounding in (own, ("asymmetric", "floor")):
        if all(
            np.array_equal(indices(a, method), _repeated(a, coordinates, rounding)) for a in axes
        ):
            return {
                "method": "nearest_neighbor",
                "coordinate_transformation_mode": coordinates,
                "rounding_method": rounding,
            }
    return None


def _relax_attributes(x: Value, changed: dict[int, Axis], method: Method) -> dict[str, str] | None:
    """resize2d's attributes where it computes the same, else None."""
    if rank(x) != 4 or not changed.keys() <= {2, 3} or "float" not in dtype(x):
        return None
    if method.mode == "nearest":
        return _nearest_attributes(list(changed.values()), method)
    same = SAME_IN_RELAX.get(method.coordinates)
    if not same or method.antialias or method.exclude_outside or method.mode != "linear":
        return None
    if not all(a.exact for a in changed.values()):
        return None
    return {"method": "linear", "coordinate_transformation_mode": same}


def resize(
    b: Builder,
    x: Value,
    roi: Value | None = None,
    scales: Value | None = None,
    sizes: Value | None = None,
    *,
    antialias: int = 0,
    axes: Sequence[int] | None = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Value:
    along = [axis_of(a, rank(x)) for a in axes] if axes is not None else list(range(rank(x)))
    lengths = [shape(x)[a] for a in along]
    if sizes is not None and np.size(constant(sizes, "sizes")):
        outputs, factors = _from_sizes(lengths, integers(sizes, "sizes"), keep_aspect_ratio_policy)
    else:
        factors = [float(v) for v in constant(scales, "scales").reshape(-1)]
        outputs = [_floor(n, f) for n, f in zip(lengths, factors, strict=True)]
    if min(outputs, default=1) < 1:
        raise ModelError(f"the result would have the dimensions {outputs}")
    regions = [(0.0, 1.0)] * len(along)
    if coordinate_transformation_mode == "tf_crop_and_resize":
        flat = [float(v) for v in constant(roi, "roi").reshape(-1)]
        regions = list(zip(flat[: len(along)], flat[len(along) :], strict=True))
        outputs = [
            _floor(n, f * (e - s)) if sizes is None else o
            for n, (s, e), f, o in zip(lengths, regions, factors, outputs, strict=True)
        ]
    rows = zip(along, lengths, outputs, factors, regions, strict=True)
    method = Method(
        mode,
        coordinate_transformation_mode,
        nearest_mode,
        cubic_coeff_a,
        bool(exclude_outside),
        bool(antialias),
        extrapolation_value,
    )
    axes_of = {a: Axis(n, o, f, r) for a, n, o, f, r in rows}
    return apply(b, x, axes_of, method)


def _floor(length: int, factor: float) -> int:
    """In float32, as ONNX Runtime has it: ten times 0.7 is seven."""
    return math.floor(np.float32(length) * np.float32(factor))


def _from_sizes(
    lengths: Sequence[int], sizes: Sequence[int], policy: str
) -> tuple[list[int], list[float]]:
    factors = [s / n for s, n in zip(sizes, lengths, strict=True)]
    if policy == "stretch":
        return list(sizes), factors
    if policy not in ("not_larger", "not_smaller"):
        raise ModelError(f"attribute keep_aspect_ratio_policy is '{policy}'")
    factor = min(factors) if policy == "not_larger" else max(factors)
    return [math.floor(n * factor + 0.5) for n in lengths], [factor] * len(lengths)


def resize_10(b: Builder, x: Value, scales: Value, *, mode: str = "nearest") -> Value:
    """The nearest pixel is the one before where an axis grows, the one behind where it shrinks."""
    plain = partial(resize, mode=mode, coordinate_transformation_mode="asymmetric")
    if mode != "nearest":
        return plain(b, x, None, scales)
    factors = constant(scales, "scales")
    grown = plain(b, x, None, np.maximum(factors, 1), nearest_mode="floor")
    return plain(b, grown, None, np.minimum(factors, 1), nearest_mode="ceil")


def upsample_attribute(
    b: Builder, x: Value, *, scales: Sequence[float], mode: str = "nearest"
) -> Value:
    return resize_10(b, x, np.asarray(scales), mode=mode)


OPS: Table = {
    "Resize": {10: resize_10, 11: resize},
    "Upsample": {7: upsample_attribute, 9: resize_10},
}
