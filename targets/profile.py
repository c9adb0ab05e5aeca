"""Profile: everything the compiler needs to know of a device, as one row of data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from targets.isa import Isa

__all__ = ["Isa", "Profile", "TargetError", "arm64", "x86"]

KIB = 1024
MIB = 1024 * KIB


class TargetError(Exception):
    """The device named in the request cannot be compiled for; the text says why and what to do."""


@dataclass(frozen=True)
class Profile:
    """llvm: a TVM Target in its JSON form. cores: what one instance of the device's weakest
    member has. l1/l2: data cache of one core, l3: of the socket, in bytes, 0 if there is none.
    zig: the triple to link for, with the oldest glibc the artifact shall run on. fma_per_cycle: how
    many of its widest vectors a core multiplies and adds in a cycle.
    """

    name: str
    title: str
    llvm: Mapping[str, object] = field(hash=False)
    isa: Isa
    cores: int
    l1_bytes: int
    l2_bytes: int
    l3_bytes: int
    zig: str
    device_type: str = "cpu"
    fma_per_cycle: int = 2


def x86(
    name: str, title: str, *, mcpu: str, isa: Isa, cores: int, cache: tuple[int, int, int]
) -> Profile:
    """An x86-64 Linux device. cache: l1, l2, l3 in bytes."""
    return _linux("x86_64-linux-gnu", name, title, mcpu, isa, cores, cache)


def arm64(
    name: str, title: str, *, mcpu: str, isa: Isa, cores: int, cache: tuple[int, int, int]
) -> Profile:
    """A 64-bit Arm Linux device. cache: l1, l2, l3 in bytes."""
    return _linux("aarch64-linux-gnu", name, title, mcpu, isa, cores, cache)


def _linux(
    triple: str,
    name: str,
    title: str,
    mcpu: str,
    isa: Isa,
    cores: int,
    cache: tuple[int, int, int],
) -> Profile:
    llvm = {"kind": "llvm", "mtriple": triple, "mcpu": mcpu, "num-cores": cores}
    l1, l2, l3 = cache
    # glibc 2.17 is the oldest found on devices; what is linked for it runs on all later ones.
    return Profile(name, title, llvm, isa, cores, l1, l2, l3, zig=f"{triple}.2.17")
