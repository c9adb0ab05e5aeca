"""Exact products of 16-bit integers, added up two by two: `vpmaddwd`.

It never saturates for numbers of 9 bits. With VNNI, LLVM adds to it what the sum is added to.
"""

from __future__ import annotations

from tvm import tirx
from tvm.script.ir_builder import tirx as T
from tvm.target import Target, codegen

from compiler.kernels.value import Expr, lanes_of, typed
from targets import Profile

INTRINSICS = {8: "llvm.x86.avx2.pmadd.wd", 16: "llvm.x86.avx512.pmaddw.d.512"}  # by sums


def halves(profile: Profile) -> int:
    """In how many parts a vector of int32 is computed: schedules for AVX-512 run without it."""
    wide = codegen.llvm_cpu_has_features("avx512bw", Target(dict(profile.llvm)))
    return profile.isa.lanes // (16 if wide else 8) or 1


def products(x: Expr, w: Expr, parts: int) -> Expr:
    """[a0 b0 + a1 b1, a2 b2 + a3 b3, ...] as int32."""
    lanes = lanes_of(x) // 2 // parts

    def part(vector: Expr, n: int) -> Expr:
        if parts == 1:
            return vector
        return tirx.Shuffle([vector], list(range(2 * lanes * n, 2 * lanes * (n + 1))))

    sums = [
        T.bind(
            tirx.call_llvm_pure_intrin(
                typed("int32", lanes), INTRINSICS[lanes], part(x, n), part(w, n)
            )
        )
        for n in range(parts)
    ]
    return sums[0] if parts == 1 else tirx.Shuffle(sums, list(range(parts * lanes)))
