"""A fused function of Relax as a template sees it: parameters, the anchor, and what is done before
and after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from tvm import relax, tirx
from tvm.ir import GenericConst

from compiler.kernels.moves import MOVES
from compiler.kernels.narrow import OPERATORS as NARROW
from compiler.kernels.operators import ELEMENTWISE, MATHEMATICAL, dtype_of, shape_of
from compiler.kernels.value import Value, stored

Parameter = tuple[tuple[int, ...], str]  # shape, type
INJECTIVE = {**ELEMENTWISE, **MOVES, **NARROW}
MATHEMATICS = {f"relax.{name}" for name in MATHEMATICAL}


def operator_of(call: relax.Call) -> str:
    """`relax.add`, or the name of one of our own operators (neoc.conv2d)."""
    if call.op.name == "relax.call_pure_packed":
        return str(call.args[0].global_symbol)
    return str(call.op.name)


def operands_of(call: relax.Call) -> list[relax.Expr]:
    """The arguments that are operands, constants and tuples included."""
    return list(call.args[1:] if call.op.name == "relax.call_pure_packed" else call.args)


def tensors_of(call: relax.Call) -> list[relax.Expr]:
    """The tensor operands, tuples opened."""
    found: list[relax.Expr] = []
    for operand in operands_of(call):
        fields = operand.fields if isinstance(operand, relax.Tuple) else [operand]
        found.extend(f for f in fields if isinstance(f, (relax.Var, GenericConst)))
    return found


@dataclass(frozen=True)
class Workload:
    """One kernel's work. The function is Primitive: one block, one tensor as its result.

    constants: the numbers of the parameters that are a constant in every call.
    """

    function: relax.Function
    constants: frozenset[int] = frozenset()

    @cached_property
    def calls(self) -> list[tuple[relax.Var, relax.Call]]:
        return [(b.var, b.value) for b in self.function.body.blocks[0].bindings]

    @cached_property
    def anchor(self) -> relax.Call | None:
        """The one call that is neither element-wise nor data movement."""
        return next((c for _, c in self.calls if operator_of(c) not in INJECTIVE), None)

    @property
    def operator(self) -> str:
        return operator_of(self.anchor) if self.anchor is not None else "elementwise"

    @cached_property
    def parameters(self) -> list[Parameter]:
        inputs = [(shape_of(p), dtype_of(p)) for p in self.function.params]
        return [*inputs, self.output]

    @property
    def output(self) -> Parameter:
        return shape_of(self.function.body.body), dtype_of(self.function.body.body)

    @cached_property
    def key(self) -> str:
        """The work as a short text: equal for equal work in any net.

        `f32[1,8,4,4] f32[8,8,1,1]c: neoc.conv2d(p0,p1,[1,1])f32[1,8,4,4] relu(v0)`: the
        parameters, c for constants, then the calls in order, v0 the result of the first.
        """
        names = {p: f"p{n}" for n, p in enumerate(self.function.params)}
        parameters = [
            _tensor(p) + ("c" if n in self.constants else "")
            for n, p in enumerate(self.function.params)
        ]
        calls = []
        for number, (var, call) in enumerate(self.calls):
            calls.append(_call_text(call, names))
            names[var] = f"v{number}"
        return f"{' '.join(parameters)}: {' '.join(calls)}"

    @property
    def types(self) -> set[str]:
        """The element types of everything read and computed."""
        tensors = [t for _, call in self.calls for t in [call, *tensors_of(call)]]
        return {dtype_of(t) for t in tensors}

    @property
    def is_pointwise_after_anchor(self) -> bool:
        """Whether an element of the result depends, beside the anchor, on just that element of each
        operand.
        """
        return all(operator_of(c) in ELEMENTWISE or c.same_as(self.anchor) for _, c in self.calls)

    @property
    def calls_mathematics(self) -> bool:
        """Whether a polynomial is evaluated for every element."""
        return any(operator_of(c) in MATHEMATICS for _, c in self.calls)

    @property
    def anchor_parameters(self) -> set[int]:
        """The numbers of the parameters that the anchor itself reads."""
        read = tensors_of(self.anchor) if self.anchor is not None else []
        return {n for n, p in enumerate(self.function.params) if any(p.same_as(t) for t in read)}

    def mergeable(self, axis: int) -> bool:
        """Whether output axes `axis` and `axis + 1` can be walked as one by everything after the
        anchor.
        """
        extents = self.output[0][axis : axis + 2]
        return self.is_pointwise_after_anchor and all(
            _aligned(shape, len(self.output[0]))[axis : axis + 2] in (extents, (1, 1))
            for shape in self._outer_shapes()
        )

    def _outer_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the anchor's result and of all operands of what follows it."""
        return [
            shape_of(t)
            for _, c in self.calls
            if not c.same_as(self.anchor)
            for t in [c, *tensors_of(c)]
        ]

    def bind(self, buffers: Sequence[tirx.Buffer], merged: Sequence[int] = ()) -> Bound:
        """merged: axes of the output, each to be walked as one with the next (see mergeable)."""
        return Bound(self, buffers, tuple(merged))


class Bound:
    """A workload over buffers: values before the anchor, and the result once the anchor's own value
    is known.
    """

    def __init__(
        self, work: Workload, buffers: Sequence[tirx.Buffer], merged: tuple[int, ...]
    ) -> None:
        self._work, self._merged = work, merged
        self._buffers = dict(zip(work.function.params, buffers, strict=False))
        self._values: dict[relax.Var, Value] = {
            var: stored(buffer, self._shape(shape_of(var)), dtype_of(var))
            for var, buffer in self._buffers.items()
        }
        self._evaluate()

    def operands(self) -> list[Value]:
        """The anchor's tensor operands, with everything fused before it."""
        assert self._work.anchor is not None
        return [self._value(t) for t in tensors_of(self._work.anchor)]

    def anchor_buffers(self) -> list[tirx.Buffer]:
        """The buffers of the anchor's operands, where nothing is fused before it."""
        assert self._work.anchor is not None
        return [self._buffers[t] for t in tensors_of(self._work.anchor)]

    def result(self, anchor: Value | None = None) -> Value:
        if anchor is not None:
            at = next(var for var, call in self._work.calls if call.same_as(self._work.anchor))
            anchor.shape = self._shape(anchor.shape)
            self._values[at] = anchor
            self._evaluate()
        return self._value(self._work.function.body.body)

    def _evaluate(self) -> None:
        for var, call in self._work.calls:
            arguments = tensors_of(call)
            ready = var not in self._values and operator_of(call) in INJECTIVE
            if ready and all(isinstance(a, GenericConst) or a in self._values for a in arguments):
                value = INJECTIVE[operator_of(call)](call, [self._value(a) for a in arguments])
                value.shape = self._shape(value.shape)
                self._values[var] = value

    def _shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape with the merged axes as one."""
        if not self._merged or not shape:
            return shape
        full = list(_aligned(shape, len(self._work.output[0])))
        for axis in sorted(self._merged, reverse=True):
            full[axis : axis + 2] = [full[axis] * full[axis + 1]]
        return tuple(full)

    def _value(self, expr: relax.Expr) -> Value:
        if isinstance(expr, GenericConst):
            array = np.asarray(expr.value.numpy())
            number = tirx.const(array.item(), str(array.dtype))
            return Value(self._shape(array.shape), str(array.dtype), lambda _: number)
        return self._values[expr]


def _tensor(expr: relax.Expr) -> str:
    """`f32[1,64,56,56]`"""
    kind = dtype_of(expr).replace("float", "f").replace("uint", "u").replace("int", "i")
    return f"{kind}[{','.join(map(str, shape_of(expr)))}]"


def _call_text(call: relax.Call, names: Mapping[relax.Var, str]) -> str:
    """Operands and attributes; of operators of our own also the result, which these do not tell."""
    own = call.op.name == "relax.call_pure_packed"
    fields = [] if call.attrs is None else type(call.attrs).__tvm_ffi_type_info__.fields
    attributes = sorted(f"{f.name}={_plain(getattr(call.attrs, f.name))}" for f in fields)
    operands = [_operand_text(operand, names) for operand in operands_of(call)]
    name = operator_of(call).removeprefix("relax.")
    return f"{name}({','.join([*operands, *attributes])}){_tensor(call) if own else ''}"


def _operand_text(expr: relax.Expr, names: Mapping[relax.Var, str]) -> str:
    if isinstance(expr, relax.Var):
        return names[expr]
    if isinstance(expr, relax.Tuple):
        return f"({','.join(_operand_text(field, names) for field in expr.fields)})"
    if isinstance(expr, GenericConst):
        array = np.asarray(expr.value.numpy())
        return f"{_tensor(expr)}{array.ravel().tolist()}".replace(" ", "")
    return _plain(expr.values if isinstance(expr, relax.ShapeExpr) else expr)


def _plain(value: object) -> str:
    """An attribute: numbers, names and sequences of these."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(map(_plain, value))}]"
    return str(value.value) if hasattr(value, "value") else str(value)


def _aligned(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """As numpy aligns shapes for broadcasting."""
    return (1,) * (rank - len(shape)) + shape
