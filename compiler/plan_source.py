"""A Plan as C: the tables that compiled.so exports (see runtime/model.h)."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np

from compiler.plan import Buffer, Plan
from frontends.model import Signature, Tensor
from targets import Profile

# DLDataTypeCode, by numpy's kind of type.
CODES = {"i": 0, "u": 1, "f": 2, "b": 6}


def source(plan: Plan, signature: Signature, profile: Profile) -> str:
    names = list(dict.fromkeys(call.kernel for call in plan.calls))
    starts = [0]
    for call in plan.calls:
        starts.append(starts[-1] + len(call.arguments))
    arguments = [a for call in plan.calls for a in call.arguments]
    return "\n".join([
        '#include "model.h"',
        *(f"extern int __tvm_ffi_{name}(void *, const void *, int32_t, void *);" for name in names),
        *_shapes("input", signature.inputs),
        *_shapes("output", signature.outputs),
        _table("neoc_tensor inputs", (_tensor("input", n, t, plan.inputs[n]) for n, t in enumerate(signature.inputs))),
        _table("neoc_tensor outputs", (_tensor("output", n, t, plan.outputs[n]) for n, t in enumerate(signature.outputs))),
        _table("neoc_buffer buffers", (_buffer(b) for b in plan.buffers)),
        _table("int32_t arguments", (str(a) for a in arguments)),
        _table("neoc_call calls", (
            f"{{__tvm_ffi_{call.kernel}, {json.dumps(call.kernel)}, {start}, {len(call.arguments)}}}"
            for call, start in zip(plan.calls, starts, strict=False))),
        "const neoc_model_t neoc_model = {",
        "  .version = NEOC_MODEL_VERSION,",
        f"  .num_inputs = {len(plan.inputs)}, .num_outputs = {len(plan.outputs)},",
        f"  .num_buffers = {len(plan.buffers)}, .num_calls = {len(plan.calls)},",
        "  .inputs = inputs, .outputs = outputs, .buffers = buffers, .calls = calls, .arguments = arguments,",
        f"  .arena_bytes = {plan.arena_bytes}, .constants = neoc_constants,",
        "  .bind = neoc_bind, .error = neoc_error,",
        f"  .features = {json.dumps(' '.join(sorted(profile.isa.features)))},",
        "};",
        "",
    ])  # fmt: skip


def _table(declaration: str, rows: Iterable[str]) -> str:
    """An array; C has no empty ones, so one of no rows holds a zero."""
    return f"static const {declaration}[] = {{\n  " + ",\n  ".join([*rows] or ["0"]) + "\n};"


def _shapes(kind: str, tensors: tuple[Tensor, ...]) -> list[str]:
    return [
        _table(f"int64_t {kind}_{n}", map(str, tensor.shape or (1,)))
        for n, tensor in enumerate(tensors)
    ]


def _tensor(kind: str, number: int, tensor: Tensor, buffer: int) -> str:
    name = json.dumps(tensor.name, ensure_ascii=True)
    return f'{{{name}, "{tensor.dtype}", {len(tensor.shape)}, {kind}_{number}, {buffer}}}'


def _buffer(buffer: Buffer) -> str:
    dtype = np.dtype(buffer.dtype)
    space = {"arena": "NEOC_ARENA", "constant": "NEOC_CONSTANT"}[buffer.space]
    return f"{{{space}, {CODES[dtype.kind]}, {dtype.itemsize * 8}, {buffer.offset}, {max(buffer.elements, 1)}}}"
