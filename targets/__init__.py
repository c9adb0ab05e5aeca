"""A device name in, a Profile out. Adding a device is adding a row; no compiler code knows names.

Every TargetDevice of the API is in PROFILES (it compiles) or in REFUSED (name -> why not, and what
to do instead). PLATFORMS holds the forms of TargetPlatform, under OS_ARCH. `host` is this machine.
"""

import difflib

from targets import aws_cpu, aws_gpu, edge, host
from targets.host import runs_here
from targets.isa import Isa
from targets.options import ignored, tailored
from targets.profile import Profile, TargetError

__all__ = [
    "PLATFORMS",
    "PROFILES",
    "REFUSED",
    "Isa",
    "Profile",
    "TargetError",
    "get",
    "ignored",
    "runs_here",
    "tailored",
]

PROFILES: dict[str, Profile] = {row.name: row for row in (*aws_cpu.ROWS, *edge.ROWS)}
PLATFORMS: dict[str, Profile] = {row.name: row for row in edge.PLATFORMS}
UNVERIFIED: dict[str, Profile] = {row.name: row for row in (*aws_cpu.UNVERIFIED, *edge.UNVERIFIED)}
REFUSED: dict[str, str] = {
    **aws_gpu.REFUSED,
    **edge.REFUSED,
    **{
        name: f"{name} ({row.title}) is a 64-bit Arm device, and neoc cannot verify Arm artifacts "
        'yet; it compiles for x86-64 CPUs with AVX2 so far, such as "ml_c4".'
        for name, row in UNVERIFIED.items()
    },
}

try:
    PROFILES["host"] = host.profile()
except TargetError as error:
    REFUSED["host"] = str(error)


def get(name: str) -> Profile:
    """name: a TargetDevice, `host`, or a platform as LINUX/X86_64 or LINUX_X86_64.

    Raises TargetError: refused with its reason, or unknown with the nearest names.
    """
    name = name.replace("/", "_")
    if found := PROFILES.get(name) or PLATFORMS.get(name):
        return found
    if why := REFUSED.get(name):
        raise TargetError(f"CompilationError: Unable to compile model for {name}: {why}")
    known = [*PROFILES, *PLATFORMS, *REFUSED]
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6) or sorted(PROFILES)
    raise TargetError(f'Unknown target device "{name}". Did you mean {", ".join(near)}?')
