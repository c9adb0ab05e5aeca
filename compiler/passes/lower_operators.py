"""Operators without a kernel of their own, in terms of those that have one.

split          -> slices
topk           -> neoc.topk for the indices, a gather for the values
softmax        -> along the last axis, unless many columns stand side by side
cumsum         -> across rows, or in blocks
permute_dims   -> a reshape where it only moves axes of extent 1
matmul         -> of matrices
image.resize2d -> neoc.resize with tables of elements and weights
conv2d         -> of the pixels that it reads, close together, where it is 1x1 with strides
"""

from __future__ import annotations

import math
from collections.abc import Callable

import tvm
from tvm import relax

from compiler.kernels.operators import VIEWS, shape_of
from compiler.kernels.resampling import Sampling
from compiler.passes.rewriter import Rewriter, constant, own

ROWS = 8  # rows from which a cumulative sum runs across them
BLOCKS = 64  # pieces of a long cumulative sum
SHORT = 1024  # elements of a row that need no blocks
COLUMNS = 16  # neighbours from which a softmax runs across them
DEPTH = 4096  # elements of a column that are kept in a cache for it


def lower_operators(module: tvm.IRModule) -> tvm.IRModule:
    return _Lowerer(module).run()


class _Lowerer(Rewriter):
    def __init__(self, module: tvm.IRModule) -> None:
        super().__init__(module)
        self.rules: dict[str, Callable[[relax.Call, str], relax.Expr | None]] = {
            "relax.split": self._split,
            "relax.topk": self._topk,
            "relax.cumsum": self._cumsum,
            "relax.matmul": self._matmul,
            "relax.permute_dims": self._permute,
            "relax.nn.softmax": self._softmax,
            "relax.nn.log_softmax": self._softmax,
            "relax.nn.layer_norm": self._layer_norm,
            "relax.image.resize2d": self._resize,
            "relax.nn.conv2d": self._conv2d,
        }

    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        if isinstance(value, relax.Call) and value.op.name in self.rules:
            lowered = self.rules[value.op.name](value, var.name)
            if lowered is not None:
                return lowered
        if isinstance(value, relax.TupleGetItem):
            parts = self.use(value.tuple_value)
            if isinstance(parts, relax.Tuple):
                return parts.fields[int(value.index)]
        return self.again(var, value)

    def finish(self, outputs: list[relax.Expr]) -> relax.Expr:
        """An output that is an input or a constant is copied: it needs a place of its own."""
        inputs = {self.new[param] for param in self.function.params}
        results = []
        for output in outputs:
            result = self.use(output)
            root = result
            while root in self.producer and self.producer[root].op.name in VIEWS:
                root = self.producer[root].args[0]
            known = isinstance(root, relax.Var) and root not in inputs
            copy = result if known else relax.op.astype(result, result.ty.dtype)
            results.append(result if known else self.emit(copy, "copy"))
        return relax.Tuple(results)

    def _conv2d(self, call: relax.Call, name: str) -> relax.Expr | None:
        """Every panel of output channels reads them all: they should fit into a cache."""
        a = call.attrs
        strides, (height, width) = [int(v) for v in a.strides], shape_of(call.args[1])[2:]
        if (height, width) != (1, 1) or strides == [1, 1] or any(int(p) for p in a.padding):
            return None
        data = self.use(call.args[0])
        every = relax.op.strided_slice(data, [2, 3], [0, 0], shape_of(data)[2:], strides)
        pixels = self.emit(every, name)
        weight = self.use(call.args[1])
        made = relax.op.nn.conv2d(
            pixels, weight, groups=int(a.groups), out_dtype=str(call.ty.dtype)
        )
        return self.emit(made, name)

    def _split(self, call: relax.Call, name: str) -> relax.Expr:
        data = self.use(call.args[0])
        axis = int(call.attrs.axis) % len(shape_of(data))
        start, parts = 0, []
        for n, field in enumerate(call.ty.fields):
            stop = start + int(field.shape[axis])
            piece = relax.op.strided_slice(data, [axis], [start], [stop])
            parts.append(self.emit(piece, f"{name}_{n}"))
            start = stop
        return relax.Tuple(parts)

    def _along_last(
        self, data: relax.Expr, axis: int, name: str, function: Callable[[relax.Expr], relax.Expr]
    ) -> relax.Expr:
        """function(data with `axis` as the last one), put back."""
        order = list(range(len(shape_of(data))))
        order.append(order.pop(axis))
        if order == sorted(order):
            return self.emit(function(data), name)
        moved = self.emit(relax.op.permute_dims(data, order), name)
        back = [order.index(a) for a in range(len(order))]
        return self.emit(relax.op.permute_dims(self.emit(function(moved), name), back), name)

    def _topk(self, call: relax.Call, name: str) -> relax.Expr:
        data, a = self.use(call.args[0]), call.attrs
        axis = int(a.axis) % len(shape_of(data))
        count = shape_of(data)[axis] if int(a.k) < 1 else min(int(a.k), shape_of(data)[axis])

        def indices(x: relax.Expr) -> relax.Expr:
            settings = relax.ShapeExpr([count, int(bool(a.largest))])
            return own("neoc.topk", [x, settings], (*shape_of(x)[:-1], count), "int64")

        places = self._along_last(data, axis, name, indices)
        if a.ret_type == "indices":
            return self._cast(places, str(a.dtype), name)
        values = self.emit(relax.op.gather_elements(data, places, axis=axis), name)
        if a.ret_type == "values":
            return values
        return relax.Tuple([values, self._cast(places, str(a.dtype), name)])

    def _cast(self, data: relax.Expr, dtype: str, name: str) -> relax.Expr:
        return (
            data if str(data.ty.dtype) == dtype else self.emit(relax.op.astype(data, dtype), name)
        )

    def _softmax(self, call: relax.Call, name: str) -> relax.Expr:
        function = {
            "relax.nn.softmax": relax.op.nn.softmax,
            "relax.nn.log_softmax": relax.op.nn.log_softmax,
        }[call.op.name]
        data, kind = self.use(call.args[0]), str(call.ty.dtype)
        wide = self._cast(data, "float32", name) if kind == "float16" else data
        shape, axis = shape_of(data), int(call.attrs.axis) % len(shape_of(data))
        if math.prod(shape[axis + 1 :]) >= COLUMNS and shape[axis] <= DEPTH:
            return self._cast(self.emit(function(wide, axis), name), kind, name)
        return self._cast(self._along_last(wide, axis, name, lambda x: function(x, -1)), kind, name)

    def _layer_norm(self, call: relax.Call, name: str) -> relax.Expr | None:
        """Half precision is computed in single."""
        if str(call.ty.dtype) != "float16":
            return None
        operands = [self._cast(self.use(a), "float32", name) for a in call.args]
        wide = self.emit(relax.Call(call.op, operands, call.attrs), name)
        return self._cast(wide, "float16", name)

    def _matmul(self, call: relax.Call, name: str) -> relax.Expr | None:
        """A vector is a matrix of one row or column."""
        left, right = (self.use(a) for a in call.args)
        if len(shape_of(left)) > 1 and len(shape_of(right)) > 1:
            return None
        if len(shape_of(left)) == 1:
            left = self.emit(relax.op.reshape(left, (1, *shape_of(left))), name)
        if len(shape_of(right)) == 1:
            right = self.emit(relax.op.reshape(right, (*shape_of(right), 1)), name)
        product = self.emit(relax.op.matmul(left, right, call.attrs.out_dtype), name)
        return self.emit(relax.op.reshape(product, shape_of(call)), name)

    def _permute(self, call: relax.Call, name: str) -> relax.Expr | None:
        shape = shape_of(call.args[0])
        axes = [int(a) for a in call.attrs.axes or reversed(range(len(shape)))]
        moved = [a for a in axes if shape[a] != 1]
        if moved != sorted(moved):
            return None
        return self.emit(relax.op.reshape(self.use(call.args[0]), shape_of(call)), name)

    def _cumsum(self, call: relax.Call, name: str) -> relax.Expr:
        data, kind, a = (
            self._cast(self.use(call.args[0]), str(call.ty.dtype), name),
            str(call.ty.dtype),
            call.attrs,
        )
        if a.axis is None:
            data, axis = self.emit(relax.op.reshape(data, (math.prod(shape_of(data)),)), name), 0
        else:
            axis = int(a.axis) % len(shape_of(data))
        shape = shape_of(data)
        if any(e > 1 for e in shape[axis + 1 :]):
            return self.emit(relax.op.cumsum(data, axis, kind, bool(a.exclusive)), name)
        rows, extent = math.prod(shape[:axis]), shape[axis]
        flat = self.emit(relax.op.reshape(data, (rows, extent)), name)
        return self.emit(
            relax.op.reshape(self._running(flat, bool(a.exclusive), kind, name), shape), name
        )

    def _running(self, data: relax.Expr, exclusive: bool, kind: str, name: str) -> relax.Expr:
        """Cumulative sums along the rows of a matrix: rows as lanes; few long rows in blocks that
        become rows.
        """
        rows, extent = shape_of(data)
        if rows >= ROWS:
            across = self.emit(relax.op.permute_dims(data, [1, 0]), name)
            summed = self.emit(relax.op.cumsum(across, 0, kind, exclusive), name)
            return self.emit(relax.op.permute_dims(summed, [1, 0]), name)
        if extent <= SHORT:
            return self.emit(relax.op.cumsum(data, 1, kind, exclusive), name)
        length = -(-extent // BLOCKS)
        padded = self.emit(relax.op.nn.pad(data, [0, 0, 0, BLOCKS * length - extent]), name)
        blocks = self.emit(relax.op.reshape(padded, (rows * BLOCKS, length)), name)
        inside = self._running(blocks, exclusive, kind, name)
        totals = self.emit(relax.op.reshape(relax.op.sum(blocks, [1]), (rows, BLOCKS)), name)
        starts = self.emit(relax.op.cumsum(totals, 1, kind, True), name)
        starts = self.emit(relax.op.reshape(starts, (rows * BLOCKS, 1)), name)
        whole = self.emit(
            relax.op.reshape(relax.op.add(inside, starts), (rows, BLOCKS * length)), name
        )
        return self.emit(relax.op.strided_slice(whole, [1], [0], [extent]), name)

    def _resize(self, call: relax.Call, name: str) -> relax.Expr | None:
        """Tables are [taps, elements]; half precision is computed in single."""
        sampling, kind = Sampling.described(call.attrs), str(call.ty.dtype)
        if str(call.attrs.layout) != "NCHW" or not sampling.is_known:
            return None
        wide = "float64" if kind == "float64" else "float32"
        data = self._cast(self.use(call.args[0]), wide, name)
        sizes = zip(shape_of(data)[2:], shape_of(call)[2:], strict=True)
        tables = [sampling.table(length, output) for length, output in sizes]
        operands = [constant(places.T) for places, _ in tables]
        operands += [constant(share.T.astype(wide)) for _, share in tables if share is not None]
        made = own("neoc.resize", [data, *operands, *sampling.arguments], shape_of(call), wide)
        return self._cast(self.emit(made, name), kind, name)
