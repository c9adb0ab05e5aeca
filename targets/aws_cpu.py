"""The CPU instances of AWS. A family's name stands for its weakest member: code for it runs on all.

Sources: the Neo guide's device table for the instruction sets, Intel's and Arm's data sheets
for the caches.
"""

from targets.isa import AVX2, AVX512, NEON
from targets.profile import KIB, MIB, arm64, x86

ROWS = (
    x86(
        "ml_c4",
        "AWS c4: Xeon E5-2666 v3, Haswell",
        mcpu="haswell",
        isa=AVX2,
        cores=2,
        cache=(32 * KIB, 256 * KIB, 25 * MIB),
    ),
    x86(
        "ml_c5",
        "AWS c5: Xeon Platinum 8124M, Skylake-SP (or newer)",
        mcpu="skylake-avx512",
        isa=AVX512,
        cores=2,
        cache=(32 * KIB, 1 * MIB, 24 * MIB),
    ),
    x86(
        "ml_m4",
        "AWS m4: Xeon E5-2676 v3, Haswell (or newer)",
        mcpu="haswell",
        isa=AVX2,
        cores=2,
        cache=(32 * KIB, 256 * KIB, 30 * MIB),
    ),
    x86(
        "ml_m5",
        "AWS m5: Xeon Platinum 8175M, Skylake-SP (or newer)",
        mcpu="skylake-avx512",
        isa=AVX512,
        cores=2,
        cache=(32 * KIB, 1 * MIB, 33 * MIB),
    ),
    # Lambda offers AVX2 in every region since 2020; Neo's own choice was Ivy Bridge.
    x86(
        "lambda",
        "AWS Lambda on x86-64, AVX2",
        mcpu="haswell",
        isa=AVX2,
        cores=2,
        cache=(32 * KIB, 256 * KIB, 24 * MIB),
    ),
)

# Complete rows whose artifacts nobody has run yet: they are refused until they can be verified.
UNVERIFIED = tuple(
    arm64(
        name,
        f"AWS {name[3:]}: Graviton2, Neoverse N1",
        mcpu="neoverse-n1",
        isa=NEON,
        cores=2,
        cache=(64 * KIB, 1 * MIB, 32 * MIB),
    )
    for name in ("ml_c6g", "ml_m6g")
)
