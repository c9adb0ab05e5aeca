"""A Plan as C: the tables that compiled.so exports (see runtime/model.h)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from compiler.arena import Buffer
from compiler.plan import Call, Jump, Plan
from frontends.model import Signature, Tensor
from targets import Profile

# DLDataTypeCode, by numpy's kind of type.
CODES = {"i": 0, "u": 1, "f": 2, "b": 6}


def source(plan: Plan, signature: Signature, profile: Profile) -> str:
    """The plans for more rows stand before those that name them."""
    plans = [plan, *plan.more]
    names = list(dict.fromkeys(call.symbol for p in plans for call in p.calls))
    return "\n".join(
        [
            '#include "model.h"',
            *(
                f"extern int __tvm_ffi_{name}(void *, const void *, int32_t, void *);"
                for name in names
            ),
            *(
                line
                for n, p in reversed([*enumerate(plans)])
                for line in _plan(p, signature, profile, n, n < len(plan.more))
            ),
            "",
        ]
    )


def _plan(
    plan: Plan, signature: Signature, profile: Profile, number: int, goes_on: bool
) -> Iterator[str]:
    """Names end in the plan's number, but for those of the first."""
    end = f"_{number}" if number else ""
    inputs, outputs = (
        tuple(replace(t, shape=tuple(plan.rows if d < 0 else d for d in t.shape)) for t in side)
        for side in (signature.inputs, signature.outputs)
    )
    arguments = [str(a) for step in plan.steps for a in _arguments(step)]
    yield from _shapes(f"input{end}", inputs)
    yield from _shapes(f"output{end}", outputs)
    yield _table(f"neoc_tensor inputs{end}", _tensors(f"input{end}", inputs, plan.inputs))
    yield _table(f"neoc_tensor outputs{end}", _tensors(f"output{end}", outputs, plan.outputs))
    yield _table(f"neoc_buffer buffers{end}", map(_buffer, plan.buffers))
    yield _table(f"int32_t arguments{end}", arguments)
    yield _table(f"neoc_step steps{end}", _steps(plan))
    yield f"{'static ' if number else ''}const neoc_model_t neoc_model{end} = {{"
    yield "  .version = NEOC_MODEL_VERSION,"
    yield f"  .num_inputs = {len(plan.inputs)}, .num_outputs = {len(plan.outputs)},"
    yield f"  .num_buffers = {len(plan.buffers)}, .num_steps = {len(plan.steps)},"
    yield f"  .inputs = inputs{end}, .outputs = outputs{end},"
    yield f"  .buffers = buffers{end}, .steps = steps{end}, .arguments = arguments{end},"
    yield f"  .arena_bytes = {plan.arena_bytes}, .constants = neoc_constants,"
    yield "  .bind = neoc_bind, .error = neoc_error,"
    yield f"  .features = {_text(' '.join(sorted(profile.isa.features)))},"
    if plan.rows:
        yield f"  .rows = {plan.rows}, .cost = {plan.cost},"
        yield f"  .fewer_columns = {int(signature.fewer_columns)},"
    if goes_on:
        yield f"  .next = &neoc_model_{number + 1},"
    yield "};"


def _table(declaration: str, rows: Iterable[str]) -> str:
    """An array; C has no empty ones, so one of no rows holds a zero."""
    return f"static const {declaration}[] = {{\n  " + ",\n  ".join([*rows] or ["0"]) + "\n};"


def _shapes(kind: str, tensors: tuple[Tensor, ...]) -> list[str]:
    return [
        _table(f"int64_t {kind}_{n}", map(str, tensor.shape or (1,)))
        for n, tensor in enumerate(tensors)
    ]


def _tensors(kind: str, tensors: tuple[Tensor, ...], buffers: tuple[int, ...]) -> Iterator[str]:
    for n, (tensor, buffer) in enumerate(zip(tensors, buffers, strict=True)):
        rank = len(tensor.shape)
        yield f'{{{_text(tensor.name)}, "{tensor.dtype}", {rank}, {kind}_{n}, {buffer}}}'


def _arguments(step: Call | Jump) -> tuple[int, ...]:
    if isinstance(step, Call):
        return step.arguments
    return () if step.unless is None else (step.unless,)


def _steps(plan: Plan) -> Iterator[str]:
    first = 0
    for step in plan.steps:
        count = len(_arguments(step))
        if isinstance(step, Jump):
            yield f"{{0, 0, {first}, {count}, {step.target}}}"
        elif step.kernel:
            yield f"{{__tvm_ffi_{step.symbol}, {_text(step.kernel)}, {first}, {count}, 0}}"
        else:
            yield f"{{{step.symbol}, 0, {first}, {count}, 0}}"
        first += count


def _buffer(buffer: Buffer) -> str:
    dtype = np.dtype(buffer.dtype)
    space = {"arena": "NEOC_ARENA", "constant": "NEOC_CONSTANT"}[buffer.space]
    bits, elements = dtype.itemsize * 8, max(buffer.elements, 1)
    return f"{{{space}, {CODES[dtype.kind]}, {bits}, {buffer.offset}, {elements}}}"


def _text(name: str) -> str:
    """A C string of any name's UTF-8: C knows neither JSON's escapes nor a harmless `??`."""
    parts = (chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}" for b in name.encode())
    return f'"{"".join(parts)}"'
