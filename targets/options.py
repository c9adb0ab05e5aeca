"""CompilerOptions that change a profile. What has no meaning for a CPU is named, not refused."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from targets.isa import AVX2, AVX512, AVX512_VNNI, Isa
from targets.profile import Profile, TargetError

# LLVM's name of an x86 CPU -> the set whose templates fit it.
CPUS: dict[str, Isa] = {
    **dict.fromkeys(
        ("core-avx2", "haswell", "broadwell", "skylake", "alderlake",
         "znver1", "znver2", "znver3", "x86-64-v3"), AVX2),
    **dict.fromkeys(("skylake-avx512", "x86-64-v4"), AVX512),
    **dict.fromkeys(
        ("cascadelake", "cooperlake", "icelake-server", "sapphirerapids", "emeraldrapids",
         "znver4", "znver5"), AVX512_VNNI),
}  # fmt: skip


def tailored(profile: Profile, options: Mapping[str, object]) -> Profile:
    """The profile with CompilerOptions' `mcpu`. Raises TargetError for values it cannot follow."""
    if "mattr" in options:
        raise TargetError(
            "InputConfiguration: CompilerOptions mattr is not supported: single features cannot be "
            f"checked when the artifact is loaded. Choose a CPU by mcpu: {', '.join(CPUS)}."
        )
    mcpu = options.get("mcpu")
    if mcpu is None:
        return profile
    if not isinstance(mcpu, str) or mcpu not in CPUS:
        raise TargetError(
            f"InputConfiguration: CompilerOptions mcpu {mcpu!r} is not a CPU that {profile.name} "
            f"can be compiled for; known are {', '.join(CPUS)}."
        )
    return replace(profile, llvm={**profile.llvm, "mcpu": mcpu}, isa=CPUS[mcpu])


def ignored(options: Mapping[str, object], read: Collection[str] = ()) -> list[str]:
    """A warning for each option that has no meaning here. read: those that the front end has."""
    return [
        f"CompilerOptions {name} has no effect on a CPU target and was ignored."
        for name in options
        if name not in ("mcpu", "mattr", *read)
    ]
