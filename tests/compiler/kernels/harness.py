"""Compiles a few operators as the pipeline does, runs the kernels, and compares with numpy."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

os.environ["TVM_NUM_THREADS"] = "2"  # TVM reads it once, when it starts its pool

import numpy as np
import tvm
import tvm_ffi
from tvm import relax
from tvm.ir import GenericConst, GlobalVar

import targets
from compiler import codegen, pipeline
from compiler.kernels import ranked
from compiler.kernels.operators import PLACED, VIEWS, dtype_of, integers, shape_of
from compiler.kernels.template import Packing
from compiler.kernels.workload import operands_of, operator_of
from compiler.lowered import Lowered
from targets import Profile

Array = np.ndarray
Sizes = tuple[Any, ...]  # shapes, strides, paddings
Emit = Callable[..., relax.Expr]

# AVX-512 schedules run anywhere: LLVM splits their vectors for the CPU of this machine.
HOST = targets.get("host").llvm
NARROW = replace(targets.PROFILES["ml_c4"], llvm=HOST)
WIDE = replace(targets.PROFILES["ml_c5"], llvm=HOST)
MARGIN = 64  # guard elements on either side of every buffer, filled with GUARD
GUARD = 0x7F


def main_of(emit: Emit, inputs: Sequence[Array]) -> tvm.IRModule:
    """`main` of the calls that emit(*variables) makes; it may return one expression or a tuple."""
    builder = relax.BlockBuilder()
    params = [
        relax.Var(f"x{n}", relax.TensorType(a.shape, str(a.dtype))) for n, a in enumerate(inputs)
    ]
    with builder.function("main", params):
        with builder.dataflow():
            value = emit(*params)
            fields = value if isinstance(value, tuple) else (value,)
            outputs = [builder.emit(f) for f in fields]
            result = builder.emit_output(relax.Tuple(outputs))
        builder.emit_func_output(result)
    return builder.get()


@dataclass
class Place:
    """A flat, aligned tensor between two guards."""

    whole: Array
    data: Array

    @classmethod
    def of(cls, size: int, dtype: str) -> Place:
        item = np.dtype(dtype).itemsize
        raw = np.full((max(size, 1) + 2 * MARGIN) * item + 64, GUARD, np.uint8)
        start = -(raw.ctypes.data + MARGIN * item) % 64 + MARGIN * item
        return cls(raw, raw[start : start + max(size, 1) * item].view(dtype))

    def intact(self) -> bool:
        start = self.data.ctypes.data - self.whole.ctypes.data
        before, after = self.whole[:start], self.whole[start + self.data.nbytes :]
        return bool((before == GUARD).all() and (after == GUARD).all())


class Machine:
    """Runs a lowered main call by call, as the plan does; every tensor has a place of its own."""

    def __init__(self, lowered: Lowered, library: Any) -> None:
        self.lowered, self.main, self.library = lowered, lowered.main, library
        self.places: dict[Any, Place] = {}

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        for param, array in zip(self.main.params, inputs, strict=True):
            self._new(param).data[: array.size] = array.reshape(-1)
        for binding in self.main.body.blocks[0].bindings:
            value = binding.value
            if isinstance(value, relax.Tuple):
                return [self._read(field) for field in value.fields]
            if isinstance(value.op, GlobalVar):
                name = str(value.op.name_hint)
                packing = self.lowered.kernels[name].packing
                places = [self._place(a, packing.get(n)) for n, a in enumerate(value.args)]
                places.append(self._new(binding.var))
                self.library[name](*(_tensor(p.data) for p in places))
                assert all(p.intact() for p in places), f"{value.op} wrote outside its buffers"
            else:
                self._name(binding.var, value)
        raise AssertionError("main returns no tuple")

    def _name(self, var: relax.Var, call: relax.Call) -> None:
        """A view of a place; what others are part of, or a part, in a place of its own."""
        name, operands = operator_of(call), operands_of(call)
        assert name in (*VIEWS, *PLACED), f"{name} was not fused into a kernel"
        if name in VIEWS:
            self.places[var] = self._place(operands[0])
            return
        if name == "neoc.join":
            data = np.concatenate([self._read(part).reshape(-1) for part in operands])
        else:
            data = self._read(operands[0]).reshape(-1)[integers(operands[1])[0] :]
        place = self._new(var)
        place.data[:] = data[: len(place.data)]

    def _new(self, var: relax.Var) -> Place:
        self.places[var] = Place.of(int(np.prod(shape_of(var))), dtype_of(var))
        return self.places[var]

    def _place(self, expr: relax.Expr, packing: Packing | None = None) -> Place:
        if not isinstance(expr, GenericConst):
            return self.places[expr]
        array = np.asarray(expr.value.numpy())
        if packing is not None:
            array = packing.pack(array)
        place = Place.of(array.size, str(array.dtype))
        place.data[: array.size] = array.reshape(-1)
        return place

    def _read(self, expr: relax.Expr) -> Array:
        shape = shape_of(expr)
        return self._place(expr).data[: int(np.prod(shape))].reshape(shape).copy()


def _tensor(array: Array) -> Any:
    return tvm_ffi.from_dlpack(array)


def lowered_with(module: tvm.IRModule, profile: Profile, seed: int | None) -> Lowered:
    """Scheduled at each template's default, or at random points of its space."""
    if seed is None:
        return pipeline.schedule(module, profile)
    picker = random.Random(seed)
    works = pipeline.workloads(module)
    chosen = {name: picker.choice(ranked(work, profile)) for name, work in works.items()}
    return pipeline.schedule(module, profile, chosen)


def lowered(emit: Emit, inputs: Sequence[Array], profile: Profile) -> Lowered:
    """At the templates' defaults."""
    return lowered_with(pipeline.lower(main_of(emit, inputs), profile), profile, None)


def compute(
    emit: Emit, *inputs: Array, profile: Profile = NARROW, seed: int | None = None
) -> tuple[list[Array], Lowered]:
    """What the kernels give, and the kernels."""
    made = lowered_with(pipeline.lower(main_of(emit, inputs), profile), profile, seed)
    library = codegen.build(made.kernels, profile)
    return Machine(made, library)(inputs), made


def close(got: Array, want: Array, tolerance: float) -> None:
    """Equal shape, type and specials; errors bounded relative to the scale of what is wanted."""
    assert got.shape == want.shape
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    finite = np.isfinite(want)
    np.testing.assert_array_equal(np.isfinite(got), finite)
    np.testing.assert_array_equal(np.where(finite, 0, got), np.where(finite, 0, want))
    scale = np.abs(want[finite]).max(initial=1e-30)
    worst = np.abs(got[finite].astype(np.float64) - want[finite]).max(initial=0)
    assert worst <= tolerance * scale, f"error {worst} at scale {scale}"


TOLERANCES = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-13}


def check(
    emit: Emit,
    inputs: Sequence[Array],
    *wanted: Array,
    profiles: Sequence[Profile] = (NARROW, WIDE),
    seeds: Sequence[int | None] = (None,),
    tolerance: float | None = None,
) -> list[str]:
    """Asserts that every profile and point agrees with `wanted`. Returns the templates' names."""
    names: list[str] = []
    for profile in profiles:
        for seed in seeds:
            results, made = compute(emit, *inputs, profile=profile, seed=seed)
            names = [k.schedule.template.name for k in made.kernels.values()]
            for got, want in zip(results, wanted, strict=True):
                bound = tolerance or TOLERANCES.get(str(got.dtype), 0.0)
                close(got, want if want.dtype.kind == "f" else want.astype(got.dtype), bound)
    return names


def values(shape: Sequence[int], dtype: str = "float32", seed: int = 0) -> Array:
    """Seeded numbers: normal ones, small integers, or booleans."""
    rng = np.random.default_rng(seed + sum(shape))
    if dtype.startswith("float"):
        return rng.standard_normal(shape).astype(dtype)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    return rng.integers(0 if dtype.startswith("u") else -5, 9, shape).astype(dtype)
