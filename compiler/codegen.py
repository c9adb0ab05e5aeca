"""Scheduled kernels to object files: TVM's last lowering, then LLVM.

The templates emit flat vector code, so of TVM's thirty lowering passes only those that fit a
function to its calling convention and its intrinsics are run; the others take ten times as long as
LLVM and change nothing.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from pathlib import Path

import tvm
from tvm import tirx
from tvm.tirx import compilation_pipeline

from compiler import dump
from compiler.errors import ServerError
from compiler.lowered import Kernel
from targets import Profile, host

PIPELINE = "neoc"
# Objects that the kernels are shared out to, whatever the machine: its cores must not show.
PARTS = 8
# Suffix of what --keep keeps -> what TVM calls it.
FORMS = {"ll": "ll", "s": "asm"}


def _pipeline() -> tuple[tvm.transform.Pass, object, object]:
    """In the form of tvm.tirx.build: the passes, and those for host and device code afterwards."""

    def finalize() -> tvm.transform.Pass:
        return tvm.transform.Sequential(
            [tirx.transform.LowerTVMBuiltin(), tirx.transform.LowerIntrin()]
        )

    convention = [tirx.transform.AnnotateEntryFunc(), tirx.transform.MakePackedAPI()]
    return tvm.transform.Sequential(convention), finalize, finalize


compilation_pipeline.register_tir_pipeline(PIPELINE, _pipeline)


def build(kernels: Mapping[str, Kernel], profile: Profile) -> tvm.runtime.Module:
    module = tvm.IRModule({name: kernel.function for name, kernel in kernels.items()})
    return tvm.tirx.build(module, target=tvm.target.Target(dict(profile.llvm)), pipeline=PIPELINE)


def compile_kernels(kernels: Mapping[str, Kernel], profile: Profile, into: Path) -> list[Path]:
    """Object files that define `__tvm_ffi_<name>` for every kernel; a process a core makes them."""
    names = sorted(kernels)
    parts = [
        {name: kernels[name] for name in names[n::PARTS]} for n in range(min(PARTS, len(names)))
    ]
    texts = {form: dump.slot(f"kernels.{form}") for form in FORMS}
    wanted = [form for form, path in texts.items() if path]
    workers = min(host.cores(), len(parts))
    forked = multiprocessing.get_context("fork")
    jobs = [
        forked.Process(target=_compile, args=(parts, worker, workers, profile, into, wanted))
        for worker in range(workers)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    if failed := [job.exitcode for job in jobs if job.exitcode]:
        raise ServerError(f"Code generation for {profile.name} ended with status {failed[0]}.")
    for form in wanted:
        whole = "".join((into / f"kernels-{n}.{form}").read_text() for n in range(len(parts)))
        path = texts[form]
        assert path is not None
        path.write_text(whole)
    return [into / f"kernels-{n}.o" for n in range(len(parts))]


def _compile(
    parts: list[dict[str, Kernel]],
    first: int,
    step: int,
    profile: Profile,
    into: Path,
    wanted: list[str],
) -> None:
    """One process's share: every step-th part."""
    for n in range(first, len(parts), step):
        library = build(parts[n], profile)
        library.write_to_file(str(into / f"kernels-{n}.o"))
        for form in wanted:
            text = library.inspect_source(FORMS[form])
            (into / f"kernels-{n}.{form}").write_text(text)
