"""Transposes of images move down the graph until they meet their inverse or something that needs
the order they make: models with the channels last, which compute some operators channels first.

    relu(permute_dims(x, p))            -> permute_dims(relu(x), p)
    mean(permute_dims(x, p), axes)      -> of the axes of x that they were
    permute_dims(permute_dims(x, p), q) -> x, where q undoes p
    matmul(permute_dims(x, p), w)       -> permute_dims(conv2d(x, w), p), where p puts channels last
    matmul(flat(permute_dims(x, p)), w) -> matmul(flat(x), w with its rows in the order of x)

Only values that a convolution, a pool or a resize is computed from, or that are computed from one,
are images: heads of attention keep their places. What normalises along the channels reads them side
by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tvm
from tvm import relax
from tvm.ir import GenericConst

from compiler.kernels.operators import ELEMENTWISE, integers, shape_of
from compiler.kernels.workload import tensors_of
from compiler.passes.rewriter import Rewriter, array_of, constant

Order = tuple[int, ...]

WINDOWED = {
    *(f"relax.nn.{name}" for name in ("conv2d", "conv2d_transpose", "max_pool2d", "avg_pool2d")),
    "relax.image.resize2d",
}
REDUCTIONS = {
    f"relax.{name}": getattr(relax.op, name) for name in ("mean", "sum", "max", "min", "prod")
}
STARTS = ("relax.permute_dims", "relax.reshape")


def sink_transposes(module: tvm.IRModule) -> tvm.IRModule:
    return _Sinker(module).run()


@dataclass(frozen=True)
class Moved:
    """A transpose that is not emitted yet: axis i is axis order[i] of the data, whose other axes
    have one element and are left out.
    """

    data: relax.Expr
    order: Order

    @property
    def rank(self) -> int:
        """Of the data."""
        return len(shape_of(self.data))

    @property
    def is_done(self) -> bool:
        return self.order == tuple(range(self.rank))

    @property
    def below(self) -> tuple[Order, int]:
        """What tells in which order the data is."""
        return self.order, self.rank

    def axes(self, axes: Sequence[int]) -> list[int]:
        """Those axes in the data."""
        return [self.order[int(a)] for a in axes]


class _Sinker(Rewriter):
    """`moved` holds what stands for a variable whose transpose is on its way down."""

    def __init__(self, module: tvm.IRModule) -> None:
        super().__init__(module)
        self.images = _images(self.function)
        self.made = {b.var: b.value for b in self.function.body.blocks[0].bindings}
        self.moved: dict[relax.Var, Moved] = {}
        self.parts: dict[relax.Var, Order] = {}  # tuples of transposed parts
        self.emitted: dict[tuple[relax.Var, Order], relax.Var] = {}
        self.rules: dict[str, Callable[[relax.Call, str], Moved | None]] = {
            "relax.permute_dims": self._permute,
            "relax.concat": self._concat,
            "relax.strided_slice": self._slice,
            "relax.nn.pad": self._pad,
            "relax.reshape": self._reshape,
            "relax.matmul": self._matmul,
            **dict.fromkeys(REDUCTIONS, self._reduce),
            **dict.fromkeys(ELEMENTWISE, self._elementwise),
        }

    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        if isinstance(value, relax.Call) and value.op.name == "relax.split":
            return self._split(var, value)
        moved = self._sunk(var, value)
        if moved is None:
            return self.again(var, value)
        if moved.is_done:
            return moved.data
        self.moved[var] = moved
        return var  # stands for "not emitted yet"

    def use(self, expr: relax.Expr) -> relax.Expr:
        if isinstance(expr, relax.Var) and expr in self.moved:
            moved = self.moved[expr]
            left_out = tuple(a for a in range(moved.rank) if a not in moved.order)
            data = self._permuted(moved.data, moved.order + left_out, expr.name)
            return self._reshaped(data, shape_of(expr), expr.name)
        return super().use(expr)

    def _sunk(self, var: relax.Var, value: relax.Expr) -> Moved | None:
        if isinstance(value, relax.TupleGetItem) and value.tuple_value in self.parts:
            part = relax.TupleGetItem(self.new[value.tuple_value], value.index)
            return Moved(self.emit(part, var.name), self.parts[value.tuple_value])
        rule = self.rules.get(value.op.name) if isinstance(value, relax.Call) else None
        if rule is None:
            return None
        starts = value.op.name in STARTS and var in self.images
        flat = value.op.name == "relax.matmul"
        reads = starts or flat or any(t in self.moved for t in tensors_of(value))
        return rule(value, var.name) if reads else None

    def _split(self, var: relax.Var, call: relax.Call) -> relax.Expr:
        """All parts are in the data's order."""
        if call.args[0] not in self.moved:
            return self.again(var, call)
        below = self.moved[call.args[0]]
        cuts, [axis] = call.attrs.indices_or_sections, below.axes([call.attrs.axis])
        self.parts[var] = below.order
        return self.emit(relax.op.split(below.data, cuts, axis), var.name)

    def _below(self, expr: relax.Var) -> Moved:
        data = self.use(expr) if expr not in self.moved else self.moved[expr].data
        return self.moved.get(expr, Moved(data, tuple(range(len(shape_of(data))))))

    def _permuted(self, data: relax.Expr, order: Order, name: str) -> relax.Expr:
        """permute_dims(data, order), once."""
        if order == tuple(range(len(order))):
            return data
        if (data, order) not in self.emitted:
            self.emitted[data, order] = self.emit(relax.op.permute_dims(data, order), name)
        return self.emitted[data, order]

    def _reshaped(self, data: relax.Expr, shape: tuple[int, ...], name: str) -> relax.Expr:
        return data if shape_of(data) == shape else self.emit(relax.op.reshape(data, shape), name)

    # ---- rules: the call on what is below the transpose, or None to emit the transpose ----

    def _permute(self, call: relax.Call, name: str) -> Moved:
        axes = [int(a) for a in call.attrs.axes or reversed(range(len(shape_of(call))))]
        below = self._below(call.args[0])
        return Moved(below.data, tuple(below.axes(axes)))

    def _reshape(self, call: relax.Call, name: str) -> Moved | None:
        """One that only adds or leaves out axes of one element."""
        if not _keeps_extents(call):
            return None
        below, shape = self._below(call.args[0]), shape_of(call)
        extents = shape_of(below.data)
        long = iter([axis for axis in below.order if extents[axis] != 1])
        missing = max(shape.count(1) - extents.count(1), 0)
        data = self._reshaped(below.data, extents + (1,) * missing, name)
        short = iter([axis for axis, extent in enumerate(shape_of(data)) if extent == 1])
        return Moved(data, tuple(next(short if e == 1 else long) for e in shape))

    def _elementwise(self, call: relax.Call, name: str) -> Moved | None:
        like = self._common(call)
        if like is None:
            return None
        operands = [
            self._placed(a, like) if isinstance(a, (relax.Var, GenericConst)) else a
            for a in call.args
        ]
        made = relax.Call(call.op, operands, call.attrs, call.ty_args)
        return Moved(self.emit(made, name), like.order)

    def _common(self, call: relax.Call) -> Moved | None:
        """One of the operands of the result's extents, if they all have its order, or may be made
        in it from an input.
        """
        size = math.prod(shape_of(call))
        large = [o for o in tensors_of(call) if math.prod(shape_of(o)) == size]
        moved = [self.moved[o] for o in large if o in self.moved]
        rest = [o for o in large if o not in self.moved and isinstance(o, relax.Var)]
        alike = len({m.below for m in moved}) == 1 and len(moved[0].order) == len(shape_of(call))
        given = set(self.function.params)
        return moved[0] if alike and all(o in given for o in rest) else None

    def _placed(self, expr: relax.Expr, like: Moved) -> relax.Expr:
        """An operand as it broadcasts below a transpose."""
        here = self.moved.get(expr) if isinstance(expr, relax.Var) else None
        if here is not None and here.below == like.below:
            return here.data
        shape, array = shape_of(expr), array_of(expr)
        if math.prod(shape) == 1 and len(shape) < 2:
            return self.use(expr)
        full = (1,) * (len(like.order) - len(shape)) + shape
        inside = tuple(like.order.index(a) for a in range(like.rank) if a in like.order)
        target = tuple(
            full[like.order.index(a)] if a in like.order else 1 for a in range(like.rank)
        )
        if array is not None:
            return constant(array.reshape(full).transpose(inside).reshape(target))
        name = str(expr.name)
        data = self._permuted(self._reshaped(self.use(expr), full, name), inside, name)
        return self._reshaped(data, target, name)

    def _concat(self, call: relax.Call, name: str) -> Moved | None:
        parts = list(call.args[0].fields)
        moved = [self.moved[p] for p in parts if p in self.moved]
        if len({m.below for m in moved}) != 1 or len(moved) < len(parts):
            return None
        [axis] = moved[0].axes([call.attrs.axis])
        joined = relax.op.concat([m.data for m in moved], axis)
        return Moved(self.emit(joined, name), moved[0].order)

    def _slice(self, call: relax.Call, name: str) -> Moved:
        below = self.moved[call.args[0]]
        axes = relax.Tuple([relax.prim_value(a) for a in below.axes(integers(call.args[1]))])
        operands = [below.data, axes, *call.args[2:]]
        made = relax.Call(call.op, operands, call.attrs, call.ty_args)
        return Moved(self.emit(made, name), below.order)

    def _pad(self, call: relax.Call, name: str) -> Moved | None:
        below, a = self.moved[call.args[0]], call.attrs
        widths = [0] * (2 * below.rank)
        for axis, inside in enumerate(below.order):
            before, after = a.pad_width[2 * axis : 2 * axis + 2]
            widths[2 * inside : 2 * inside + 2] = int(before), int(after)
        padded = relax.op.nn.pad(below.data, widths, str(a.pad_mode), float(a.pad_value))
        return Moved(self.emit(padded, name), below.order)

    def _reduce(self, call: relax.Call, name: str) -> Moved | None:
        data, a, rank = call.args[0], call.attrs, len(shape_of(call.args[0]))
        if a.axis is None:
            return None
        if [int(axis) % rank for axis in a.axis] == [rank - 1]:
            self.new[data] = self.use(data)
            del self.moved[data]
            return None
        below = self.moved[data]
        axes = below.axes(a.axis)
        made = self.emit(REDUCTIONS[call.op.name](below.data, axes, keepdims=True), name)
        return Moved(made, tuple(x for x in below.order if bool(a.keepdims) or x not in axes))

    def _matmul(self, call: relax.Call, name: str) -> Moved | None:
        """Of an image's channels, or of all its elements in a row, and a constant."""
        left, weight = call.args[0], array_of(call.args[1])
        if weight is None or weight.ndim != 2:
            return None
        below = self.moved.get(left)
        image = shape_of(below.data) if below is not None and below.rank == 4 else (1,)
        if below is not None and below.order[-1] == 1 and math.prod(image[2:]) > 1:
            kernel = constant(weight.T[:, :, None, None])
            return Moved(self.emit(relax.op.nn.conv2d(below.data, kernel), name), below.order)
        flat = self.made.get(left)
        if not isinstance(flat, relax.Call) or flat.op.name != "relax.reshape":
            return None
        below, shape = self.moved.get(flat.args[0]), shape_of(flat.args[0])
        if below is None or below.order[0] != 0 or shape_of(left) != (shape[0], len(weight)):
            return None
        places = np.arange(len(weight)).reshape(shape[1:])
        rows = places.transpose(np.argsort(below.order[1:])).reshape(-1)
        data = self._reshaped(below.data, shape_of(left), name)
        product = relax.op.matmul(data, constant(weight[rows]), call.attrs.out_dtype)
        return Moved(self.emit(product, name), (0, 1))


def _images(main: relax.Function) -> set[relax.Var]:
    """The variables that are connected with an operator of windows by what sinks transposes."""
    passing = {*ELEMENTWISE, *REDUCTIONS, *WINDOWED}
    passing |= {
        f"relax.{n}" for n in ("permute_dims", "concat", "strided_slice", "split", "nn.pad")
    }
    parent: dict[relax.Var, relax.Var] = {}

    def root(var: relax.Var) -> relax.Var:
        while parent.setdefault(var, var) is not var:
            var = parent[var]
        return var

    windowed: list[relax.Var] = []
    for binding in main.body.blocks[0].bindings:
        var, value = binding.var, binding.value
        near: list[relax.Expr] = []
        if isinstance(value, relax.TupleGetItem):
            near = [value.tuple_value]
        elif isinstance(value, relax.Call) and (value.op.name in passing or _keeps_extents(value)):
            near = tensors_of(value)
            windowed += [var] if value.op.name in WINDOWED else []
        for other in near:
            if isinstance(other, relax.Var):
                parent[root(other)] = root(var)
    roots = {root(var) for var in windowed}
    return {var for var in list(parent) if root(var) in roots}


def _keeps_extents(call: relax.Call) -> bool:
    """Whether a reshape only adds or leaves out axes of one element."""
    if call.op.name != "relax.reshape":
        return False
    before, after = ([e for e in shape_of(x) if e != 1] for x in (call.args[0], call))
    return before == after
