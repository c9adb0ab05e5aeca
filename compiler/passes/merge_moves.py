"""Permutations with nothing but other permutations and views between them become one.

    permute_dims(reshape(neoc.unpack(x)), p) -> neoc.move(x, extents, order)

neoc.move(x, extents, order) is x in the shape `extents`, its axes in this order, in the shape of
the result. Where the order stays, it is a reshape.
"""

from __future__ import annotations

from dataclasses import dataclass

import tvm
from tvm import relax

from compiler.kernels.operators import VIEWS, integers, shape_of
from compiler.kernels.workload import operands_of, operator_of
from compiler.passes.rewriter import Rewriter, own

MOVES = ("relax.permute_dims", "neoc.pack", "neoc.unpack", "neoc.move")
Atom = tuple[int, int]  # an extent, and the elements of the root from one to the next


def merge_moves(module: tvm.IRModule) -> tvm.IRModule:
    return _Merger(module).run()


@dataclass(frozen=True)
class _Axes:
    """What each axis of a tensor is in its root: atoms, the outermost first."""

    axes: tuple[tuple[Atom, ...], ...]

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> _Axes:
        step, axes = 1, []
        for extent in reversed(shape):
            axes.append(((extent, step),))
            step *= extent
        return cls(tuple(reversed(axes)))

    def permuted(self, order: list[int]) -> _Axes:
        return _Axes(tuple(self.axes[a] for a in order))

    def reshaped(self, shape: tuple[int, ...]) -> _Axes | None:
        """None: an axis would end within an atom that it does not divide."""
        left = [atom for axis in reversed(self.axes) for atom in reversed(axis) if atom[0] > 1]
        axes: list[tuple[Atom, ...]] = []
        for extent in reversed(shape):
            axis: list[Atom] = []
            while extent > 1:
                size, step = left.pop(0)
                taken = min(size, extent)
                if size % taken or extent % taken:
                    return None
                if size > taken:
                    left.insert(0, (size // taken, step * taken))
                axis.insert(0, (taken, step))
                extent //= taken
            axes.append(tuple(axis))
        return _Axes(tuple(reversed(axes)))

    def move(self) -> tuple[list[int], list[int]]:
        """extents, order: see above."""
        atoms = [atom for axis in self.axes for atom in axis if atom[0] > 1]
        merged: list[Atom] = []
        for size, step in atoms:
            if merged and merged[-1][1] == size * step:
                size *= merged.pop()[0]
            merged.append((size, step))
        inside = sorted(merged, key=lambda atom: -atom[1])
        return [size for size, _ in inside], [inside.index(atom) for atom in merged]


class _Merger(Rewriter):
    def visit(self, var: relax.Var, value: relax.Expr) -> relax.Expr:
        if isinstance(value, relax.Call) and 0 not in shape_of(value):
            merged = self._merged(value)
            if merged is not None:
                return self.emit(merged, var.name)
        return self.again(var, value)

    def _merged(self, call: relax.Call) -> relax.Call | None:
        """Moves that stand side by side are one kernel as they are."""
        chain: list[relax.Call] = []
        best: tuple[relax.Expr, _Axes] | None = None
        made: relax.Call | None = call
        while made is not None and operator_of(made) in (*VIEWS, *MOVES):
            chain.insert(0, made)
            root = self.use(operands_of(made)[0])
            axes: _Axes | None = _Axes.of(shape_of(root))
            for each in chain:
                axes = _moved(axes, each) if axes is not None else None
            if axes is None:
                break
            if operator_of(made) in MOVES:
                best = root, axes
            made = self.producer.get(root)
        if best is None or operator_of(call) in VIEWS:
            return None
        root, axes = best
        extents, order = axes.move()
        if order == sorted(order):
            return relax.op.reshape(root, shape_of(call))
        moves = [operator_of(c) for c in chain if operator_of(c) in MOVES]
        together = len(moves) == len(chain) and "neoc.move" not in moves
        if len(moves) == 1 or together:
            return None
        operands = [root, relax.ShapeExpr(extents), relax.ShapeExpr(order)]
        return own("neoc.move", operands, shape_of(call), str(call.ty.dtype))


def _moved(axes: _Axes, call: relax.Call) -> _Axes | None:
    """The axes of a call's result by those of its operand. None: it is no permutation."""
    name, out = operator_of(call), shape_of(call)
    shape = shape_of(operands_of(call)[0])
    if name in VIEWS:
        return axes.reshaped(out)
    if name == "relax.permute_dims":
        order = call.attrs.axes or reversed(range(len(shape)))
        return axes.permuted([int(a) % len(shape) for a in order])
    if name == "neoc.move":
        extents, orders = (integers(o) for o in operands_of(call)[1:])
        split = axes.reshaped(tuple(extents))
        return split and split.permuted(orders).reshaped(out)
    if name == "neoc.pack" and shape[1] == out[1] * out[4]:
        split = axes.reshaped((shape[0], out[1], out[4], *shape[2:]))
        return split and split.permuted([0, 1, 3, 4, 2])
    if name == "neoc.unpack" and out[1] == shape[1] * shape[4]:
        return axes.permuted([0, 1, 4, 2, 3]).reshaped(out)
    return None
