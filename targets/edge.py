"""Devices outside the data centre, and the plain platforms of TargetPlatform."""

from targets.isa import AVX2, NEON
from targets.profile import KIB, MIB, arm64, x86

ROWS = (
    x86(
        "sbe_c",
        "AWS Snowball Edge Compute: EPYC, AVX2",
        # Neo's documentation says core-avx2, which is LLVM's other name for haswell.
        mcpu="haswell",
        isa=AVX2,
        cores=2,
        cache=(32 * KIB, 512 * KIB, 8 * MIB),
    ),
)

# Neo's name of a TargetPlatform in an output key: OS_ARCH. Plain X86_64 promises no AVX at all;
# the oldest set our templates are written for is AVX2, so the title says what it needs.
PLATFORMS = (
    x86(
        "LINUX_X86_64",
        "Linux on x86-64 with AVX2 and FMA (x86-64-v3)",
        mcpu="x86-64-v3",
        isa=AVX2,
        cores=2,
        cache=(32 * KIB, 256 * KIB, 8 * MIB),
    ),
)

# Complete rows whose artifacts nobody has run yet: they are refused until they can be verified.
UNVERIFIED = tuple(
    arm64(name, title, mcpu=mcpu, isa=NEON, cores=cores, cache=cache)
    for name, title, mcpu, cores, cache in (
        ("aisage", "Acer aiSage: ARMv8, RK3399 class", "cortex-a53", 2, (32 * KIB, 512 * KIB, 0)),
        ("imx8qm", "NXP i.MX 8QuadMax: A72 + A53", "cortex-a53", 6, (32 * KIB, 1 * MIB, 0)),
        ("jetson_nano", "Jetson Nano's CPU: 4 x A57", "cortex-a57", 4, (32 * KIB, 2 * MIB, 0)),
        ("jetson_tx1", "Jetson TX1's CPU: 4 x A57", "cortex-a57", 4, (32 * KIB, 2 * MIB, 0)),
        ("jetson_tx2", "Jetson TX2's CPU: A57 + Denver2", "cortex-a57", 6, (32 * KIB, 2 * MIB, 0)),
        ("jetson_xavier", "Jetson Xavier's CPU: Carmel", "carmel", 8, (64 * KIB, 2 * MIB, 4 * MIB)),
        ("rasp4b", "Raspberry Pi 4B, 64-bit: 4 x A72", "cortex-a72", 4, (32 * KIB, 1 * MIB, 0)),
        ("rk3399", "Rockchip RK3399: A72 + A53", "cortex-a72", 6, (32 * KIB, 1 * MIB, 0)),
    )
)

_NO_GENERATOR = '{0} {1}; neoc compiles for x86-64 CPUs with AVX2 so far, such as "ml_c4".'
_VENDOR = (
    "{0} needs the vendor toolchain {1}, which neoc does not contain, and its CPU cores ({2}) "
    'are not served yet; neoc compiles for x86-64 CPUs with AVX2 so far, such as "ml_c4".'
)

REFUSED = {
    name: _NO_GENERATOR.format(name, why)
    for name, why in (
        ("deeplens", "has an Atom CPU without AVX (SSE4.2) and an Intel GPU"),
        ("rasp3b", "runs a 32-bit ARMv7 system"),
        ("rk3288", "runs a 32-bit ARMv7 system with a Mali GPU"),
        ("x86_win32", "needs a 32-bit Windows runtime and linker"),
        ("x86_win64", "needs a Windows runtime and linker"),
        ("coreml", "needs Core ML's converter (coremltools) and Apple's runtime"),
    )
} | {
    name: _VENDOR.format(name, toolchain, cpu)
    for name, toolchain, cpu in (
        ("imx8mplus", "VeriSilicon NPU stack", "Cortex-A53"),
        ("amba_cv2", "Ambarella CVflow", "Cortex-A53"),
        ("amba_cv22", "Ambarella CVflow", "Cortex-A53"),
        ("amba_cv25", "Ambarella CVflow", "Cortex-A53"),
        ("jacinto_tda4vm", "TI TIDL", "Cortex-A72"),
        ("sitara_am57x", "TI TIDL", "Cortex-A15, 32-bit"),
        ("qcs603", "Qualcomm SNPE", "Kryo 300"),
        ("qcs605", "Qualcomm SNPE", "Kryo 300"),
    )
}
