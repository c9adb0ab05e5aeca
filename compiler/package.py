"""Everything the device needs -> one flat, deterministic tar.gz with its manifest and metadata.

    compiled.so  libdlr.so  dlr.h    given by the caller, with the client's own auxiliary JSONs
    compiled.meta                    what DLR clients read: device, inputs, outputs
    manifest                         what was asked for, what made it, how well it was verified

No other name may be added lightly: a stock DLR decides by suffix (.json, .params, .ro, a second
.so) what kind of model a folder holds.
"""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO, cast

from tvm.target import codegen

from compiler.artifact import Artifact, digest
from compiler.deflate import GzipWriter
from compiler.request import CompileRequest
from frontends.archive import AUXILIARY
from frontends.model import Model, Tensor
from targets import Profile

FORMAT = 1  # of the manifest; raised when a reader of the old one would misunderstand
TOOLS = ("apache-tvm", "apache-tvm-ffi", "numpy", "onnx", "onnxruntime", "ziglang")
# What of the request decides the artifact. Its name, output, key and limits do not, and an
# artifact should not tell its devices where it came from on somebody's disk.
DECIDING = (
    "framework", "framework_version", "data_input_config", "target", "options", "tune_s", "records"
)  # fmt: skip


def describe(
    request: CompileRequest,
    source: Path,
    model: Model,
    profile: Profile,
    *,
    parity: Mapping[str, Any],
    kernels: Sequence[Mapping[str, Any]],
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """The manifest but for its list of files, which `pack` adds.

    source: the archive, file or folder as fetched. parity, kernels: as the stages report them.
    """
    return {
        "format": FORMAT,
        "product": {"name": "neoc", "version": _version("neoc")},
        "versions": {tool: _version(tool) for tool in TOOLS}
        | {"llvm": str(codegen.llvm_version_major())},
        "request": {name: getattr(request, name) for name in DECIDING},
        "source": {"name": _source_name(request.source), **fingerprint(source)},
        "framework_version": model.framework_version,
        "derived_data_input_config": model.derived,
        "target": {
            "name": profile.name,
            "title": profile.title,
            "device_type": profile.device_type,
            "isa": profile.isa.name,
            "features": sorted(profile.isa.features),
            "llvm": dict(profile.llvm),
            "link": profile.zig,
        },
        "inputs": [_tensor(tensor) for tensor in model.signature.inputs],
        "outputs": [_tensor(tensor) for tensor in model.signature.outputs],
        "parity": dict(parity),
        "kernels": [dict(kernel) for kernel in kernels],
        "warnings": [*model.warnings, *warnings],
    }


def pack(files: Mapping[str, Path], manifest: Mapping[str, Any], into: Path) -> Artifact:
    """files: name in the archive -> where it lies. into: the .tar.gz to write.

    The same files and manifest give the same bytes, whenever and wherever.
    """
    contents: dict[str, Path | bytes] = {**files, "compiled.meta": _meta(manifest)}
    for name in contents:
        if not name or "/" in name or name == "manifest":
            raise ValueError(f"{name!r} cannot be a member of the flat archive")
    listed = {name: _entry(contents[name]) for name in sorted(contents)}
    whole = {**manifest, "files": listed}
    contents["manifest"] = _json(whole)
    with open(into, "wb") as raw, GzipWriter(raw) as stream:
        sink = cast(BinaryIO, stream)  # tarfile's stream mode calls nothing but write
        with tarfile.open(fileobj=sink, mode="w|", bufsize=1 << 16) as tar:
            for name in sorted(contents):
                _add(tar, name, contents[name])
    return Artifact(path=into, digest=digest(into), manifest=whole)


def auxiliary(folder: Path) -> dict[str, Path]:
    """The JSONs of the client's archive that travel with the model, by their names there."""
    return {p.name: p for p in sorted(folder.rglob("*.json")) if p.name in AUXILIARY}


def fingerprint(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file; of a folder, those of the list of its files."""
    if path.is_file():
        return _entry(path)
    files = sorted(p for p in path.rglob("*") if p.is_file())
    return _entry(_json({p.relative_to(path).as_posix(): _entry(p) for p in files}))


def _add(tar: tarfile.TarFile, name: str, content: Path | bytes) -> None:
    # A TarInfo of our own: no time, owner or mode of the building machine gets in.
    member = tarfile.TarInfo(name)
    member.mode = 0o755 if name.endswith(".so") else 0o644
    if isinstance(content, bytes):
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
        return
    with open(content, "rb") as file:
        member.size = os.fstat(file.fileno()).st_size
        tar.addfile(member, file)


def _meta(manifest: Mapping[str, Any]) -> bytes:
    target = manifest["target"]
    return _json(
        {
            "Requirements": {
                "TargetDevice": target["name"].upper(),
                "TargetDeviceType": target["device_type"],
            },
            # The epoch, not now: the same request has to give the same bytes. When it was made
            # is known by the job and by the object store.
            "Compilation": {"CreatedTime": 0.0},
            "Model": {"Inputs": manifest["inputs"], "Outputs": manifest["outputs"]},
        }
    )


def _entry(content: Path | bytes) -> dict[str, Any]:
    if isinstance(content, bytes):
        return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    with open(content, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": os.fstat(file.fileno()).st_size, "sha256": sha256}


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "dtype": tensor.dtype, "shape": list(tensor.shape)}


def _source_name(uri: str) -> str:
    """An s3:// address whole; of a local path only the last part."""
    return uri if uri.startswith(("s3://", "https://")) else Path(uri).name


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "source"  # a checkout that is not installed
