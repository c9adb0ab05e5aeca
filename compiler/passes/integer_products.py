"""Convolutions of dequantised numbers in integers.

conv((x - z) * s, w * t) is conv(x - z, w) * (s * t): exact sums of 16-bit numbers, scaled once.
Tensors that hold small integers between such layers hold them without their zero point, so that
padding is zero. A division in front of a rounding becomes part of the factors in front of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tvm
from tvm import relax
from tvm.ir import GenericConst

from compiler.kernels.operators import dtype_of, integers
from compiler.passes.rewriter import Rewriter, array_of, constant, number_of

BYTES = ("int8", "uint8")
FOLDED: dict[str, Callable[..., np.ndarray]] = {
    "relax.add": np.add,
    "relax.multiply": np.multiply,
    "relax.subtract": np.subtract,
}


def integer_products(module: tvm.IRModule) -> tvm.IRModule:
    return _Rewriter(module).run()


@dataclass(frozen=True)
class _Whole:
    """Integers: data - zero. data: a tensor of bytes (old), or an array."""

    data: relax.Var | np.ndarray
    zero: int


@dataclass(frozen=True)
class _Real:
    """Dequantised numbers: whole * scale."""

    whole: _Whole
    scale: np.ndarray


class _Rewriter(Rewriter):
    def __init__(self, module: tvm.IRModule) -> None:
        super().__init__(module)
        bindings = self.function.body.blocks[0].bindings
        self.made = {b.var: b.value for b in bindings if isinstance(b.value, relax.Call)}
        self.centred: dict[tuple[relax.Var, int], relax.Var] = {}

    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        if not isinstance(value, relax.Call):
            return self.again(var, value)
        if (folded := self._folded(value)) is not None:
            return folded
        done = None
        if value.op.name == "relax.multiply" and (real := self._real(var)) is not None:
            done = self._dequantised(real, var.name)
        elif value.op.name == "relax.nn.conv2d":
            done = self._product(value, var.name)
        elif value.op.name == "relax.add":
            done = self._biased(value, var.name)
        elif value.op.name == "relax.divide":
            done = self._divided(value, var.name)
        return self.again(var, value) if done is None else done

    # ---- what an old expression is ----

    def _call(self, expr: relax.Expr, operator: str) -> relax.Call | None:
        call = self.made.get(expr) if isinstance(expr, relax.Var) else None
        return call if call is not None and call.op.name == operator else None

    def _whole(self, expr: relax.Expr) -> _Whole | None:
        known = array_of(self.use(expr))
        if known is not None:
            return _Whole(known, 0) if known.dtype == np.int32 else None
        zero, cast = 0, expr
        if (difference := self._call(expr, "relax.subtract")) is not None:
            number = number_of(self.use(difference.args[1]))
            if number is None:
                return None
            zero, cast = int(number), difference.args[0]
        call = self._call(cast, "relax.astype")
        if call is None or dtype_of(call) != "int32" or dtype_of(call.args[0]) not in BYTES:
            return None
        return _Whole(call.args[0], zero)

    def _real(self, expr: relax.Expr) -> _Real | None:
        product = self._call(expr, "relax.multiply")
        if product is None or (scale := array_of(self.use(product.args[1]))) is None:
            return None
        cast = self._call(product.args[0], "relax.astype")
        if cast is None or dtype_of(cast) != "float32" or scale.dtype != np.float32:
            return None
        whole = self._whole(cast.args[0])
        return None if whole is None else _Real(whole, scale)

    # ---- rules ----

    def _folded(self, call: relax.Call) -> relax.Expr | None:
        """A dequantised constant."""
        arrays = [array_of(self.use(a)) for a in call.args if not isinstance(a, relax.ShapeExpr)]
        known = [a for a in arrays if a is not None]
        if len(known) < len(arrays) or not known:
            return None
        if call.op.name == "relax.astype":
            return constant(known[0].astype(dtype_of(call)))
        if call.op.name == "relax.reshape":
            return constant(known[0].reshape(integers(call.args[1])))
        rule = FOLDED.get(call.op.name)
        return None if rule is None else constant(np.asarray(rule(*known), dtype_of(call)))

    def _middle(self, data: relax.Var, zero: int) -> relax.Var:
        """data - zero in 16 bits."""
        key = data, zero
        if key not in self.centred:
            rounded = self._rounded(data, zero)
            if rounded is None:
                wide = self.emit(relax.op.astype(self.use(data), "int16"), data.name)
                offset = constant(np.asarray(zero, np.int16))
                rounded = self.emit(relax.op.subtract(wide, offset), data.name) if zero else wide
            self.centred[key] = rounded
        return self.centred[key]

    def _rounded(self, data: relax.Var, zero: int) -> relax.Var | None:
        """Of what was just quantised with the same zero point: clip(y + z) - z, without z."""
        call, bytewise = self._call(data, "relax.astype"), dtype_of(data)
        call = self._call(call.args[0], "relax.astype") if call is not None else None
        clip = self._call(call.args[0], "relax.clip") if call is not None else None
        if clip is None or dtype_of(clip) != "float32":
            return None
        limits = np.iinfo(bytewise)
        if [float(clip.args[n].value) for n in (1, 2)] != [limits.min, limits.max]:
            return None
        moved, source = self._call(clip.args[0], "relax.add"), clip.args[0]
        added = number_of(self.use(moved.args[1])) if moved is not None else 0.0
        if added != zero:
            return None
        source = self.use(moved.args[0] if moved is not None else source)
        low, high = (tvm.tirx.const(float(v - zero), "float32") for v in (limits.min, limits.max))
        near = self.emit(relax.op.clip(source, low, high), data.name)
        return self.emit(
            relax.op.astype(self.emit(relax.op.astype(near, "int32"), data.name), "int16"),
            data.name,
        )

    def _dequantised(self, real: _Real, name: str) -> relax.Expr | None:
        whole = real.whole
        if isinstance(whole.data, np.ndarray):
            return None
        return self._scaled(self._middle(whole.data, whole.zero), real.scale, name)

    def _scaled(self, whole: relax.Expr, scale: np.ndarray, name: str) -> relax.Var:
        number = self.emit(relax.op.astype(whole, "float32"), name)
        return self.emit(relax.op.multiply(number, constant(scale)), name)

    def _product(self, call: relax.Call, name: str) -> relax.Expr | None:
        data, weight = call.args
        if int(call.attrs.groups) != 1:
            return None
        x, w = self._real(data), self._weight(weight)
        if dtype_of(call) == "int32":
            left, right = self._whole(data), self._whole(weight)
            return None if left is None or right is None else self._sums(call, left, right, name)
        if x is None or w is None or x.scale.size != 1:
            return None
        sums = self._sums(call, x.whole, w.whole, name)
        if sums is None:
            return None
        factor = (x.scale.astype(np.float64).reshape(()) * w.scale).astype(np.float32)
        return self._scaled(sums, factor, name)

    def _weight(self, expr: relax.Expr) -> _Real | None:
        """Constants with one scale, or one an output channel."""
        real = self._real(expr)
        if real is None or not isinstance(real.whole.data, np.ndarray):
            return None
        scale, outputs = real.scale, len(real.whole.data)
        if scale.size == 1:
            return _Real(real.whole, scale.reshape(()))
        if scale.shape != (outputs, 1, 1, 1):
            return None
        return _Real(real.whole, scale.reshape(1, outputs, 1, 1))

    def _sums(self, call: relax.Call, x: _Whole, w: _Whole, name: str) -> relax.Var | None:
        """int32. Both sides fit 9 bits, so that a sum of two products cannot overflow."""
        if isinstance(x.data, np.ndarray) or not isinstance(w.data, np.ndarray):
            return None
        if np.abs(w.data).max(initial=0) > 255:
            return None
        a = call.attrs
        sizes = [[int(v) for v in values] for values in (a.strides, a.padding, a.dilation)]
        middle = self._middle(x.data, x.zero)
        weight = constant(w.data.astype(np.int16))
        return self.emit(relax.op.nn.conv2d(middle, weight, *sizes, out_dtype="int32"), name)

    def _biased(self, call: relax.Call, name: str) -> relax.Expr | None:
        """A bias in the unit of the sums is added to them."""
        column = self._call(call.args[1], "relax.reshape")
        bias = self._real(column.args[0]) if column is not None else None
        product = self.producer.get(self.use(call.args[0]))
        if bias is None or product is None or product.op.name != "relax.multiply":
            return None
        cast, factor = self.producer.get(product.args[0]), array_of(product.args[1])
        sums = cast.args[0] if cast is not None and cast.op.name == "relax.astype" else None
        made = self.producer.get(sums) if sums is not None else None
        if made is None or made.op.name != "relax.nn.conv2d" or factor is None:
            return None
        if not np.allclose(bias.scale.reshape(-1), factor.reshape(-1), rtol=1e-5, atol=0):
            return None
        assert isinstance(bias.whole.data, np.ndarray)
        whole = bias.whole.data - bias.whole.zero
        added = self.emit(relax.op.add(sums, constant(whole.reshape(1, -1, 1, 1))), name)
        return self._scaled(added, factor, name)

    def _divided(self, call: relax.Call, name: str) -> relax.Expr | None:
        """y / s in front of a rounding, where y is a sum of scaled integers."""
        step = number_of(self.use(call.args[1]))
        data = self.use(call.args[0])
        if step is None or step <= 0 or dtype_of(call) != "float32":
            return None
        return self._shrunk(data, step, name)

    def _shrunk(self, expr: relax.Expr, step: float, name: str) -> relax.Expr | None:
        """A new expression divided by step, by dividing its constants."""
        if isinstance(expr, GenericConst):
            array = array_of(expr)
            assert array is not None
            return constant((array.astype(np.float64) / step).astype(np.float32))
        made = self.producer.get(expr)
        if made is None or made.op.name not in ("relax.add", "relax.multiply", "relax.nn.relu"):
            return None
        if made.op.name == "relax.multiply":
            cast = self.producer.get(made.args[0])
            if cast is None or cast.op.name != "relax.astype":
                return None
            factor = made.args[1]
            if not isinstance(factor, GenericConst):
                return None
            operands = [made.args[0], self._shrunk(factor, step, name)]
        else:
            operands = [self._shrunk(a, step, name) for a in made.args]
        if any(o is None for o in operands):
            return None
        return self.emit(relax.Call(made.op, operands, made.attrs, made.ty_args), name)
