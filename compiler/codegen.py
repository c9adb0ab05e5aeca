"""Scheduled kernels to object files: TVM's last lowering, then LLVM.

The templates emit flat vector code, so of TVM's thirty lowering passes only those that fit a
function to its calling convention and its intrinsics are run; the others take ten times as long as
LLVM and change nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from inspect import getsource
from pathlib import Path

import tvm
from tvm import tirx
from tvm.target import codegen
from tvm.tirx import compilation_pipeline

from compiler import cache, dump, forked
from compiler.errors import ServerError
from compiler.lowered import Kernel
from targets import Profile, host

PIPELINE = "neoc"
TVM = f"{metadata.version('apache-tvm')} LLVM {codegen.llvm_version_major()}"
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
    """The kernels under the names they are given."""
    module = tvm.IRModule({name: kernel.emit(name) for name, kernel in kernels.items()})
    return _built(module, profile)


def compile_kernels(kernels: Mapping[str, Kernel], profile: Profile, into: Path) -> list[Path]:
    """Object files that define `__tvm_ffi_<symbol>` for every kernel."""
    distinct = {kernel.symbol: kernel for kernel in kernels.values()}
    symbols = sorted(distinct)
    texts = {form: dump.slot(f"kernels.{form}") for form in FORMS}
    wanted = [form for form, path in texts.items() if path]

    def task(number: int) -> None:
        compile_kernel(distinct[symbols[number]], profile, into, wanted)

    if failed := forked.run(task, len(symbols), host.cores()):
        raise ServerError(
            f"Code generation for {profile.name} failed for {symbols[failed[0]]}: "
            f"{distinct[symbols[failed[0]]].work.key}"
        )
    for form in wanted:
        whole = "".join((into / f"{symbol}.{form}").read_text() for symbol in symbols)
        path = texts[form]
        assert path is not None
        path.write_text(whole)
    cache.trim()
    return [into / f"{symbol}.o" for symbol in symbols]


def compile_kernel(kernel: Kernel, profile: Profile, into: Path, forms: Sequence[str] = ()) -> None:
    """<symbol>.o in the folder `into`, out of the cache if it is there; <symbol>.<form>, too."""
    function = kernel.emit(kernel.symbol)
    target, path = into / kernel.symbol, into / f"{kernel.symbol}.o"
    # Script text has all digits of a number.
    made_from = [function.script(), json.dumps(dict(profile.llvm)), TVM, getsource(_pipeline)]
    name = cache.name(made_from)
    if not forms and cache.fetch(name, path):
        return
    library = _built(tvm.IRModule({kernel.symbol: function}), profile)
    library.write_to_file(str(path))
    for form in forms:
        target.with_suffix(f".{form}").write_text(library.inspect_source(FORMS[form]))
    cache.store(name, path)


def _built(module: tvm.IRModule, profile: Profile) -> tvm.runtime.Module:
    return tvm.tirx.build(module, target=tvm.target.Target(dict(profile.llvm)), pipeline=PIPELINE)
