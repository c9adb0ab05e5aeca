"""Objects and plan to the folder of libraries that becomes the artifact."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import targets
from compiler import build, codegen, dump, package, plan_source
from compiler.lowered import Lowered
from compiler.plan import Plan
from frontends.model import Signature
from targets import Profile


def link(
    objects: list[Path], plan: Plan, signature: Signature, profile: Profile, into: Path
) -> Path:
    """compiled.so and libdlr.so in the folder `into`, which is made. Returns the folder."""
    into.mkdir()
    text = plan_source.source(plan, signature, profile)
    if path := dump.slot("plan.c"):
        path.write_text(text)
    build.link_model(objects, text, plan.constants, profile.zig, into)
    build.link_runtime(profile.zig, into)
    return into


def runnable(
    folder: Path, lowered: Lowered, plan: Plan, signature: Signature, profile: Profile
) -> Path:
    """The artifact's folder if this CPU runs it, else that of its twin.

    The twin is the same kernels, plan and runtime; only LLVM's last step is for the CPU of this
    machine.
    """
    if targets.runs_here(profile.isa):
        return folder
    host = targets.get("host")
    twin = replace(profile, llvm=host.llvm, isa=replace(profile.isa, features=host.isa.features))
    work = folder.parent / "twin"
    work.mkdir()
    return link(
        codegen.compile_kernels(lowered.kernels, twin, work),
        plan,
        signature,
        twin,
        work / "artifact",
    )


def warnings(profile: Profile) -> list[str]:
    if targets.runs_here(profile.isa):
        return []
    return [
        f"This machine cannot execute {profile.isa.name}: the same kernels, plan and runtime were "
        f"verified as compiled for {targets.get('host').isa.name}. "
        "Run `neoc bench` on the device before you rely on it."
    ]


def members(folder: Path, source: Path) -> dict[str, Path]:
    """What the archive holds: name -> file."""
    shutil.copyfile(build.HEADER, folder / "dlr.h")
    return {
        name: folder / name for name in ("compiled.so", "libdlr.so", "dlr.h")
    } | package.auxiliary(source)
