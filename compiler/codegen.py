"""Scheduled kernels to object files: TVM's last lowering, then LLVM.

The templates emit flat vector code, so of TVM's thirty lowering passes only those that fit a
function to its calling convention and its intrinsics are run; the others take ten times as long as
LLVM and change nothing.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import tvm
from tvm import tirx
from tvm.tirx import compilation_pipeline

from compiler import cache, dump, forked
from compiler.errors import ServerError
from compiler.lowered import Kernel
from targets import Profile, host

PIPELINE = "neoc"
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
    return tvm.tirx.build(module, target=tvm.target.Target(dict(profile.llvm)), pipeline=PIPELINE)


def compile_kernels(kernels: Mapping[str, Kernel], profile: Profile, into: Path) -> list[Path]:
    """Object files that define `__tvm_ffi_<symbol>` for every kernel."""
    distinct = {kernel.symbol: kernel for kernel in kernels.values()}
    symbols = sorted(distinct)
    texts = {form: path for form in FORMS if (path := dump.slot(f"kernels.{form}"))}
    known = [] if texts else [s for s in symbols if cached(distinct[s], profile, into)]
    missing = [symbol for symbol in symbols if symbol not in known]

    def task(number: int) -> None:
        compile_kernel(distinct[missing[number]], profile, into, list(texts))

    if failed := forked.run(task, len(missing), host.cores()):
        kernel = distinct[missing[failed[0]]]
        raise ServerError(f"Code generation for {profile.name} failed for {kernel.work.key}.")
    for form, path in texts.items():
        path.write_text("".join((into / f"{symbol}.{form}").read_text() for symbol in symbols))
    if missing:
        cache.trim()
    return [into / f"{symbol}.o" for symbol in symbols]


def cached(kernel: Kernel, profile: Profile, into: Path) -> bool:
    """Whether <symbol>.o was made before; then it lies in the folder `into`."""
    return cache.fetch(_made_from(kernel, profile), into / f"{kernel.symbol}.o")


def compile_kernel(kernel: Kernel, profile: Profile, into: Path, forms: Sequence[str] = ()) -> None:
    """<symbol>.o in the folder `into`, and <symbol>.<form>."""
    library = build({kernel.symbol: kernel}, profile)
    path = into / f"{kernel.symbol}.o"
    library.write_to_file(str(path))
    for form in forms:
        path.with_suffix(f".{form}").write_text(library.inspect_source(FORMS[form]))
    cache.store(_made_from(kernel, profile), path)


def _made_from(kernel: Kernel, profile: Profile) -> str:
    """The cache's name for a kernel's object: of all that decides its bytes."""
    facts = asdict(kernel.profile) | {"name": "", "title": ""}
    setting = [kernel.schedule.template.name, dict(kernel.schedule.point)]
    work = [kernel.work.key, kernel.work.function.script()]
    parts = [kernel.symbol, work, setting, facts, dict(profile.llvm), _sources()]
    return cache.name(json.dumps(part, sort_keys=True, default=sorted) for part in parts)


@functools.cache
def _sources() -> str:
    """The versions of what emits and compiles kernels, this code included."""
    here = Path(__file__)
    files = [here, *sorted(here.parent.glob("kernels/**/*.py"))]
    tools = [metadata.version("apache-tvm"), metadata.version("apache-tvm-ffi")]
    return cache.name([*tools, *(path.read_text() for path in files)])
