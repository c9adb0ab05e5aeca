"""A 1x1 convolution and a mean over windows may change places: both are linear, one works along
channels, the other along pixels. They come in the order that takes fewer operations.

    avg_pool2d(conv2d(x, w) + b) <-> conv2d(avg_pool2d(x), w) + b
"""

from __future__ import annotations

import math
from typing import TypeGuard

import tvm
from tvm import relax

from compiler.kernels.operators import shape_of
from compiler.passes.fold_affine import bias_of
from compiler.passes.rewriter import Rewriter

CONV, POOL = "relax.nn.conv2d", "relax.nn.avg_pool2d"


def order_pools(module: tvm.IRModule) -> tvm.IRModule:
    return _Orderer(module).run()


class _Orderer(Rewriter):
    def __init__(self, module: tvm.IRModule) -> None:
        super().__init__(module)
        self.made = {b.var: b.value for b in self.function.body.blocks[0].bindings}

    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        done = None
        if _calls(value, POOL):
            done = self._pool_first(value, var.name)
        elif _is_pointwise(value):
            done = self._conv_first(value, var.name)
        return self.again(var, value) if done is None else done

    def _pool_first(self, pool: relax.Call, name: str) -> relax.Expr | None:
        last, bias = self._alone(pool.args[0]), None
        if last is not None and bias_of(last) is not None:
            bias = last.args[1]
        conv = last if last is None or bias is None else self._alone(last.args[0])
        if not _is_pointwise(conv) or (bias is not None and any(map(int, pool.attrs.padding))):
            return None
        if _cost(pool, conv, pool_first=True) >= _cost(pool, conv, pool_first=False):
            return None
        pooled = self._again(pool, self.use(conv.args[0]), name)
        result = self._again(conv, pooled, name)
        return result if bias is None else self.emit(relax.op.add(result, bias), name)

    def _conv_first(self, conv: relax.Call, name: str) -> relax.Expr | None:
        pool = self._alone(conv.args[0])
        if not _calls(pool, POOL):
            return None
        if _cost(pool, conv, pool_first=False) >= _cost(pool, conv, pool_first=True):
            return None
        return self._again(pool, self._again(conv, self.use(pool.args[0]), name), name)

    def _alone(self, expr: relax.Expr) -> relax.Call | None:
        """The call behind a variable that nothing else reads."""
        call = self.made.get(expr) if self.uses.get(expr) == 1 else None
        return call if isinstance(call, relax.Call) else None

    def _again(self, call: relax.Call, data: relax.Expr, name: str) -> relax.Var:
        """The call of other data."""
        rest = [self.use(a) for a in call.args[1:]]
        return self.emit(relax.Call(call.op, [data, *rest], call.attrs), name)


def _calls(expr: relax.Expr | None, operator: str) -> TypeGuard[relax.Call]:
    return isinstance(expr, relax.Call) and expr.op.name == operator


def _is_pointwise(expr: relax.Expr | None) -> TypeGuard[relax.Call]:
    if not _calls(expr, CONV):
        return False
    a = expr.attrs
    moves = any(int(s) != 1 for s in a.strides) or any(int(p) for p in a.padding)
    return shape_of(expr.args[1])[2:] == (1, 1) and not moves


def _cost(pool: relax.Call, conv: relax.Call, pool_first: bool) -> int:
    """Operations of both, in an order."""
    pixels = [math.prod(shape_of(e)[2:]) for e in (pool.args[0], pool)]
    channels = shape_of(conv.args[0] if pool_first else conv)[1]
    window = math.prod(int(s) for s in pool.attrs.pool_size)
    return pixels[1] * channels * window + pixels[pool_first] * math.prod(shape_of(conv.args[1]))
