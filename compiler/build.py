"""Kernel objects, the plan and the runtime's C in; compiled.so, libdlr.so and the timing
programs out.

zig is the C compiler and the linker: it comes with pip, and links for any glibc from anywhere.
The same inputs give the same bytes, wherever they lie and whatever was linked before.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from compiler import knobs
from compiler.errors import ServerError

RUNTIME = Path(__file__).parent / "runtime"
HEADER = RUNTIME / "dlr.h"

LIBRARY_SOURCES = (
    "checks.c", "cpus.c", "dlr.c", "error.c", "instance.c", "memory.c",
    "meta.c", "paths.c", "pool.c", "rows.c", "workspace.c",
)  # fmt: skip
C_FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC")
# -Bsymbolic: other copies of the library in the process must not answer our own calls.
SHARED = ("-shared", "-fvisibility=hidden", "-Wl,-Bsymbolic", "-Wl,--no-undefined", "-s")
# Apart from libc.so until glibc 2.34; the linker names only those that are used.
LIBC = ("-lm", "-ldl", "-lpthread")

# Read-only and on a page of its own: loading a model maps its constants, and copies nothing.
CONSTANTS = """\
    .section .rodata.constants, "a", %progbits
    .balign 4096
    .globl neoc_constants
    .hidden neoc_constants
neoc_constants:
    .incbin "constants.bin"
    .byte 0
    .section .note.GNU-stack, "", %progbits
"""


def link_runtime(zig: str, into: Path) -> Path:
    """libdlr.so for a zig target such as x86_64-linux-gnu.2.17, in the folder `into`."""
    library = into / "libdlr.so"
    sources = [str(RUNTIME / name) for name in LIBRARY_SOURCES]
    _zig(zig, [*SHARED, *sources, f"-Wl,--version-script={RUNTIME / 'exports.map'}"], library)
    return library


def link_model(objects: Sequence[Path], plan_c: str, constants: Path, zig: str, into: Path) -> Path:
    """compiled.so in the folder `into`.

    `plan_c` is C that includes model.h and defines `neoc_model`; `constants` becomes its
    `neoc_constants`.
    """
    library = into / "compiled.so"
    with tempfile.TemporaryDirectory(dir=into, prefix=".link-") as name:
        scratch = Path(name)
        (scratch / "plan.c").write_text(plan_c)
        (scratch / "constants.S").write_text(CONSTANTS)
        (scratch / "constants.bin").symlink_to(constants.resolve())
        sources = ["plan.c", "constants.S", str(RUNTIME / "kernels.c")]
        exports = f"-Wl,--version-script={RUNTIME / 'model.map'}"
        inputs = [*sources, *(str(path.resolve()) for path in objects), exports]
        _zig(zig, [*SHARED, f"-I{RUNTIME}", *inputs], library, scratch)
    return library


def link_bench(zig: str, into: Path) -> Path:
    """bench, the program that times an artifact, in the folder `into`."""
    return link_program(zig, [RUNTIME / "bench.c"], into / "bench")


def link_profile(zig: str, into: Path) -> Path:
    """profile, the program that times each call of a compiled.so, in the folder `into`."""
    sources = [RUNTIME / name for name in (*LIBRARY_SOURCES, "profile.c")]
    return link_program(zig, sources, into / "profile")


def link_program(zig: str, sources: Sequence[Path], into: Path, flags: Sequence[str] = ()) -> Path:
    """A program of C sources that may include the runtime's headers."""
    _zig(zig, ["-s", f"-I{RUNTIME}", *flags, *map(str, sources)], into)
    return into


def link_measure(zig: str, into: Path) -> Path:
    """measure, the program that times kernels on the runtime's pool, in the folder `into`."""
    program = into / "measure"
    sources = ("measure.c", "pool.c", "cpus.c", "memory.c", "workspace.c")
    _zig(zig, ["-s", *(str(RUNTIME / name) for name in sources)], program)
    return program


def link_kernels(objects: Sequence[Path], zig: str, library: Path) -> None:
    """Kernels alone, as `measure` opens them."""
    exports = f"-Wl,--version-script={RUNTIME / 'kernels.map'}"
    inputs = ["-fvisibility=default", str(RUNTIME / "kernels.c"), exports]
    inputs += [str(path.resolve()) for path in objects]
    with tempfile.TemporaryDirectory(dir=library.parent, prefix=".link-") as scratch:
        _zig(zig, [*SHARED, f"-I{RUNTIME}", *inputs], library, Path(scratch))


def _zig(target: str, arguments: Sequence[str], output: Path, scratch: Path | None = None) -> None:
    """Run zig cc, in `scratch` with a cache of its own there, if given.

    zig keeps whatever it links in its cache, and does not look into files that .incbin names:
    models' libraries must not pile up there, nor be taken for one another.
    """
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, *C_FLAGS]
    command += [*arguments, *LIBC, "-o", str(output.resolve())]
    shared = os.environ.get("ZIG_GLOBAL_CACHE_DIR") or str(knobs.current().cache / "zig")
    local = str(scratch / "cache") if scratch else shared
    environment = {
        **os.environ, "ZIG_GLOBAL_CACHE_DIR": shared, "ZIG_LOCAL_CACHE_DIR": local,
    }  # fmt: skip
    done = subprocess.run(
        command, cwd=scratch or RUNTIME, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        head = "\n".join((done.stderr or done.stdout).strip().splitlines()[:5])
        raise ServerError(f"Linking {output.name} for {target} failed: {head}")
