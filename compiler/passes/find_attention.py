"""Attention as one operator: softmax(Q K' * scale + mask) V, its operands read where they lie.

Scaling of Q, K or the scores becomes one factor; a mask that selects becomes one that is added;
splitting, moving and slicing of heads become strides. See kernels/attention.py. What is given in
float16 is computed in float32 and rounded once.
"""

from __future__ import annotations

import math

import numpy as np
import tvm
from tvm import relax, tirx

from compiler.kernels.operators import VIEWS, shape_of
from compiler.kernels.workload import tensors_of
from compiler.passes.rewriter import Rewriter, array_of, constant, number_of, own
from compiler.passes.views import View, factor_of, undoes, view_of

KINDS = ("float32", "float16")
BENDS = tuple(f"relax.{n}" for n in ("add", "where", "multiply", "divide"))  # before a softmax
LARGE = -1e30  # what a mask puts in place of a score: absorbs any score that it is added to


def find_attention(module: tvm.IRModule) -> tvm.IRModule:
    return _Finder(module).run()


class _Finder(Rewriter):
    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        if isinstance(value, relax.Call) and str(value.ty.dtype) in KINDS:
            if value.op.name == "relax.matmul":
                found = self._attention(value, var.name)
                if found is not None:
                    return found
            if value.op.name == "relax.permute_dims":
                moved = self.use(value.args[0])
                if undoes(value, self.producer.get(moved)):
                    return self.producer[moved].args[0]
        return self.again(var, value)

    def _made_by(self, expr: relax.Expr, *operators: str) -> relax.Call | None:
        call = self.producer.get(expr) if isinstance(expr, relax.Var) else None
        return call if call is not None and call.op.name in operators else None

    def _attention(self, call: relax.Call, name: str) -> relax.Expr | None:
        shares, values = (self.use(a) for a in call.args)
        if len(shape_of(call)) != 4 or len(shape_of(values)) != 4:
            return None
        safe, shares = self._without_nan(self._unrounded(shares))
        softmax = self._made_by(self._unrounded(shares), "relax.nn.softmax")
        if softmax is None or int(softmax.attrs.axis) % 4 != 3:
            return None
        found = self._scores(softmax.args[0], name)
        if found is None:
            return None
        product, scale, masks = found
        query, key = product.args
        if any(len(shape_of(x)) != 4 or shape_of(x)[:2] != shape_of(call)[:2]
               for x in (query, key, values)):  # fmt: skip
            return None
        views = [view_of(x, self.producer) for x in (query, key, values)]
        q, k, v = views
        k = View(k.root, k.start, (*k.strides[:2], k.strides[3], k.strides[2]), k.factor)
        scale *= q.factor * k.factor
        if v.factor != 1.0:
            return None
        return self._emitted(call, product, (q, k, v), scale, masks, safe, name)

    def _emitted(
        self,
        call: relax.Call,
        product: relax.Call,
        views: tuple[View, ...],
        scale: float,
        masks: list[relax.Expr],
        safe: bool,
        name: str,
    ) -> relax.Expr:
        batch, heads, rows, width = shape_of(call)
        keys, depth = shape_of(product)[3], shape_of(product.args[0])[3]
        roots = {v.root: self._wide(v.root, name) for v in views}
        operands = [roots[v.root] for v in views]
        numbers = [n for v in views for n in (v.start, *v.strides)]
        for mask in masks:
            operands.append(mask)
            numbers += [0, *_broadcast_strides(shape_of(mask), shape_of(product))]
        sizes = [batch, heads, rows, keys, depth, width, int(safe)]
        made = own(
            "neoc.attention",
            [*operands, tirx.const(scale, "float32"), relax.ShapeExpr(sizes),
             relax.ShapeExpr(numbers)],
            (batch, rows, heads, width),
            "float32",
        )  # fmt: skip
        moved = self.emit(relax.op.permute_dims(self.emit(made, name), [0, 2, 1, 3]), name)
        kind = str(call.ty.dtype)
        return moved if kind == "float32" else self.emit(relax.op.astype(moved, kind), name)

    def _wide(self, expr: relax.Expr, name: str) -> relax.Expr:
        if str(expr.ty.dtype) == "float32":
            return expr
        return self.emit(relax.op.astype(expr, "float32"), name)

    def _unrounded(self, expr: relax.Expr) -> relax.Expr:
        """x behind a change of its precision."""
        while (cast := self._made_by(expr, "relax.astype")) is not None:
            if not {str(cast.ty.dtype), str(cast.args[0].ty.dtype)} <= {*KINDS}:
                break
            expr = cast.args[0]
        return expr

    def _without_nan(self, expr: relax.Expr) -> tuple[bool, relax.Expr]:
        """where(isnan(x), 0, x) -> True, x"""
        where = self._made_by(expr, "relax.where")
        if where is not None and number_of(where.args[1]) == 0.0:
            test = self._made_by(where.args[0], "relax.isnan")
            if test is not None and test.args[0].same_as(where.args[2]):
                return True, where.args[2]
        return False, expr

    def _scores(
        self, expr: relax.Expr, name: str
    ) -> tuple[relax.Call, float, list[relax.Expr]] | None:
        """The product behind the scores, their factor, and what is added to them."""
        scale, full = 1.0, shape_of(expr)
        masks: list[relax.Expr] = []
        for _ in range(8):
            expr = self._unrounded(expr)
            call = self.producer.get(expr) if isinstance(expr, relax.Var) else None
            if call is None:
                return None
            if call.op.name == "relax.matmul":
                return (call, scale, masks) if shape_of(call) == full else None
            if call.op.name in VIEWS:
                expr = call.args[0]
                continue
            factor = factor_of(call)
            if factor is not None:
                expr, scale = factor[0], scale * factor[1]
                continue
            term = self._term(call, name) if scale == 1.0 else None
            mask = self._mask(term[1], shape_of(call), full, name) if term else None
            if term is None or mask is None:
                return None
            expr = term[0]
            masks.append(self._wide(mask, name))
        return None

    def _mask(
        self, mask: relax.Expr, shape: tuple[int, ...], full: tuple[int, ...], name: str
    ) -> relax.Expr | None:
        """What is added to scores in `shape`, for scores in the shape `full`."""
        if shape == full:
            return mask
        groups = _groups(shape, full)
        if groups is None:
            return None
        own_shape = (1,) * (len(shape) - len(shape_of(mask))) + shape_of(mask)
        wide = [math.prod(shape[a] for a in g) if any(own_shape[a] > 1 for a in g) else 1
                for g in groups]  # fmt: skip
        spread = [shape[a] if w > 1 else 1 for g, w in zip(groups, wide, strict=True) for a in g]
        array = array_of(mask)
        if array is not None:
            return constant(np.broadcast_to(array.reshape(own_shape), spread).reshape(wide))
        if tuple(spread) != own_shape:
            mask = self.emit(relax.op.broadcast_to(mask, spread), name)
        return self.emit(relax.op.reshape(mask, wide), name)

    def _term(self, call: relax.Call, name: str) -> tuple[relax.Expr, relax.Expr] | None:
        """The scores and what is added to them."""
        if call.op.name == "relax.add":
            for scores, added in (call.args, reversed(call.args)):
                if isinstance(scores, relax.Var) and scores in self.producer:
                    if shape_of(scores) == shape_of(call) and self._is_score(scores):
                        return scores, added
        if call.op.name == "relax.where":
            test, kept, other = call.args
            for scores, least, first in ((kept, other, 0.0), (other, kept, None)):
                value = number_of(least)
                if value is not None and value <= LARGE and self._is_score(scores):
                    zero, low = (constant(np.array(n, np.float32)) for n in (0.0, value))
                    pair = (zero, low) if first == 0.0 else (low, zero)
                    return scores, self.emit(relax.op.where(test, *pair), name)
        return None

    def _is_score(self, expr: relax.Expr) -> bool:
        """Whether a product stands behind element-wise calls."""
        call = self._made_by(self._unrounded(expr), "relax.matmul", *BENDS, *VIEWS)
        for _ in range(8):
            if call is None or call.op.name == "relax.matmul":
                return call is not None
            behind = [self._made_by(self._unrounded(a), "relax.matmul", *BENDS, *VIEWS)
                      for a in tensors_of(call)
                      if math.prod(shape_of(a)) == math.prod(shape_of(call))]  # fmt: skip
            call = next((b for b in behind if b is not None), None)
        return False


def _groups(shape: tuple[int, ...], full: tuple[int, ...]) -> list[list[int]] | None:
    """The axes of `shape` that make each axis of `full`, if these are whole axes."""
    groups: list[list[int]] = []
    axes = list(range(len(shape)))
    for extent in full:
        group: list[int] = []
        while axes and (math.prod(shape[a] for a in group) < extent or shape[axes[0]] == 1):
            group.append(axes.pop(0))
        if math.prod(shape[a] for a in group) != extent:
            return None
        groups.append(group)
    return groups


def _broadcast_strides(shape: tuple[int, ...], full: tuple[int, ...]) -> list[int]:
    """Elements from one to the next along each axis of `full`, 0 where it is broadcast."""
    own_strides = [math.prod(shape[n + 1 :]) if e > 1 else 0 for n, e in enumerate(shape)]
    return [0] * (len(full) - len(shape)) + own_strides
