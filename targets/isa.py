"""Isa: what a kernel template may know of an instruction set. Facts only, no code."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Isa:
    """lanes: float32 values in one vector; registers: vector registers.

    features: what a CPU must report (spelt as in /proc/cpuinfo) to run code made for this set.
    embedded_broadcast: an FMA takes one scalar in memory and spreads it over the lanes for free.
    """

    name: str
    lanes: int
    registers: int
    features: frozenset[str]
    embedded_broadcast: bool


AVX512 = Isa(
    "avx512",
    lanes=16,
    registers=32,
    features=frozenset(
        {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx2", "fma", "f16c", "bmi2"}
    ),
    embedded_broadcast=True,
)
# The same templates, whose sums of products of integers take one instruction instead of two.
AVX512_VNNI = replace(AVX512, features=AVX512.features | {"avx512_vnni"})
AVX2 = Isa(
    "avx2",
    lanes=8,
    registers=16,
    features=frozenset({"avx2", "fma", "f16c", "bmi1", "bmi2", "movbe", "popcnt", "abm"}),
    embedded_broadcast=False,
)
# FMLA by element reads one lane of a register, so a broadcast costs no instruction there either,
# but the scalar has to be loaded: it is not an operand in memory.
NEON = Isa("neon", lanes=4, registers=32, features=frozenset({"asimd"}), embedded_broadcast=False)
