"""Scalar expressions in a lane variable to vector expressions, written out as statements.

An index that is linear in the lane becomes a vector load (or one broadcast load); any other is
gathered lane by lane. Expressions that occur twice are bound once. Mathematical functions become
polynomials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tvm
from tvm import tirx
from tvm.ir import Call, TensorLoad
from tvm.script.ir_builder import tirx as T
from tvm.sym import Analyzer

from compiler.kernels import mathematics
from compiler.kernels.polynomials import select, settled
from compiler.kernels.value import Expr, element_type, key_of, lanes_of, typed

BINARY = (
    tirx.Add,
    tirx.Sub,
    tirx.Mul,
    tirx.Div,
    tirx.Mod,
    tirx.FloorDiv,
    tirx.FloorMod,
    tirx.Min,
    tirx.Max,
    tirx.EQ,
    tirx.NE,
    tirx.LT,
    tirx.LE,
    tirx.GT,
    tirx.GE,
    tirx.And,
    tirx.Or,
    tirx.LShift,
    tirx.RShift,
    tirx.BitwiseAnd,
    tirx.BitwiseOr,
    tirx.BitwiseXor,
)
CHAIN = 4  # variables in a row of which each may be written out in the next
LEAVES = (tirx.Var, tirx.IntImm, tirx.FloatImm)


def spread(expr: Expr, lanes: int) -> Expr:
    return expr if lanes == 1 or lanes_of(expr) == lanes else tirx.Broadcast(expr, lanes)


def operands(expr: Expr) -> tuple[Expr, ...]:
    """What an expression is computed from."""
    if isinstance(expr, BINARY):
        return expr.a, expr.b
    if isinstance(expr, tirx.Cast):
        return (expr.value,)
    if isinstance(expr, (tirx.Not, tirx.BitwiseNot)):
        return (expr.a,)
    if isinstance(expr, tirx.Select):
        return expr.condition, expr.true_value, expr.false_value
    if isinstance(expr, TensorLoad):
        return tuple(expr.indices)
    if isinstance(expr, Call):
        return tuple(expr.args)
    if isinstance(expr, LEAVES):
        return ()
    raise AssertionError(f"no vector form of {type(expr).__name__}")


def rebuilt(expr: Expr, parts: Sequence[Expr]) -> Expr:
    """The expression computed from other operands."""
    if not parts or all(a.same_as(b) for a, b in zip(parts, operands(expr), strict=True)):
        return expr
    if isinstance(expr, TensorLoad):
        return expr.source[parts[0]]
    if isinstance(expr, tirx.Cast):
        return tirx.Cast(expr.ty.dtype, parts[0])
    if isinstance(expr, Call):
        return Call(expr.op, list(parts), ret_ty=expr.ty)
    return type(expr)(*parts)


def substituted(expr: Expr, values: Mapping[tirx.Var, Expr]) -> Expr:
    """The expression with variables replaced; what occurs twice stays one object."""
    done: dict[object, tuple[Expr, Expr]] = {
        key_of(var): (var, value) for var, value in values.items()
    }

    def visit(e: Expr) -> Expr:
        if key_of(e) not in done:
            done[key_of(e)] = e, rebuilt(e, [visit(o) for o in operands(e)])
        return done[key_of(e)][1]

    return visit(expr)


class Evaluator:
    """Evaluates expressions for lanes 0..lanes-1 of the variable `lane` at once; lanes = 1
    evaluates scalars.

    given: vectors that stand for variables (a template's accumulators). Nothing is evaluated
    conditionally: expressions use Select over loads that are safe for every lane.
    """

    def __init__(
        self, lane: tirx.Var, lanes: int, given: Mapping[tirx.Var, Expr] | None = None
    ) -> None:
        self.lane, self.lanes = lane, lanes
        self._given = {key_of(var): vector for var, vector in (given or {}).items()}
        self._varies: dict[object, bool] = {key_of(lane): True, **dict.fromkeys(self._given, True)}
        self._picks: dict[object, bool] = {}
        self._uses: dict[object, int] = {}
        self._done: dict[object, Expr] = {}
        self._depth: dict[object, int] = {}
        self._alive: list[Expr] = [
            lane,
            *(given or {}),
        ]  # keys are addresses: nothing may be freed meanwhile

    def __call__(self, expr: Expr) -> Expr:
        self._count(expr)
        return spread(self._visit(expr), self.lanes)

    def _count(self, expr: Expr) -> None:
        key = key_of(expr)
        self._alive.append(expr)
        self._uses[key] = self._uses.get(key, 0) + 1
        if self._uses[key] == 1:
            for operand in operands(expr):
                self._count(operand)

    def _differs(self, expr: Expr) -> bool:
        """Whether the expression differs between lanes."""
        key = key_of(expr)
        if key not in self._varies:
            self._alive.append(expr)
            self._varies[key] = any([self._differs(o) for o in operands(expr)])
        return self._varies[key]

    def _visit(self, expr: Expr) -> Expr:
        key = key_of(expr)
        if key in self._given:
            return self._given[key]
        if isinstance(expr, LEAVES):
            return (
                tirx.Ramp(0, 1, self.lanes) if self.lanes > 1 and key == key_of(self.lane) else expr
            )
        if key not in self._done:
            value = self._compute(expr)
            shared = self._uses.get(key, 0) > 1 and (
                self._differs(expr) or isinstance(expr, TensorLoad)
            )
            shared = shared and element_type(value) != "bool"  # TVM cannot bind vectors of bool
            self._done[key] = self._named(expr, value) if shared else value
        return self._done[key]

    def _named(self, expr: Expr, value: Expr) -> Expr:
        """The value as a variable. A long chain of variables is settled (see there)."""
        depth = 0 if isinstance(expr, TensorLoad) else 1 + self._chain(expr)
        self._depth[key_of(expr)] = depth % CHAIN
        return settled(value) if depth == CHAIN else T.bind(value)

    def _chain(self, expr: Expr) -> int:
        """How many variables stand between an expression and the loads that it is computed from."""
        key = key_of(expr)
        if key not in self._depth:
            below = [0 if isinstance(o, TensorLoad) else self._chain(o) for o in operands(expr)]
            self._depth[key] = 0 if isinstance(expr, Call) else max(below, default=0)
        return self._depth[key]

    def _compute(self, expr: Expr) -> Expr:
        if isinstance(expr, TensorLoad):
            return self._load(expr)
        vectors = [self._visit(o) for o in operands(expr)]
        widest = max((lanes_of(v) for v in vectors), default=1)
        vectors = [spread(v, widest) for v in vectors]
        if isinstance(expr, Call):
            return mathematics.call(expr, vectors)
        if isinstance(expr, tirx.Cast):
            return tirx.Cast(typed(element_type(expr), widest), vectors[0])
        if isinstance(expr, tirx.Select) and element_type(expr).startswith("float"):
            return select(*vectors)
        return type(expr)(*vectors)

    def _chosen(self, index: Expr) -> bool:
        """Whether a load that differs between lanes is part of an index. TVM's simplifier, which
        would find no stride, writes out a chain of such loads, each as often as it is used.
        """
        key = key_of(index)
        if key not in self._picks:
            self._alive.append(index)
            loaded = isinstance(index, TensorLoad) or any(map(self._chosen, operands(index)))
            self._picks[key] = self._differs(index) and loaded
        return self._picks[key]

    def _load(self, load: TensorLoad) -> Expr:
        (index,) = load.indices
        if self.lanes == 1 or not self._differs(index):
            return load.source[self._visit(index)]
        step = None if self._chosen(index) else stride(index, self.lane, self.lanes)
        if step is None:
            positions = self._visit(index)
            return tirx.Shuffle(
                [T.bind(load.source[tirx.Shuffle([positions], [i])]) for i in range(self.lanes)],
                list(range(self.lanes)),
            )
        base = substituted(index, {self.lane: tirx.const(0, "int32")})
        base = Evaluator(self.lane, 1, None)(base)
        return load.source[tirx.Ramp(base, step, self.lanes)] if step else load.source[base]


def stride(index: Expr, lane: tirx.Var, lanes: int) -> int | None:
    """d if index(lane + 1) - index(lane) = d for all lanes, else None."""
    step = tirx.Var("step", "int32")
    analyzer = Analyzer()
    analyzer.bind(step, tvm.ir.Range(0, lanes - 1))
    difference = analyzer.simplify(
        substituted(index, {lane: step + 1}) - substituted(index, {lane: step})
    )
    return int(difference) if isinstance(difference, tirx.IntImm) else None
