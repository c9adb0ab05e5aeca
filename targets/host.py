"""host: the CPU we stand on, read from /proc and /sys. Also answers whether code can run here."""

import functools
import os
import platform
import re
from dataclasses import replace
from pathlib import Path

from targets.isa import AVX2, AVX512, AVX512_VNNI, Isa
from targets.profile import KIB, Profile, TargetError, x86

# The first set the CPU has wins. LLVM's name follows from the set alone, not from the CPU's
# model: two machines with the same features then give the same bytes.
SETS = ((AVX512_VNNI, "cascadelake"), (AVX512, "skylake-avx512"), (AVX2, "haswell"))

_UNIT = {"": 1, "K": KIB, "M": KIB * KIB}
_USUAL_CACHE = {1: 32 * KIB, 2: 256 * KIB, 3: 0}  # where /sys tells nothing, as in some sandboxes


def profile() -> Profile:
    """Raises TargetError where no template fits the CPU."""
    flags = features()
    for isa, mcpu in SETS:
        if isa.features <= flags:
            title = f"this machine: {_model_name()}, {isa.name}"
            sizes = cache_sizes()
            cache = (sizes[1], sizes[2], sizes[3])
            row = x86("host", title, mcpu=mcpu, isa=isa, cores=cores(), cache=cache)
            return replace(row, fma_per_cycle=fma_per_cycle(isa, _read("/proc/cpuinfo")))
    missing = ", ".join(sorted(AVX2.features - flags))
    raise TargetError(
        f"host: this {platform.machine()} CPU lacks {missing}, and neoc needs AVX2 and FMA at "
        'least; name the device that shall run the model instead, such as "ml_c5".'
    )


def runs_here(isa: Isa) -> bool:
    """True if this CPU can execute code made for the set."""
    return isa.features <= features()


@functools.cache
def features() -> frozenset[str]:
    """What this CPU reports, in the kernel's spelling; nothing on a system that is not Linux."""
    return parse_features(_read("/proc/cpuinfo"))


def parse_features(cpuinfo: str) -> frozenset[str]:
    """x86 has a line `flags : ...`, Arm `Features : ...`; all cores count as the first."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    return frozenset(found.group(1).split()) if found else frozenset()


def cores() -> int:
    """CPUs we may use: the affinity mask, cut to the control group's quota."""
    allowed = len(os.sched_getaffinity(0))
    quota = min((q for q in map(_quota, _groups()) if q), default=allowed)
    return max(1, min(allowed, quota))


def cache_sizes(root: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> dict[int, int]:
    """Level -> bytes of the data (or unified) cache one core sees."""
    sizes = dict(_USUAL_CACHE)
    for index in sorted(root.glob("index*")):
        size = re.fullmatch(r"(\d+)([KM]?)", _read(index / "size"))
        level = _read(index / "level")
        if size and level.isdigit() and _read(index / "type") != "Instruction":
            sizes[int(level)] = int(size.group(1)) * _UNIT[size.group(2)]
    return sizes


def _groups() -> list[Path]:
    """This process's control group and those above it, for version 2 and version 1."""
    folders: list[Path] = []
    for line in _read("/proc/self/cgroup").splitlines():
        _, controllers, name = line.split(":", 2)
        if not controllers:
            root = Path("/sys/fs/cgroup")
        elif "cpu" in controllers.split(","):
            root = Path("/sys/fs/cgroup/cpu")
        else:
            continue
        inner = root / name.lstrip("/")
        folders += [inner, *(p for p in inner.parents if p.is_relative_to(root))]
    return folders


def _quota(group: Path) -> int | None:
    """CPUs the group may keep busy, rounded up; None without a limit."""
    version_2 = _read(group / "cpu.max").split()
    period = version_2[1] if len(version_2) == 2 else _read(group / "cpu.cfs_period_us")
    quota = version_2[0] if version_2 else _read(group / "cpu.cfs_quota_us")
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return None
    return -(-int(quota) // int(period))


def fma_per_cycle(isa: Isa, cpuinfo: str) -> int:
    """Zen 4 and what has its cores, the CPUs of family 25 with AVX-512, take a vector of 512 bits
    as two halves (AMD, Software Optimization Guide for the Zen4 Microarchitecture, 57647)."""
    halves = re.search(r"^cpu family\s*:\s*25$", cpuinfo, re.MULTILINE)
    return 1 if isa.lanes == AVX512.lanes and halves else 2


def _model_name() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return found.group(1) if found else platform.machine()


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
