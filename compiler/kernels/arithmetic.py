"""What a vector of sums is made of: products of floats, or of 16-bit integers two by two.

`vpmaddwd` multiplies 16-bit integers exactly and adds the products up in pairs; `vpdpwssd` adds
that to the sums, too. Neither saturates for numbers of 9 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tvm import tirx
from tvm.script.ir_builder import tirx as T
from tvm.target import Target, codegen

from compiler.kernels.emit import vector_at
from compiler.kernels.value import Expr, typed
from targets import Profile

# By sums in a vector.
MULTIPLY = {8: "llvm.x86.avx2.pmadd.wd", 16: "llvm.x86.avx512.pmaddw.d.512"}
MULTIPLY_ADD = {8: "llvm.x86.avx512.vpdpwssd.256", 16: "llvm.x86.avx512.vpdpwssd.512"}


class Arithmetic(Protocol):
    """sums: their type; depth: how many elements of both sides a step adds."""

    @property
    def lanes(self) -> int: ...

    @property
    def sums(self) -> str: ...

    @property
    def depth(self) -> int: ...

    def weights(self, buffer: tirx.Buffer, at: Expr) -> Expr:
        """A vector of the right side, `depth` elements for each sum."""

    def spread(self, buffer: tirx.Buffer, at: Expr) -> Expr:
        """`depth` elements of the left side beside each other, for every sum."""

    def added(self, sums: Expr, x: Expr, w: Expr) -> Expr: ...


@dataclass(frozen=True)
class Floats:
    lanes: int
    sums: str = "float32"
    depth: int = 1

    def weights(self, buffer: tirx.Buffer, at: Expr) -> Expr:
        return buffer[vector_at(at, self.lanes)]

    def spread(self, buffer: tirx.Buffer, at: Expr) -> Expr:
        return tirx.Broadcast(buffer[at], self.lanes)

    def added(self, sums: Expr, x: Expr, w: Expr) -> Expr:
        return sums + x * w


@dataclass(frozen=True)
class Pairs:
    """parts: in how many a vector is computed, for schedules of wide vectors run without them."""

    lanes: int
    parts: int
    fused: bool
    sums: str = "int32"
    depth: int = 2

    @classmethod
    def of(cls, profile: Profile) -> Pairs:
        target, lanes = Target(dict(profile.llvm)), profile.isa.lanes

        def has(*features: str) -> bool:
            return bool(codegen.llvm_cpu_has_features(list(features), target))

        return cls(
            lanes, max(lanes // (16 if has("avx512bw") else 8), 1), has("avx512vnni", "avx512vl")
        )

    def weights(self, buffer: tirx.Buffer, at: Expr) -> Expr:
        return buffer[vector_at(at, 2 * self.lanes)].astype(typed("int16", 2 * self.lanes))

    def spread(self, buffer: tirx.Buffer, at: Expr) -> Expr:
        pair = tirx.reinterpret("int32", buffer[vector_at(at, 2)])
        return tirx.reinterpret(typed("int16", 2 * self.lanes), tirx.Broadcast(pair, self.lanes))

    def added(self, sums: Expr, x: Expr, w: Expr) -> Expr:
        lanes = self.lanes // self.parts
        if self.fused:
            return _called(MULTIPLY_ADD[lanes], lanes, sums, x, w)
        if self.parts == 1:
            return sums + _called(MULTIPLY[lanes], lanes, x, w)
        products = [
            T.bind(_called(MULTIPLY[lanes], lanes, self._part(x, n), self._part(w, n)))
            for n in range(self.parts)
        ]
        return sums + tirx.Shuffle(products, list(range(self.lanes)))

    def _part(self, vector: Expr, number: int) -> Expr:
        size = 2 * self.lanes // self.parts
        return tirx.Shuffle([vector], list(range(size * number, size * (number + 1))))


def _called(intrinsic: str, lanes: int, *operands: Expr) -> Expr:
    return tirx.call_llvm_pure_intrin(typed("int32", lanes), intrinsic, *operands)
