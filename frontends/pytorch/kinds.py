"""What a file of torch is, told by its first bytes and the names in its zip. Nothing is unpickled.

Only programs can be compiled. Most .pt files are none: `torch.save` pickles a Python object, which
is nothing without the code of its classes, and runs whatever the file says when it is loaded.
"""

from __future__ import annotations

import pickletools
import zipfile
from pathlib import Path

from frontends.model import ModelError

ZIP, PICKLES, TAR = b"PK\x03\x04", (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), b"ustar"
MOST = 1 << 20  # bytes of a pickle that are looked at, for the name of its class
EXPORT = (
    "Save a program instead: torch.jit.trace(model.eval(), example).save('model.pth'), "
    "torch.jit.script(model.eval()).save('model.pth'), or "
    "torch.export.save(torch.export.export(model.eval(), (example,)), 'model.pt2')."
)
# Classes that weights alone consist of.
OF_WEIGHTS = ("collections", "torch", "torch._utils", "torch.storage", "numpy", "_codecs")


def kind(path: Path) -> str:
    """`script` for TorchScript, `program` for a file of torch.export. Raises ModelError."""
    with open(path, "rb") as file:
        head = file.read(512)
    if head.startswith(ZIP):
        return _of_zip(path)
    if head.startswith(PICKLES) or TAR in head:
        raise ModelError(f"The file is a pickle of an old torch.save. {EXPORT}")
    raise ModelError(f"The file is none that torch writes. {EXPORT}")


def _of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            # All is below one folder, which is named after the file.
            names = {name.partition("/")[2] or name: name for name in archive.namelist()}
            if "data.pkl" in names and not any(name.startswith("code/") for name in names):
                classes = _classes(archive, names["data.pkl"])
                raise ModelError(f"{_pickled(classes)} {EXPORT}")
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as problem:
        raise ModelError(f"The zip is damaged: {problem}") from None
    if any(name.startswith("code/") for name in names):
        return "script"
    if any(name.startswith("data/aotinductor/") for name in names):
        raise ModelError(f"The file holds code for one machine, of AOTInductor. {EXPORT}")
    if any(name.startswith("models/") for name in names) or any(
        name.startswith("serialized_exported_program") for name in (*names, *names.values())
    ):
        return "program"
    raise ModelError(f"The zip holds neither TorchScript nor an ExportedProgram. {EXPORT}")


def _classes(archive: zipfile.ZipFile, name: str) -> list[str]:
    """The classes that the pickle names, as far as it can be read."""
    with archive.open(name) as file:
        data = file.read(MOST)
    found = []
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "GLOBAL":  # what torch.save writes; argument: module and name
                found.append(str(argument).replace(" ", "."))
    except ValueError:
        pass  # whatever it is, it is refused
    return found


def _pickled(classes: list[str]) -> str:
    own = [name for name in classes if name.rpartition(".")[0] not in OF_WEIGHTS]
    if own:
        return f"The file is a pickled module (of the class {own[0][:200]}), without its code."
    return "The file is a state dict: weights without the model."
