"""Which values are made packed, [N, C/L, H, W, L], and which plain, [N, C, H, W]: chosen over the
whole graph, so that operators and transforms together cost least.

Every value of four axes is a node of a PBQP (see pbqp.py) with a choice for each layout it may be
made in, alone or with a copy in the other one. An edge forbids what its reader cannot read. A
choice is a wish: where a rule of pack_layout declines, the value is plain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from tvm import relax
from tvm.ir import GenericConst

from compiler.kernels.moves import MOVES
from compiler.kernels.operators import ELEMENTWISE, shape_of
from compiler.kernels.workload import operator_of, tensors_of
from compiler.passes.pbqp import solve
from compiler.passes.rewriter import is_region

Shape = tuple[int, ...]
NEVER = 1e15  # cycles
PLAIN, PACKED, PLAIN_TOO, PACKED_TOO = range(4)  # the last two: made packed, made plain, and copied
IS_PACKED = (False, True, True, False)  # as it is made
HAS_PLAIN, HAS_PACKED = (True, False, True, True), (False, True, True, True)
SHARES = {**dict.fromkeys(ELEMENTWISE, 0.5), **dict.fromkeys(MOVES, 0.25)}
REDUCTIONS = {f"relax.{name}" for name in ("mean", "sum", "max", "min")}
POOLS = {"relax.nn.max_pool2d", "relax.nn.avg_pool2d"}
INTEGERS = ("int8", "int16")  # types of the weights that 16-bit numbers are multiplied with
FREE = {"relax.concat", "relax.strided_slice", "relax.take", "relax.nn.pad", "neoc.resize"}


class Costs(Protocol):
    """Cycles, estimated or measured."""

    def operator(self, call: relax.Call, packed: bool) -> float: ...

    def transform(self, shape: Shape) -> float: ...


@dataclass(frozen=True)
class Estimates:
    """By the bytes that move. slow: how much longer a window over plain rows takes; fused: what is
    left of element-wise operators that became part of a kernel of convolutions; launch: cycles of
    one kernel more.
    """

    lanes: int
    bytes_per_cycle: float = 8.0
    slow: float = 4.0
    fused: float = 0.99
    launch: float = 4000.0

    def operator(self, call: relax.Call, packed: bool) -> float:
        shapes = [shape_of(call), *(shape_of(t) for t in tensors_of(call))]
        cycles = sum(self._cycles(s, packed and len(s) == 4) for s in shapes)
        factor = self.fused if packed else self.slow if operator_of(call) in POOLS else 1.0
        return cycles * factor

    def transform(self, shape: Shape) -> float:
        if shape[2] * shape[3] == 1 and shape[1] % self.lanes == 0:
            return 0.0
        return self.launch + self._cycles(shape, False) + self._cycles(shape, True)

    def _cycles(self, shape: Shape, packed: bool) -> float:
        if packed and shape[1] > 1:
            shape = (shape[0], -(-shape[1] // self.lanes) * self.lanes, *shape[2:])
        return 4 * math.prod(shape) / self.bytes_per_cycle


def plan_layouts(main: relax.Function, lanes: int, costs: Costs) -> Mapping[relax.Var, bool]:
    """Whether each value of four axes is to be made packed."""
    return _Planner(main, lanes, costs).run()


class _Planner:
    def __init__(self, main: relax.Function, lanes: int, costs: Costs) -> None:
        self.lanes, self.costs = lanes, costs
        self.main, self.flat = main, flat_images(main, lanes)
        self.nodes: dict[relax.Var, int] = {}
        self.vectors: list[np.ndarray] = []
        self.edges: dict[tuple[int, int], np.ndarray] = {}

    def run(self) -> Mapping[relax.Var, bool]:
        for param in self.main.params:
            self._node(param, NEVER, 0.0)
        for binding in self.main.body.blocks[0].bindings:
            if isinstance(binding.value, relax.Call) and not is_region(binding.value):
                self._call(binding.var, binding.value)
            else:
                self._demand(binding.value)
        choices = solve(self.vectors, self.edges)
        return {var: IS_PACKED[choices[n]] for var, n in self.nodes.items()}

    def _node(self, var: relax.Var, packed: float, plain: float, share: float = 1.0) -> None:
        """share: what a copy costs of a transform, for the kernel that makes the value may write it
        instead.
        """
        if not _is_image(var):
            return
        copy = self.costs.transform(shape_of(var)) * share
        self.nodes[var] = len(self.vectors)
        self.vectors.append(np.array([plain, packed, packed + copy, plain + copy]))

    def _call(self, var: relax.Var, call: relax.Call) -> None:
        made = _layouts(call)
        plain, packed = (
            self.costs.operator(call, p) if p in made else NEVER for p in (False, True)
        )
        self._node(var, packed, plain, SHARES.get(operator_of(call), 1.0))
        for operand in dict.fromkeys(tensors_of(call)):
            if operand not in self.nodes:
                continue
            if _is_image(var):
                self._edge(operand, var, self._readable(call, operand))
            elif made != {False, True} and var not in self.flat:
                self._need(operand)

    def _readable(self, call: relax.Call, operand: relax.Var) -> np.ndarray:
        """For every choice of the operand and of the result: 0 or NEVER."""
        few = operator_of(call) == "relax.nn.conv2d" and shape_of(operand)[1] < self.lanes
        one = operator_of(call) in ELEMENTWISE and shape_of(operand)[1] == 1
        either = (few and int(call.attrs.groups) == 1) or one
        return np.array([
            [0.0 if either or (HAS_PACKED if packed else HAS_PLAIN)[o] else NEVER
             for packed in IS_PACKED]
            for o in range(4)
        ])  # fmt: skip

    def _edge(self, operand: relax.Var, var: relax.Var, matrix: np.ndarray) -> None:
        self.edges[self.nodes[operand], self.nodes[var]] = matrix

    def _need(self, operand: relax.Var) -> None:
        """A reader of the plain value."""
        self.vectors[self.nodes[operand]] += [0.0 if plain else NEVER for plain in HAS_PLAIN]

    def _demand(self, expr: relax.Expr) -> None:
        """A call of regions, or what the function gives."""
        fields = tensors_of(expr) if isinstance(expr, relax.Call) else getattr(expr, "fields", [])
        for field in fields:
            if field in self.nodes:
                self._need(field)


def flat_images(main: relax.Function, lanes: int) -> set[relax.Var]:
    """Reshapes [N, C, H, W] -> [N, C * H * W] of whole vectors of channels that only products with
    constants read.
    """
    bindings = main.body.blocks[0].bindings
    flat = {b.var for b in bindings if isinstance(b.value, relax.Call) and _is_flat(b.value, lanes)}
    for binding in bindings:
        read: list[relax.Expr] = []
        relax.analysis.post_order_visit(binding.value, read.append)
        flat -= {expr for expr in read if isinstance(expr, relax.Var)} - _product_of(binding.value)
    return flat


def _product_of(value: relax.Expr) -> set[relax.Expr]:
    """What a product with a constant matrix multiplies."""
    if not isinstance(value, relax.Call) or value.op.name != "relax.matmul":
        return set()
    left, right = value.args
    return {left} if isinstance(right, GenericConst) and len(shape_of(right)) == 2 else set()


def _is_flat(call: relax.Call, lanes: int) -> bool:
    if operator_of(call) != "relax.reshape":
        return False
    shape = shape_of(call.args[0])
    whole = len(shape) == 4 and shape[1] % lanes == 0
    return whole and shape_of(call) == (shape[0], math.prod(shape[1:]))


def _is_image(expr: relax.Expr) -> bool:
    return isinstance(expr, relax.Var) and len(getattr(expr.ty, "shape", None) or ()) == 4


def _layouts(call: relax.Call) -> set[bool]:
    """The layouts in which an operator may be computed: packed, plain or both."""
    rule = RULES.get(operator_of(call))
    return rule(call) if rule is not None else {False}


def _convolution(call: relax.Call) -> set[bool]:
    weight = call.args[1]
    return {isinstance(weight, GenericConst) and str(weight.ty.dtype) in ("float32", *INTEGERS)}


def _reduction(call: relax.Call) -> set[bool]:
    axes, image = call.attrs.axis, len(shape_of(call.args[0])) == 4
    spatial = image and axes is not None and {int(a) % 4 for a in axes} <= {2, 3}
    return {False, True} if spatial else {False}


def _image(call: relax.Call) -> set[bool]:
    return {False, True} if len(shape_of(call)) == 4 else {False}


def _pool(call: relax.Call) -> set[bool]:
    return {False, True} if str(call.ty.dtype) == "float32" else {False}


RULES: Mapping[str, Callable[[relax.Call], set[bool]]] = {
    "relax.nn.conv2d": _convolution,
    **dict.fromkeys(REDUCTIONS, _reduction),
    **dict.fromkeys(POOLS, _pool),
    **dict.fromkeys((*FREE, *ELEMENTWISE), _image),
}
