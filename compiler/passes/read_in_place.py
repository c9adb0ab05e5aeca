"""Products read operands where they lie, and write where what follows wants the result.

    permute_dims(matmul(permute_dims(x, p), permute_dims(y, q)), r) -> neoc.matmul(x, y, ...)

An operand's rows or columns must lie side by side; the result's rows stay whole. See
kernels/product.py. A constant side is packed when the model is compiled: such products stay.
"""

from __future__ import annotations

import math

import tvm
from tvm import relax

from compiler.kernels.operators import shape_of
from compiler.passes.rewriter import Rewriter, own
from compiler.passes.views import View, axes_of, undoes, view_of


def read_in_place(module: tvm.IRModule) -> tvm.IRModule:
    return _Reader(module).run()


class _Reader(Rewriter):
    """consumers: the one call that reads a variable."""

    def __init__(self, module: tvm.IRModule) -> None:
        super().__init__(module)
        self.consumers: dict[relax.Var, relax.Call] = {}
        for binding in self.function.body.blocks[0].bindings:
            if isinstance(binding.value, relax.Call):
                for operand in binding.value.args:
                    if isinstance(operand, relax.Var) and self.uses[operand] == 1:
                        self.consumers[operand] = binding.value

    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        if isinstance(value, relax.Call) and str(value.ty.dtype) == "float32":
            if value.op.name == "relax.matmul":
                found = self._product(var, value)
                return self.again(var, value) if found is None else found
            if value.op.name == "relax.permute_dims":
                moved = self.use(value.args[0])
                if undoes(value, self.producer.get(moved)):
                    return self.producer[moved].args[0]
        return self.again(var, value)

    def _product(self, var: relax.Var, call: relax.Call) -> relax.Expr | None:
        operands = [self.use(a) for a in call.args]
        if not all(isinstance(o, relax.Var) for o in operands) or 0 in shape_of(call):
            return None
        left, right = map(shape_of, operands)
        shape, order = shape_of(call), self._order(var, call)
        views = [self._view(o) for o in operands]
        if math.prod(right[:-2]) == 1 < math.prod(left[:-2]):  # a single tall matrix on the left
            left = (math.prod(left[:-1]), left[-1])
            right, order, views[0] = right[-2:], list(range(len(shape))), _itself(operands[0], left)
        stays = order == sorted(order)
        if stays and all(v.root.same_as(o) for v, o in zip(views, operands, strict=True)):
            return None
        rank = max(len(left), len(right))
        sizes = [*shape[len(shape) - rank : -2], left[-2], shape[-1], left[-1]]
        numbers = [
            n for v, e in zip(views, (left, right), strict=True) for n in _numbers(v, e, rank)
        ]
        arguments = [*(v.root for v in views), *map(relax.ShapeExpr, (sizes, numbers, order))]
        made = own("neoc.matmul", arguments, tuple(shape[a] for a in order), "float32")
        product = self.emit(made, var.name)
        if stays:
            return product
        back = [order.index(a) for a in range(len(order))]
        return self.emit(relax.op.permute_dims(product, back), var.name)

    def _view(self, operand: relax.Expr) -> View:
        """The operand itself, unless it is a view that moves something and keeps runs."""
        view, itself = view_of(operand, self.producer, factors=False), _itself(operand)
        moved = view.strides != itself.strides or view.start
        return view if moved and 1 in view.strides[-2:] else itself

    def _order(self, var: relax.Var, call: relax.Call) -> list[int]:
        """The order in which the one permutation that reads a product wants its axes."""
        stays = list(range(len(shape_of(call))))
        reader = self.consumers.get(var)
        if reader is None or reader.op.name != "relax.permute_dims":
            return stays
        order = axes_of(reader)
        return order if order[-1] == stays[-1] else stays


def _itself(expr: relax.Expr, shape: tuple[int, ...] | None = None) -> View:
    """An operand as a row-major tensor of a shape."""
    shape = shape or shape_of(expr)
    return View(expr, 0, tuple(math.prod(shape[n + 1 :]) for n in range(len(shape))), 1.0)


def _numbers(view: View, shape: tuple[int, ...], rank: int) -> list[int]:
    """Where it begins, and its steps along the axes of a product of that rank."""
    strides = view.strides[-len(shape) :]
    batch = [s if e > 1 else 0 for s, e in zip(strides[:-2], shape[:-2], strict=True)]
    return [view.start, *[0] * (rank - 2 - len(batch)), *batch, *strides[-2:]]
