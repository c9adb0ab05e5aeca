"""A Plan as C: the tables that compiled.so exports (see runtime/model.h)."""

from collections.abc import Iterable, Iterator

import numpy as np

from compiler.arena import Buffer
from compiler.plan import Call, Jump, Plan
from frontends.model import Signature, Tensor
from targets import Profile

# DLDataTypeCode, by numpy's kind of type.
CODES = {"i": 0, "u": 1, "f": 2, "b": 6}


def source(plan: Plan, signature: Signature, profile: Profile) -> str:
    names = list(dict.fromkeys(call.symbol for call in plan.calls))
    arguments = [str(a) for step in plan.steps for a in _arguments(step)]
    features = " ".join(sorted(profile.isa.features))
    return "\n".join(
        [
            '#include "model.h"',
            *(
                f"extern int __tvm_ffi_{name}(void *, const void *, int32_t, void *);"
                for name in names
            ),
            *_shapes("input", signature.inputs),
            *_shapes("output", signature.outputs),
            _table("neoc_tensor inputs", _tensors("input", signature.inputs, plan.inputs)),
            _table("neoc_tensor outputs", _tensors("output", signature.outputs, plan.outputs)),
            _table("neoc_buffer buffers", map(_buffer, plan.buffers)),
            _table("int32_t arguments", arguments),
            _table("neoc_step steps", _steps(plan)),
            "const neoc_model_t neoc_model = {",
            "  .version = NEOC_MODEL_VERSION,",
            f"  .num_inputs = {len(plan.inputs)}, .num_outputs = {len(plan.outputs)},",
            f"  .num_buffers = {len(plan.buffers)}, .num_steps = {len(plan.steps)},",
            "  .inputs = inputs, .outputs = outputs,",
            "  .buffers = buffers, .steps = steps, .arguments = arguments,",
            f"  .arena_bytes = {plan.arena_bytes}, .constants = neoc_constants,",
            "  .bind = neoc_bind, .error = neoc_error,",
            f"  .features = {_text(features)},",
            "};",
            "",
        ]
    )


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
