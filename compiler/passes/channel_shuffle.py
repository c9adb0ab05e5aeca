"""A permutation of channels that is spelled as a transposition becomes relax.take.

reshape(permute_dims(reshape(x, [N, G, C/G, H, W]), [0, 2, 1, 3, 4]), [N, C, H, W])
    -> take(x, [0, C/G, 2C/G, ..., 1, C/G + 1, ...], axis=1)
"""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relax

from compiler.kernels.operators import shape_of
from compiler.passes.rewriter import Rewriter, constant


def channel_shuffle(module: tvm.IRModule) -> tvm.IRModule:
    return _Shuffler(module).run()


class _Shuffler(Rewriter):
    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        if isinstance(value, relax.Call) and value.op.name == "relax.reshape":
            found = self._shuffled(value)
            if found is not None:
                data, order = found
                return self.emit(relax.op.take(data, constant(order), axis=1), var.name)
        return self.again(var, value)

    def _shuffled(self, last: relax.Call) -> tuple[relax.Expr, np.ndarray] | None:
        """What the reshape permutes the channels of, and the channel that comes to each place."""
        moved = self._made(last.args[0], "relax.permute_dims")
        first = self._made(moved.args[0], "relax.reshape") if moved is not None else None
        if moved is None or first is None:
            return None
        data, apart = first.args[0], shape_of(first)
        shape = shape_of(data)
        axes = [int(a) % len(apart) for a in moved.attrs.axes or ()]
        if len(shape) != 4 or len(apart) != 5 or axes != [0, 2, 1, 3, 4]:
            return None
        if shape_of(last) != shape or (apart[0], *apart[3:]) != (shape[0], *shape[2:]):
            return None
        return data, np.arange(shape[1]).reshape(apart[1:3]).T.reshape(-1)

    def _made(self, expr: relax.Expr, operator: str) -> relax.Call | None:
        call = self.producer.get(self.use(expr))
        return call if isinstance(call, relax.Call) and call.op.name == operator else None
