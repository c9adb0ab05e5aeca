"""A framework's process: it may run a model's code, and is kept from everything but its own files.

    python -P confined.py FOLDER

FOLDER/job.json says what to do, FOLDER/said.json what came of it. The process is run by this file's
path, for the package around it would bring TVM along. A model may run code when it is loaded: by
then there is no network, and no file can be read or written but those named here.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import resource
import struct
import sys
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

# numpy and frameworks start threads, which a confinement leaves out: all are imported after it.
HERE = Path(__file__).parent
MEMORY = 0.75  # of the machine's
FILES = 256
CLONE_NEWUSER, CLONE_NEWNET, PR_SET_NO_NEW_PRIVS = 0x10000000, 0x40000000, 38
CREATE_RULESET, ADD_RULE, RESTRICT_SELF, PATH_BENEATH = 444, 445, 446, 1  # <linux/landlock.h>
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, EVERY = 1, 2, 4, 8, (1 << 14) - 1
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE
PLAIN = EVERY & ~(0b1111 << 9 | 1 << 6)  # no links, devices, sockets or pipes are made
SYSTEM = (
    "/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/sys/devices/system",
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/dev/null", "/dev/urandom",
)  # fmt: skip
Job = Mapping[str, Any]


class Script(Protocol):
    """A module that knows one framework. Refused: what it raises for what does not fit the model,
    in words of its own. `export` writes FOLDER/model.onnx of what was loaded and gives what is
    said; `answer` runs it, and `values` gives tensors within it, by the names that it has for them;
    only what says `steps` of its quantised ones needs that.
    """

    Refused: type[Exception]

    def load(self, model: Path, job: Job) -> Any: ...

    def export(self, loaded: Any, folder: Path, job: Job) -> dict[str, Any]: ...

    def answer(self, loaded: Any, inputs: list[Any]) -> list[Any]: ...

    def values(self, loaded: Any, inputs: list[Any], names: list[str]) -> list[Any]: ...


def bound(model: Path) -> None:
    """Memory, and the number and size of files."""
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    largest = (1 << 30) + 4 * _bytes(model)
    for kind, limit in (
        (resource.RLIMIT_DATA, int(MEMORY * pages)),
        (resource.RLIMIT_FSIZE, largest),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))


def _bytes(model: Path) -> int:
    """Of a file, or of all files in a folder."""
    files = model.rglob("*") if model.is_dir() else [model]
    return sum(path.stat().st_size for path in files)


def confine(folder: Path, model: Path) -> list[str]:
    """No network and no foreign files from here on. Returns what the kernel does not let one
    forbid.
    """
    libc = ctypes.CDLL(None)
    free = [] if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 else ["the network"]
    readable = [*SYSTEM, sys.prefix, sys.base_prefix, *sys.path, str(HERE), str(model)]
    allowed = {path: EXECUTE | READ_FILE | READ_DIR for path in readable if os.path.exists(path)}
    allowed |= {str(folder): PLAIN, "/dev/null": OF_FILES}
    ruleset = libc.syscall(CREATE_RULESET, struct.pack("Q", EVERY), 8, 0)
    if ruleset < 0:
        return [*free, "other files"]
    for path, access in allowed.items():
        place = os.open(path, os.O_PATH)
        access &= EVERY if os.path.isdir(path) else OF_FILES
        libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", access, place), 0)
        os.close(place)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return free if libc.syscall(RESTRICT_SELF, ruleset, 0) == 0 else [*free, "other files"]


def script(path: str) -> Script:
    """The module of that file. It may import others of these folders, but gets the packages without
    what their own __init__ brings along, TVM for one.
    """
    for folder in (HERE, *(place for place in HERE.iterdir() if place.is_dir())):
        package = ModuleType(".".join(folder.relative_to(HERE.parent).parts))
        package.__path__ = [str(folder)]
        sys.modules[package.__name__] = package
    spec = importlib.util.spec_from_file_location("script", path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast(Script, module)


def main(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text())
    model, known = Path(job["model"]), script(job["script"])
    bound(model)
    said: dict[str, Any] = {"free": confine(folder, model), "failed": "load"}
    warnings.simplefilter("ignore")  # of frameworks about themselves
    try:
        loaded = known.load(model, job)
        said["failed"] = job["step"]
        step = known.export if job["step"] == "export" else partial(answers, known)
        said |= step(loaded, folder, job)
        del said["failed"]
    except Exception as error:  # whatever a framework raises
        said["why"] = told_by(error, known.Refused)
    (folder / "said.json").write_text(json.dumps(said))


def answers(known: Script, loaded: Any, folder: Path, job: Job) -> dict[str, Any]:
    """FOLDER/given.npz -> FOLDER/answers.npz: arrays `<run> <place>`, of outputs, or of the tensors
    that the job names.
    """
    import numpy as np

    def answered(inputs: list[Any]) -> list[Any]:
        names = job.get("tensors")
        return known.values(loaded, inputs, names) if names else known.answer(loaded, inputs)

    with np.load(folder / "given.npz") as given:
        runs = [
            answered([given[f"{run} {n}"] for n in range(job["inputs"])])
            for run in range(job["runs"])
        ]
    made = {f"{run} {n}": a for run, outputs in enumerate(runs) for n, a in enumerate(outputs)}
    np.savez(folder / "answers.npz", allow_pickle=False, **made)
    return {"outputs": len(runs[0])}


def told_by(error: Exception, refused: type[Exception]) -> str:
    """The line that says it: of TorchScript's interpreter the last, of others the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    told = lines[-1] if "TorchScript interpreter" in lines[0] else lines[0]
    return told[:400] if isinstance(error, refused) else f"{type(error).__name__}: {told[:400]}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
