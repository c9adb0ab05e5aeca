"""Groups calls into functions with the attribute Primitive: each becomes one kernel.

A group has at most one anchor (anything that is neither element-wise nor data movement). After the
anchor come element-wise calls of its shape; before a reduction come element-wise calls and data
movement. A value that something else reads, too, ends its group. Reshapes stay outside: they cost
nothing (see plan.py).
"""

from __future__ import annotations

from collections import Counter

import tvm
import tvm_ffi
from tvm import relax
from tvm.ir import GenericConst

from compiler import regions
from compiler.kernels.moves import MOVES
from compiler.kernels.operators import ELEMENTWISE, PLACED, REGIONS, VIEWS, shape_of
from compiler.kernels.workload import INJECTIVE, operands_of, operator_of, tensors_of
from compiler.passes.rewriter import use_counts
from frontends.layers import layer_of

# Anchors that read each element of what is fused before them about once.
ABSORBS_PRODUCERS = {
    *(f"relax.{name}" for name in ("sum", "mean", "max", "min", "prod", "concat")),
    *(f"relax.nn.{name}" for name in ("pad", "softmax", "log_softmax")),
    "neoc.places",
}
NO_KERNELS = (*VIEWS, *PLACED, *REGIONS)
LOOKUPS = ("relax.take", "relax.gather_elements", "relax.gather_nd")
ENDS = (
    "relax.concat",
    "relax.nn.pad",
    "relax.topk",
    "relax.cumsum",
    "relax.scatter_elements",
    "relax.scatter_nd",
)


def fuse(module: tvm.IRModule) -> tvm.IRModule:
    outlined = _Outlined(relax.BlockBuilder())
    for name, function in regions.functions(module).items():
        _Fuser(function).run(name, outlined)
    return outlined.builder.get()


class _Outlined:
    """The functions that became kernels, by what they compute: equal ones are one."""

    def __init__(self, builder: relax.BlockBuilder) -> None:
        self.builder = builder
        self.known: dict[int, list[tuple[relax.Function, tvm.ir.GlobalVar]]] = {}

    def add(self, function: relax.Function, label: str) -> tvm.ir.GlobalVar:
        key = tvm_ffi.structural_hash(function)
        for known, target in self.known.get(key, []):
            if tvm_ffi.structural_equal(known, function):
                return target
        number = sum(map(len, self.known.values()))
        target = self.builder.add_func(function, f"{label}_{number}")
        self.known.setdefault(key, []).append((function, target))
        return target


class _Fuser:
    def __init__(self, main: relax.Function) -> None:
        self.main = main
        self.bindings = [
            b for b in main.body.blocks[0].bindings if not b.var.same_as(main.body.body)
        ]
        self.call = {b.var: b.value for b in self.bindings}
        self.uses = use_counts(main)
        self.group: dict[relax.Var, int] = {}  # by the number of its last binding
        self.anchor: dict[int, relax.Call] = {}
        self.members: dict[int, dict[relax.Var, None]] = {}
        self.position = {b.var: n for n, b in enumerate(self.bindings)}

    def run(self, name: str, outlined: _Outlined) -> None:
        for number, binding in enumerate(self.bindings):
            call = binding.value
            if isinstance(call, relax.Call) and operator_of(call) not in NO_KERNELS:
                self._join(number, binding)
        self._outline(name, outlined)

    def _join(self, number: int, binding: relax.VarBinding) -> None:
        """Opens a group for a call and draws in the groups of its operands where that is allowed,
        then of what several members read, and nothing else.
        """
        call = binding.value
        self.group[binding.var] = number
        self.members[number] = {binding.var: None}
        if operator_of(call) not in INJECTIVE:
            self.anchor[number] = call
        for operand in _variables(call):
            if self.uses[operand] == 1 and self._may_fuse(operand, number):
                self._draw(operand, number)
        while (shared := self._shared(number)) is not None:
            self._draw(shared, number)

    def _shared(self, number: int) -> relax.Var | None:
        reads = Counter(o for v in self.members[number] for o in _variables(self.call[v]))
        return next(
            (o for o, n in reads.items() if 1 < n == self.uses[o] and self._may_fuse(o, number)),
            None,
        )

    def _draw(self, operand: relax.Var, number: int) -> None:
        """Makes the group of an operand part of another."""
        before = self.group[operand]
        drawn = self.members.pop(before)
        self.group.update(dict.fromkeys(drawn, number))
        self.members[number] = {**drawn, **self.members[number]}
        if before in self.anchor:
            self.anchor[number] = self.anchor.pop(before)

    def _may_fuse(self, operand: relax.Var, number: int) -> bool:
        """For an operand that only members of the group `number` read."""
        group = self.group.get(operand)
        if group is None or group == number:
            return False
        readers = [v for v in self.members[number] if operand in _variables(self.call[v])]
        if group in self.anchor:
            single = number not in self.anchor and operator_of(self.anchor[group]) not in ENDS
            return single and self._is_pointwise_behind(operand, number)
        if number in self.anchor and len(readers) > 1:
            return False
        if self._follows(readers, operand, group):
            return False
        return all(self._absorbs(self.call[reader], operand) for reader in readers)

    def _follows(self, readers: list[relax.Var], operand: relax.Var, group: int) -> bool:
        """Whether an operand is an index that was itself looked up: a chain of such loads, each
        used several times, would be written out for every use.
        """
        indexed = [self.call[r] for r in readers if operator_of(self.call[r]) in LOOKUPS]
        if not any(operands_of(c)[1].same_as(operand) for c in indexed):
            return False
        return any(operator_of(self.call[m]) in LOOKUPS for m in self.members[group])

    def _absorbs(self, call: relax.Call, operand: relax.Var) -> bool:
        if operator_of(call) in INJECTIVE or operator_of(call) in ABSORBS_PRODUCERS:
            return _size(operand) >= _size(call) or operator_of(self.call[operand]) in MOVES
        return False

    def _is_pointwise_behind(self, operand: relax.Var, number: int) -> bool:
        """Whether all that the group computes from the operand is element-wise and of its shape."""
        behind = {operand}
        for var in sorted(self.members[number], key=self.position.__getitem__):
            call = self.call[var]
            if behind.isdisjoint(_variables(call)):
                continue
            if operator_of(call) not in ELEMENTWISE or shape_of(call) != shape_of(operand):
                return False
            behind.add(var)
        return True

    def _outline(self, name: str, outlined: _Outlined) -> None:
        builder = outlined.builder
        members: dict[int, list[relax.VarBinding]] = {}
        for binding in self.bindings:
            if binding.var in self.group:
                members.setdefault(self.group[binding.var], []).append(binding)
        known: dict[relax.Var, relax.Expr] = {}
        params = [relax.Var(p.name, p.ty) for p in self.main.params]
        known.update(zip(self.main.params, params, strict=True))
        with builder.function(name, params):
            with builder.dataflow():
                for number, binding in enumerate(self.bindings):
                    group = self.group.get(binding.var)
                    if group is None:
                        known[binding.var] = builder.emit(
                            _renamed(binding.value, known), binding.var.name
                        )
                    elif group == number:
                        function, arguments = _function(members[group])
                        target = outlined.add(function, _label(members[group]))
                        actual = [
                            known.get(a, a) if isinstance(a, relax.Var) else a for a in arguments
                        ]
                        call = relax.Call(target, actual, _layers(members[group]))
                        known[binding.var] = builder.emit(call, binding.var.name)
                returned = next(
                    b.value
                    for b in self.main.body.blocks[0].bindings
                    if b.var.same_as(self.main.body.body)
                )
                result = builder.emit_output(_renamed(returned, known))
            builder.emit_func_output(result)


def _variables(call: relax.Call) -> list[relax.Var]:
    """What a call reads, each once."""
    return list(dict.fromkeys(t for t in tensors_of(call) if isinstance(t, relax.Var)))


def _size(expr: relax.Expr) -> int:
    size = 1
    for extent in shape_of(expr):
        size *= extent
    return size


def _renamed(expr: relax.Expr, known: dict[relax.Var, relax.Expr]) -> relax.Expr:
    if isinstance(expr, relax.Var):
        return known[expr]
    if isinstance(expr, relax.Tuple):
        return relax.Tuple([_renamed(f, known) for f in expr.fields])
    if isinstance(expr, relax.Call):
        return relax.Call(
            expr.op, [_renamed(a, known) for a in expr.args], expr.attrs, expr.ty_args
        )
    if isinstance(expr, relax.TupleGetItem):
        return relax.TupleGetItem(_renamed(expr.tuple_value, known), expr.index)
    return expr


def _label(bindings: list[relax.VarBinding]) -> str:
    """Names of the fused operators, for people: conv2d_add_relu."""
    names = [operator_of(b.value).split(".")[-1] for b in bindings]
    return "_".join(names[:4]) + ("_etc" if len(names) > 4 else "")


def _layers(bindings: list[relax.VarBinding]) -> tvm.ir.Attrs:
    """The attribute of a kernel's call: the layers that it computes, its anchor's first."""
    anchors_first = sorted(bindings, key=lambda b: operator_of(b.value) in INJECTIVE)
    layers = [layer_of(b.var.name) for b in anchors_first]
    return tvm.ir.make_node("ir.DictAttrs", layers=list(dict.fromkeys(filter(None, layers))))


def _function(bindings: list[relax.VarBinding]) -> tuple[relax.Function, list[relax.Expr]]:
    """The group as a function of everything it reads: variables and constants, but for single
    numbers.
    """
    inside = {b.var for b in bindings}
    params: list[relax.Var] = []
    arguments: list[relax.Expr] = []
    known: dict[relax.Var, relax.Expr] = {}

    def parameter(expr: relax.Expr, is_read: bool) -> relax.Expr:
        if isinstance(expr, relax.Tuple):
            return relax.Tuple([parameter(f, is_read) for f in expr.fields])
        if isinstance(expr, relax.Var) and expr in known:
            return known[expr]
        is_tensor = isinstance(expr, relax.Var) or (
            isinstance(expr, GenericConst) and (is_read or _size(expr) != 1)
        )
        if not is_tensor or (isinstance(expr, relax.Var) and expr in inside):
            return expr
        made = relax.Var(f"p{len(params)}", expr.ty)
        params.append(made)
        arguments.append(expr)
        if isinstance(expr, relax.Var):
            known[expr] = made
        return made

    builder = relax.BlockBuilder()
    body: list[relax.VarBinding] = []
    for binding in bindings:
        call = binding.value
        is_read = operator_of(call) not in INJECTIVE  # anchors read buffers
        operands = [parameter(a, is_read) for a in call.args]
        made = relax.Call(call.op, operands, call.attrs, call.ty_args)
        normal = builder.normalize(made)
        var = relax.DataflowVar(f"v{len(body)}", normal.ty)
        known[binding.var] = var
        body.append(relax.VarBinding(var, normal))
    last = body[-1]
    output = relax.Var("out", last.var.ty)
    body[-1] = relax.VarBinding(output, last.value)
    block = relax.DataflowBlock(body)
    function = relax.Function(
        params,
        relax.SeqExpr([block], output),
        output.ty,
        attrs=tvm.ir.make_node("ir.DictAttrs", Primitive=True),
    )
    return function, arguments
