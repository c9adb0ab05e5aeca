"""What an op function writes with: it emits Relax calls and knows every shape.

A value is a numpy array while it is constant, and a Relax variable of known shape once it depends
on an input. `b(R.add, x, 1.0)` emits one call; constants and Python numbers among the operands
become Relax constants of the variable's dtype.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
import tvm
from tvm import relax, tirx

from frontends.model import ModelError
from frontends.onnx.graph import DTYPES, NARROW, Array, Node

Value: TypeAlias = Array | relax.Expr
Operand: TypeAlias = Value | int | float | bool

Made = TypeVar("Made")

# Of a value of a size that only the data decide: its lengths at run time, int64, by their axes.
Lengths: TypeAlias = Mapping[int, relax.Expr]
Elements: TypeAlias = Array  # of objects: int, or the variable of a length

# How op modules declare themselves: name -> function, or its versions by first opset.
Function: TypeAlias = Callable[..., Any]
Table: TypeAlias = dict[str, Function | dict[int, Function]]

R = relax.op
ROUNDINGS = ("nearest", "up", "down")  # as neoc.encode numbers them


# No trained model holds a larger tensor, and a hostile one could ask for any size in a few bytes.
MAX_BYTES = 2**30
FEW = 16  # elements of an input that may be no data


def affordable(elements: float, itemsize: int = 8) -> None:
    """Raise ModelError before the importer makes a constant beyond MAX_BYTES."""
    if elements * itemsize > MAX_BYTES:
        raise ModelError(
            f"a constant of {elements * itemsize:.3g} bytes is more than the {MAX_BYTES} allowed"
        )


def shape(value: Value) -> tuple[int, ...]:
    if isinstance(value, np.ndarray):
        return tuple(value.shape)
    return tuple(int(d) for d in value.ty.shape)


def dtype(value: Value) -> str:
    """numpy's name."""
    return str(value.dtype) if isinstance(value, np.ndarray) else str(value.ty.dtype)


def rank(value: Value) -> int:
    return len(shape(value))


def size(value: Value) -> int:
    return math.prod(shape(value))


def is_float(value: Value) -> bool:
    return "float" in dtype(value)


def axis_of(axis: int, ndim: int) -> int:
    """`axis` counted from the front."""
    if not -ndim <= axis < max(ndim, 1):
        raise ModelError(f"axis {axis} is outside a tensor of rank {ndim}")
    return axis % ndim if ndim else 0


class Undecided(ModelError):
    """`value` must be a constant, but the graph computes it from an input."""

    def __init__(self, value: Value | None, what: str) -> None:
        super().__init__(f"{what} must be a constant, but the graph computes it from an input")
        self.value = value


def constant(value: Value | None, what: str) -> Array:
    """`value` as numpy. Raises Undecided where the graph computes it from an input."""
    if not isinstance(value, np.ndarray):
        raise Undecided(value, what)
    return value


def integers(value: Value | Sequence[int], what: str) -> list[int]:
    """A constant list of integers, given as a tensor or as an attribute."""
    if isinstance(value, (tuple, list)):
        return [int(v) for v in value]
    return [int(v) for v in constant(value, what).reshape(-1)]


class Builder:
    """Emits into one dataflow block. `node` is the node under conversion, `inputs` are the names
    of the model's inputs.
    """

    def __init__(
        self, block: relax.BlockBuilder, inputs: Mapping[relax.Var, str] | None = None
    ) -> None:
        self.block = block
        self.inputs = inputs or {}
        self.node: Node
        self._constants: dict[int, tuple[Array, relax.Expr]] = {}
        self._dequantised: set[int] = set()
        self._lengths: dict[relax.Var, Lengths] = {}
        self._elements: dict[relax.Var, Elements] = {}
        self._bounds: dict[relax.Var, int] = {}
        self._once: dict[tuple[object, ...], Any] = {}

    def __call__(self, op: Callable[..., Any], *operands: Operand, **attrs: Any) -> relax.Var:
        known = [dtype(v) for v in operands if not isinstance(v, (bool, int, float))]
        like = next(
            (d for d in known if d != "bool"), *known[:1]
        )  # a mask is no model for a number
        return self.emit(op(*[self.const(v, like) for v in operands], **attrs))

    def emit(self, expr: relax.Expr) -> relax.Var:
        return self.block.emit(expr, name_hint=self.node.hint)

    def const(self, value: Operand, like: str = "") -> relax.Expr:
        """A Relax expression: numbers take the dtype `like`, arrays keep their own.

        An array that several nodes read is one constant, which the artifact stores once.
        """
        if isinstance(value, (bool, int, float, np.generic)):
            return relax.const(tvm.runtime.tensor(np.asarray(value, like)))
        if not isinstance(value, np.ndarray):
            return value
        if str(value.dtype) not in DTYPES:
            raise ModelError(f"elements of type {value.dtype} do not compile")
        if id(value) not in self._constants:
            whole = np.ascontiguousarray(value).reshape(value.shape)
            if str(value.dtype) in NARROW:
                bits = relax.const(whole.view(f"uint{8 * whole.itemsize}"))
                kind = relax.TensorType(shape(value), dtype(value))
                call = R.call_pure_packed("neoc.bitcast", bits, ty_args=kind)
                made = self.block.emit(call, name_hint="bits")  # perhaps before any node
            else:
                made = relax.const(tvm.runtime.tensor(whole))
            self._constants[id(value)] = value, made
        return self._constants[id(value)][1]

    def keep(self, value: Array, made: Value) -> None:
        """A dequantised constant: `made` as an expression, in which its integers are left."""
        self._constants[id(value)] = value, self.const(made)
        self._dequantised.add(id(value))

    def _moved(self, value: Array, x: Array, op: Callable[..., Any], **attrs: Any) -> Array:
        """value: the same elements as x, in another shape or order."""
        if id(x) in self._dequantised:
            self.keep(value, self(op, self.const(x), **attrs))
        return value

    def own(
        self, operator: str, operands: Sequence[Value], dims: Sequence[int], kind: str
    ) -> relax.Var:
        """A call of one of the back end's operators."""
        out = relax.TensorType(dims, kind)
        operands = [self.const(v) for v in operands]
        return self.emit(R.call_pure_packed(operator, *operands, ty_args=out))

    def wants(self, index: int) -> bool:
        """Whether anybody named the node's output at `index`."""
        return index < len(self.node.outputs) and bool(self.node.outputs[index])

    def noted(self, x: Value, elements: Elements) -> Value:
        """x, of which is known what its elements are (see sizes.py)."""
        assert isinstance(x, relax.Var)
        self._elements[x] = elements
        return x

    def elements(self, x: Value | None) -> Elements | None:
        if isinstance(x, np.ndarray):
            return x.astype(object) if x.dtype.kind in "iu" else None
        return self._elements.get(x) if isinstance(x, relax.Var) else None

    def bounded(self, length: Value, bound: int) -> Value:
        """A length that is at most so much."""
        assert isinstance(length, relax.Var)
        self._bounds[length] = bound
        return length

    def bound(self, element: Any) -> int:
        """Of a number: itself."""
        return element if isinstance(element, int) else self._bounds[element]

    def remedy(self, value: Value | None) -> str:
        """What to write into DataInputConfig for a value to be a constant: the small inputs that
        it is computed from. Nothing where it is computed from others, too.
        """
        found: dict[relax.Var, None] = {}
        seen, rest = set[relax.Var](), [value]
        while rest:
            var = rest.pop()
            if not isinstance(var, relax.Var) or var in seen:
                continue
            seen.add(var)
            if var in self.inputs:
                found[var] = None
            elif (bound := self.block.lookup_binding(var)) is not None:
                relax.analysis.post_order_visit(bound, rest.append)
        if not found or max(map(size, found)) > FEW:
            return ""
        entries = {self.inputs[v]: {"value": np.ones(shape(v), "int64").tolist()} for v in found}
        return (
            f". If it is the same in every run, give it in DataInputConfig, with your numbers in "
            f"place of these: {json.dumps(entries)}"
        )

    def once(self, key: tuple[object, ...], make: Callable[[], Made]) -> Made:
        """What `make` gave for this key the first time."""
        if key not in self._once:
            self._once[key] = make()
        made: Made = self._once[key]
        return made

    def padded(self, x: Value, lengths: Lengths) -> Value:
        """x, of which only the first elements along some axes are to be seen."""
        if lengths:
            assert isinstance(x, relax.Var)
            self._lengths[x] = lengths
            for axis, length in lengths.items():
                self._bounds.setdefault(length, shape(x)[axis])
        return x

    def lengths(self, x: Value | None) -> Lengths:
        """None but for what is padded."""
        return self._lengths.get(x, {}) if isinstance(x, relax.Var) else {}

    def reshape(self, x: Value, to: Sequence[int]) -> Value:
        if shape(x) == tuple(to):
            return x
        if isinstance(x, np.ndarray):
            return self._moved(x.reshape(to), x, R.reshape, shape=tuple(to))
        return self(R.reshape, x, shape=tuple(to))

    def transpose(self, x: Value, order: Sequence[int]) -> Value:
        if list(order) == sorted(order):
            return x
        if isinstance(x, np.ndarray):
            return self._moved(x.transpose(order), x, R.permute_dims, axes=list(order))
        return self(R.permute_dims, x, axes=list(order))

    def cast(self, x: Value, to: str, saturate: bool = True, rounding: str = "up") -> Value:
        """saturate: 8-bit floats; rounding: of an exponent alone."""
        if dtype(x) == to:
            return x
        if isinstance(x, np.ndarray):
            return x.astype(to)
        if dtype(x) in NARROW:
            kind = dtype(x)
            near = "int32" if "int" in kind else "float32"
            x = self.own("neoc.decode", [x, tvm.ir.StringImm(kind)], shape(x), near)
        if to in NARROW:
            how = relax.ShapeExpr([int(saturate), ROUNDINGS.index(rounding)])
            return self.own("neoc.encode", [x, tvm.ir.StringImm(to), how], shape(x), to)
        return x if dtype(x) == to else self(R.astype, x, dtype=to)

    def clip(self, x: Value, low: float, high: float) -> Value:
        """Bounds in x's dtype: Relax would take Python's numbers for float64."""
        bounds = {"min": tirx.const(low, dtype(x)), "max": tirx.const(high, dtype(x))}
        return self(R.clip, x, **bounds)

    def take(self, x: Value, indices: Value, axis: int) -> Value:
        """Indices from the front. A run-time index out of range must not read foreign memory."""
        if isinstance(indices, np.ndarray) and np.array_equal(indices, np.arange(shape(x)[axis])):
            return x
        return self(R.take, x, indices, axis=axis, mode="clip")

    def pick(self, x: Value, ranges: Sequence[range]) -> Value:
        """The elements that one range an axis names."""
        axes = [i for i, r in enumerate(ranges) if r != range(shape(x)[i])]
        if not axes:
            return x
        if not all(ranges):
            return np.zeros([len(r) for r in ranges], dtype(x))
        if isinstance(x, np.ndarray):
            return x[np.ix_(*ranges)]
        if any(ranges[a].step < 0 for a in axes):
            for a in axes:
                x = self.take(x, np.asarray(ranges[a]), a)
            return x
        return self(
            R.strided_slice,
            x,
            axes=axes,
            begin=[ranges[a].start for a in axes],
            end=[ranges[a].stop for a in axes],
            strides=[ranges[a].step for a in axes],
        )

    def concat(self, parts: Sequence[Value], axis: int) -> Value:
        return self.emit(R.concat(relax.Tuple([self.const(p) for p in parts]), axis=axis))

    def split(self, x: Value, lengths: Sequence[int], axis: int) -> tuple[Value, ...]:
        """Parts of the given lengths; empty ones are constants."""
        ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
        if len(lengths) == 1:
            return (x,)
        if not all(lengths):
            whole = [range(d) for d in shape(x)]
            spans = [range(e - n, e) for n, e in zip(lengths, ends, strict=True)]
            return tuple(self.pick(x, [*whole[:axis], s, *whole[axis + 1 :]]) for s in spans)
        parts = self(R.split, x, indices_or_sections=ends[:-1], axis=axis)
        return self.fields(parts, len(lengths))

    def fields(self, parts: relax.Var, count: int) -> tuple[Value, ...]:
        """What an op of several results gave."""
        return tuple(self.emit(relax.TupleGetItem(parts, i)) for i in range(count))
