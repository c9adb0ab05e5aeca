"""Scheduled kernels to an object file: TVM's last lowering, then LLVM.

The templates emit flat vector code, so of TVM's thirty lowering passes only those that fit a
function to its calling convention and its intrinsics are run; the others take ten times as long as
LLVM and change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tvm
from tvm import tirx
from tvm.tirx import compilation_pipeline

from compiler import dump
from compiler.lowered import Kernel
from targets import Profile

PIPELINE = "neoc"


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
    """Object files that define `__tvm_ffi_<name>` for every kernel."""
    library = build(kernels, profile)
    for form, name in (("ll", "kernels.ll"), ("asm", "kernels.s")):
        if path := dump.slot(name):
            path.write_text(library.inspect_source(form))
    target = into / "kernels.o"
    library.write_to_file(str(target))
    return [target]
