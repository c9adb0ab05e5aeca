"""Images in two layouts, plain [N, C, H, W] and packed [N, C/L, H, W, L]: either is made from the
other on demand.

Lanes beyond the channels hold values that nothing reads: every operator either keeps lanes apart
or knows the channels.
"""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relax

from compiler.kernels.operators import integers, shape_of
from compiler.kernels.workload import operator_of
from compiler.passes.rewriter import Rewriter, array_of, constant, own
from compiler.passes.scattered import Scattered, beside

Shape = tuple[int, ...]


class Layouts(Rewriter):
    """`new` holds the plain form of a variable, `packed` the packed one, `scattered` one whose
    channels lie in several packed tensors.
    """

    def __init__(self, module: tvm.IRModule, lanes: int) -> None:
        super().__init__(module)
        self.lanes = lanes
        self.packed: dict[relax.Var, relax.Var] = {}
        self.scattered: dict[relax.Var, Scattered] = {}
        bindings = self.function.body.blocks[0].bindings
        self.made = {b.var: b.value for b in bindings if isinstance(b.value, relax.Call)}

    def use(self, expr: relax.Expr) -> relax.Expr:
        if isinstance(expr, relax.Var) and self.new.get(expr) is not None:
            if self.new[expr].same_as(expr) and self._is_concat_of_packed(expr):
                self.new[expr] = self.again(expr, self.made[expr])
            elif self.new[expr].same_as(expr):
                self.new[expr] = self.unpack(self.pack(expr), shape_of(expr), expr.name)
        return super().use(expr)

    def panels(self, channels: int) -> int:
        return -(-channels // self.lanes)

    def packed_shape(self, shape: Shape) -> Shape:
        return (shape[0], self.panels(shape[1]), *shape[2:], self.lanes)

    def unpack(self, packed: relax.Var, shape: Shape, name: str) -> relax.Expr:
        if shape[2] * shape[3] == 1 and shape[1] % self.lanes == 0:
            return self.emit(relax.op.reshape(packed, shape), name)
        return self.emit(own("neoc.unpack", [packed], shape, str(packed.ty.dtype)), name)

    def pack(self, var: relax.Expr) -> relax.Expr:
        """Constants are packed when the model is compiled."""
        if (array := array_of(var)) is not None:
            return constant(self.pack_array(array, 0))
        if var not in self.packed and var in self.scattered:
            self.packed[var] = self._collected(self.scattered[var], shape_of(var), var.name)
        elif var not in self.packed:
            plain, shape = self.use(var), shape_of(var)
            target = self.packed_shape(shape)
            if shape[2] * shape[3] == 1 and shape[1] % self.lanes == 0:
                self.packed[var] = self.emit(relax.op.reshape(plain, target), var.name)
            else:
                self.packed[var] = self.emit(
                    own("neoc.pack", [plain], target, str(var.ty.dtype)), var.name
                )
        return self.packed[var]

    def is_packed(self, expr: relax.Expr) -> bool:
        return isinstance(expr, relax.Var) and (expr in self.packed or expr in self.scattered)

    def _is_concat_of_packed(self, var: relax.Var) -> bool:
        call = self.made[var]
        return operator_of(call) == "relax.concat" and all(
            part in self.packed or part not in self.scattered for part in call.args[0].fields
        )

    def scatter(self, call: relax.Call) -> Scattered | None:
        """Slices, permutations and concatenations of whole channels that cut panels."""
        if operator_of(call) == "relax.concat":
            if len(shape_of(call)) != 4 or int(call.attrs.axis) % 4 != 1:
                return None
            parts = [self.channels(part) for part in call.args[0].fields]
            known = [part for part in parts if part is not None]
            return beside(known, self.producer) if len(known) == len(parts) else None
        numbers = _channel_numbers(call)
        data = self.channels(call.args[0]) if numbers is not None else None
        return data.chosen(numbers) if data is not None and numbers is not None else None

    def channels(self, expr: relax.Expr) -> Scattered | None:
        if expr in self.scattered:
            return self.scattered[expr]
        return Scattered.of(self.packed[expr], shape_of(expr)[1]) if expr in self.packed else None

    def beside(self, tensors: tuple[relax.Var, ...], name: str) -> relax.Expr:
        return tensors[0] if len(tensors) == 1 else self.emit(relax.op.concat(tensors, 1), name)

    def _collected(self, channels: Scattered, shape: Shape, name: str) -> relax.Var:
        target = self.packed_shape(shape)
        places = np.zeros(target[1] * self.lanes, np.int32)
        places[: shape[1]] = channels.places()
        data = self.beside(channels.read, name)
        operands = [data, constant(places)]
        return self.emit(own("neoc.select", operands, target, str(data.ty.dtype)), name)

    def pack_array(self, array: np.ndarray, fill: float) -> np.ndarray:
        """[N, C, H, W] -> [N, C/L, H, W, L]; one channel is kept as it is, for broadcasting."""
        n, c, h, w = array.shape
        if c == 1:
            return array[..., None]
        padded = np.full((n, self.panels(c) * self.lanes, h, w), fill, array.dtype)
        padded[:, :c] = array
        return padded.reshape(n, -1, self.lanes, h, w).transpose(0, 1, 3, 4, 2)


def _channel_numbers(call: relax.Call) -> list[int] | None:
    """The channels that a slice or a permutation of an image takes."""
    if operator_of(call) not in ("relax.strided_slice", "relax.take"):
        return None
    shape = shape_of(call.args[0])
    if len(shape) != 4:
        return None
    if operator_of(call) == "relax.take":
        chosen = array_of(call.args[1])
        if chosen is None or chosen.ndim != 1 or int(call.attrs.axis or 0) % 4 != 1:
            return None
        return [int(c) % shape[1] for c in chosen]
    steps = integers(call.args[4]) if len(call.args) > 4 else [1]
    axes, begin, end = (integers(a) for a in call.args[1:4])
    if len(axes) != 1 or axes[0] % 4 != 1:
        return None
    return list(range(shape[1])[begin[0] : end[0] : steps[0]])
