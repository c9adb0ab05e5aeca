"""Products of dequantised numbers in integers.

conv((x - z) * s, w * t) is conv(x - z, w) * (s * t): exact sums of 16-bit numbers, scaled once; a
matrix product likewise. Tensors that hold bytes between such layers hold them as 16-bit numbers
without their zero point, so that padding is zero. A division in front of a rounding becomes part of
the factors in front of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tvm
from tvm import relax
from tvm.ir import GenericConst

from compiler.kernels.operators import dtype_of, integers, shape_of
from compiler.passes.rewriter import Rewriter, array_of, constant, number_of

BYTES = ("int8", "uint8")
WIDEST = 255  # a byte less its zero point: a sum of two products of such fits the kernels
FOLDED: dict[str, Callable[..., np.ndarray]] = {
    "relax.add": np.add,
    "relax.multiply": np.multiply,
    "relax.subtract": np.subtract,
}
MOVED: dict[str, Callable[[np.ndarray, relax.Call], np.ndarray]] = {
    "relax.permute_dims": lambda array, call: array.transpose(_axes(call)),
    "relax.reshape": lambda array, call: array.reshape(integers(call.args[1])),
}
OUTPUTS = {"relax.nn.conv2d": 0, "relax.matmul": 1}  # the axis of the weights where results lie
SHRUNK = ("relax.add", "relax.multiply", "relax.nn.relu")


def integer_products(module: tvm.IRModule) -> tvm.IRModule:
    return _Rewriter(module).run()


@dataclass(frozen=True)
class _Bytes:
    """data - zero, of an old tensor of bytes. A zero that is an expression is one number, old."""

    data: relax.Var
    zero: int | relax.Var


@dataclass(frozen=True)
class _Known:
    """Constant integers: data * scale. scale: as long as data along the axes on which it varies."""

    data: np.ndarray
    scale: np.ndarray


class _Rewriter(Rewriter):
    def __init__(self, module: tvm.IRModule) -> None:
        super().__init__(module)
        bindings = self.function.body.blocks[0].bindings
        self.made = {b.var: b.value for b in bindings if isinstance(b.value, relax.Call)}
        self.centred: dict[_Bytes, relax.Var] = {}
        self.rules: dict[str, Callable[[relax.Call, str], relax.Expr | None]] = {
            "relax.nn.conv2d": self._convolution,
            "relax.matmul": self._matmul,
            "relax.multiply": self._dequantised,
            "relax.add": self._biased,
            "relax.divide": self._divided,
        }

    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        if not isinstance(value, relax.Call):
            return self.again(var, value)
        if (folded := self._folded(value)) is not None:
            return folded
        rule = self.rules.get(value.op.name)
        done = rule(value, var.name) if rule is not None else None
        return self.again(var, value) if done is None else done

    # ---- what an old expression is ----

    def _call(self, expr: relax.Expr | None, operator: str, dtype: str = "") -> relax.Call | None:
        call = self.made.get(expr) if isinstance(expr, relax.Var) else None
        return (
            call
            if call is not None and call.op.name == operator and dtype in ("", dtype_of(call))
            else None
        )

    def _bytes(self, expr: relax.Expr) -> _Bytes | None:
        """int32 of bytes without their zero point."""
        difference = self._call(expr, "relax.subtract")
        zero: int | relax.Var | None = 0
        if difference is not None:
            zero, expr = self._zero(difference.args[1]), difference.args[0]
        cast = self._call(expr, "relax.astype", "int32")
        if cast is None or not isinstance(cast.args[0], relax.Var) or zero is None:
            return None
        if dtype_of(cast.args[0]) not in BYTES:
            return None
        limits = np.iinfo(dtype_of(cast.args[0]))
        if isinstance(zero, int) and not limits.min <= zero <= limits.max:
            return None
        return _Bytes(cast.args[0], zero)

    def _zero(self, expr: relax.Expr) -> int | relax.Var | None:
        number = number_of(self.use(expr))
        if number is not None:
            return int(number)
        source = self._call(expr, "relax.reshape")
        cast = self._call(source.args[0] if source is not None else expr, "relax.astype", "int32")
        if cast is None or dtype_of(cast.args[0]) not in BYTES or np.prod(shape_of(cast)) != 1:
            return None
        return expr

    def _scaled_bytes(self, expr: relax.Expr) -> tuple[_Bytes, np.ndarray] | None:
        """Bytes dequantised by constants."""
        product = self._call(expr, "relax.multiply", "float32")
        if product is None or (scale := array_of(self.use(product.args[1]))) is None:
            return None
        cast = self._call(product.args[0], "relax.astype")
        whole = self._bytes(cast.args[0]) if cast is not None else None
        return (whole, scale) if whole is not None else None

    def _known(self, expr: relax.Expr) -> _Known | None:
        """A dequantised constant."""
        if (moved := self._moved(expr)) is not None:
            return moved
        product = self._call(expr, "relax.multiply", "float32")
        cast = self._call(product.args[0], "relax.astype") if product is not None else None
        if product is None or cast is None:
            return None
        data, scale = array_of(self.use(cast.args[0])), array_of(self.use(product.args[1]))
        if data is None or scale is None or data.dtype != np.int32 or not data.size:
            return None
        return _Known(data, scale.reshape((1,) * (data.ndim - scale.ndim) + scale.shape))

    def _moved(self, expr: relax.Expr) -> _Known | None:
        """A dequantised constant in another shape or order of axes."""
        call = self.made.get(expr) if isinstance(expr, relax.Var) else None
        if (
            call is None
            or call.op.name not in MOVED
            or (known := self._known(call.args[0])) is None
        ):
            return None
        rule = MOVED[call.op.name]
        scale = rule(np.broadcast_to(known.scale, known.data.shape), call)
        for axis in range(scale.ndim):
            first = scale.take([0], axis)
            scale = first if (scale == first).all() else scale
        return _Known(rule(known.data, call), scale)

    # ---- rules ----

    def _folded(self, call: relax.Call) -> relax.Expr | None:
        """An operator of constants, as dequantising is made of."""
        arrays = [array_of(self.use(a)) for a in call.args if not isinstance(a, relax.ShapeExpr)]
        known = [a for a in arrays if a is not None]
        if len(known) < len(arrays) or not known:
            return None
        if call.op.name == "relax.astype":
            return constant(known[0].astype(dtype_of(call)))
        if call.op.name in MOVED:
            return constant(MOVED[call.op.name](known[0], call))
        rule = FOLDED.get(call.op.name)
        return None if rule is None else constant(np.asarray(rule(*known), dtype_of(call)))

    def _convolution(self, call: relax.Call, name: str) -> relax.Expr | None:
        a = call.attrs
        if int(a.groups) != 1:
            return None
        sizes = [[int(v) for v in values] for values in (a.strides, a.padding, a.dilation)]

        def emit(x: relax.Expr, w: relax.Expr) -> relax.Expr:
            return relax.op.nn.conv2d(x, w, *sizes, out_dtype="int32")

        return self._product(call, (1, -1, 1, 1), emit, name)

    def _matmul(self, call: relax.Call, name: str) -> relax.Expr | None:
        right = shape_of(call.args[1])
        if len(right) != 2 or right[0] % 2:
            return None  # two rows are multiplied at a time

        def emit(x: relax.Expr, w: relax.Expr) -> relax.Expr:
            return relax.op.matmul(x, w, "int32")

        return self._product(call, (-1,), emit, name)

    def _product(
        self,
        call: relax.Call,
        column: tuple[int, ...],
        emit: Callable[[relax.Expr, relax.Expr], relax.Expr],
        name: str,
    ) -> relax.Expr | None:
        """A product of bytes with constants, of integers or dequantised. column: the shape of
        factors, one for each output of the constant, in the result.
        """
        axis = OUTPUTS[call.op.name]
        if dtype_of(call) == "int32":
            whole, array = self._bytes(call.args[0]), array_of(self.use(call.args[1]))
            known = None if array is None else _Known(array, np.ones((1,) * array.ndim))
            scale = None
        else:
            data, known = self._scaled_bytes(call.args[0]), self._known(call.args[1])
            whole, scale = data if data is not None else (None, None)
        if whole is None or known is None or not _exact(known.data, axis):
            return None
        if (scale is not None and scale.size != 1) or known.scale.size != known.scale.shape[axis]:
            return None
        small = known.data.astype(np.int8)
        weight = constant(small if (small == known.data).all() else known.data.astype(np.int16))
        sums = self.emit(emit(self._centred(whole), weight), name)
        if scale is None:
            return sums
        factor = scale.astype(np.float64).reshape(()) * known.scale.reshape(-1)
        shaped = factor.reshape(column if factor.size > 1 else ())
        return self._scaled(sums, shaped.astype(np.float32), name)

    def _dequantised(self, call: relax.Call, name: str) -> relax.Expr | None:
        cast = self._call(call.args[0], "relax.astype", "float32")
        whole = self._bytes(cast.args[0]) if cast is not None else None
        if whole is None:
            return None
        number = self.emit(relax.op.astype(self._centred(whole), "float32"), name)
        return self.emit(relax.op.multiply(number, self.use(call.args[1])), name)

    def _centred(self, whole: _Bytes) -> relax.Var:
        """data - zero in 16 bits."""
        if whole not in self.centred:
            rounded = self._rounded(whole)
            self.centred[whole] = self._difference(whole) if rounded is None else rounded
        return self.centred[whole]

    def _difference(self, whole: _Bytes) -> relax.Var:
        name = whole.data.name
        wide = self.emit(relax.op.astype(self.use(whole.data), "int16"), name)
        if not isinstance(whole.zero, int):
            zero = self.emit(relax.op.astype(self.use(whole.zero), "int16"), name)
            return self.emit(relax.op.subtract(wide, zero), name)
        zero = constant(np.asarray(whole.zero, np.int16))
        return self.emit(relax.op.subtract(wide, zero), name) if whole.zero else wide

    def _rounded(self, whole: _Bytes) -> relax.Var | None:
        """Of what was just quantised with the same zero point: clip(y + z) - z, without z."""
        if not isinstance(whole.zero, int):
            return None
        cast = self._call(whole.data, "relax.astype")
        cast = self._call(cast.args[0], "relax.astype") if cast is not None else None
        clip = self._call(cast.args[0], "relax.clip", "float32") if cast is not None else None
        limits = np.iinfo(dtype_of(whole.data))
        if clip is None or [float(a.value) for a in clip.args[1:3]] != [limits.min, limits.max]:
            return None
        moved, source = self._call(clip.args[0], "relax.add"), clip.args[0]
        if moved is not None and number_of(self.use(moved.args[1])) == whole.zero:
            source = moved.args[0]
        elif whole.zero:
            return None
        bounds = [tvm.tirx.const(float(v - whole.zero), "float32")
                  for v in (limits.min, limits.max)]  # fmt: skip
        near: relax.Expr = relax.op.clip(self.use(source), *bounds)
        for kind in ("int32", "int16"):
            near = relax.op.astype(self.emit(near, whole.data.name), kind)
        return self.emit(near, whole.data.name)

    def _scaled(self, whole: relax.Expr, scale: np.ndarray, name: str) -> relax.Var:
        number = self.emit(relax.op.astype(whole, "float32"), name)
        return self.emit(relax.op.multiply(number, constant(scale)), name)

    def _biased(self, call: relax.Call, name: str) -> relax.Expr | None:
        """A bias in the unit of the sums is added to them."""
        bias = self._known(call.args[1])
        product = self.producer.get(self.use(call.args[0]))
        if bias is None or product is None or product.op.name != "relax.multiply":
            return None
        cast, factor = self.producer.get(product.args[0]), array_of(product.args[1])
        sums = cast.args[0] if cast is not None and cast.op.name == "relax.astype" else None
        made = self.producer.get(sums) if sums is not None else None
        if made is None or factor is None or made.op.name not in OUTPUTS:
            return None
        if dtype_of(made) != "int32" or not np.allclose(
            np.broadcast_to(bias.scale, bias.data.shape), factor, rtol=1e-5, atol=0
        ):
            return None
        weight = array_of(made.args[1])
        if weight is None or not _exact(weight, OUTPUTS[made.op.name], bias.data):
            return None
        added = self.emit(relax.op.add(sums, constant(bias.data)), name)
        return self._scaled(added, factor, name)

    def _divided(self, call: relax.Call, name: str) -> relax.Expr | None:
        """y / s in front of a rounding, where y is a sum of scaled integers."""
        step = number_of(self.use(call.args[1]))
        if step is None or step <= 0 or dtype_of(call) != "float32":
            return None
        return self._shrunk(self.use(call.args[0]), step, name)

    def _shrunk(self, expr: relax.Expr, step: float, name: str) -> relax.Expr | None:
        """A new expression divided by step, by dividing its constants."""
        if (array := array_of(expr)) is not None:
            return constant((array.astype(np.float64) / step).astype(np.float32))
        made = self.producer.get(expr)
        if made is None or made.op.name not in SHRUNK:
            return None
        if made.op.name == "relax.multiply":
            cast, factor = self.producer.get(made.args[0]), made.args[1]
            whole = cast is not None and cast.op.name == "relax.astype"
            if not whole or not isinstance(factor, GenericConst):
                return None
            operands = [made.args[0], self._shrunk(factor, step, name)]
        else:
            operands = [self._shrunk(a, step, name) for a in made.args]
        if any(o is None for o in operands):
            return None
        return self.emit(relax.Call(made.op, operands, made.attrs, made.ty_args), name)


def _axes(call: relax.Call) -> list[int] | None:
    return [int(a) for a in call.attrs.axes] if call.attrs.axes else None


def _exact(weight: np.ndarray, axis: int, bias: np.ndarray | int = 0) -> bool:
    """Whether no sum of products with bytes, one for each place on the axis, leaves 32 bits."""
    size = np.abs(weight.astype(np.int64))
    others = tuple(a for a in range(weight.ndim) if a != axis)
    most = size.sum(others).max(initial=0) * WIDEST + np.abs(np.asarray(bias, np.int64)).max()
    return bool(size.max(initial=0) <= WIDEST and most < 2**31)
