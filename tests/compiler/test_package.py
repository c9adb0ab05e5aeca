"""The archive's form: flat, deterministic, and true about itself."""

import hashlib
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

import targets
from compiler.artifact import digest
from compiler.package import auxiliary, describe, fingerprint, pack
from compiler.request import CompileRequest
from frontends.model import Model, Signature, Tensor

SIGNATURE = Signature(
    (Tensor("data", (1, 3), "float32"),), (Tensor("label", (1,), "int64"), Tensor("p", (), "f4"))
)


def model(**changes: Any) -> Model:
    known: dict[str, Any] = {
        "module": None,
        "signature": SIGNATURE,
        "oracle": Path("unused"),
        "derived": None,
        "framework_version": "opset 13",
        "warnings": ("the model warns",),
    }
    return Model(**(known | changes))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "net.tar.gz"
    path.write_bytes(b"the client's archive")
    return path


def request(source: str, **changes: Any) -> CompileRequest:
    return CompileRequest(source=source, framework="ONNX", target="ml_c4", output="out", **changes)


def manifest(source: Path, **changes: Any) -> dict[str, Any]:
    return describe(
        request(str(source), **changes),
        source,
        model(),
        targets.get("ml_c4"),
        parity={"label": {"max_abs": 0.0}},
        kernels=[{"name": "dense", "template": "Dense"}],
        warnings=["so does a stage"],
    )


def files(folder: Path) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    contents = {"libdlr.so": b"runtime", "compiled.so": os.urandom(300_000), "dlr.h": b"// header"}
    for name, content in contents.items():
        if not (folder / name).exists():
            (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}


def test_the_archive_is_flat_sorted_and_anonymous(tmp_path: Path, source: Path) -> None:
    artifact = pack(files(tmp_path / "in"), manifest(source), tmp_path / "out.tar.gz")
    with tarfile.open(artifact.path, "r:gz") as tar:
        members = tar.getmembers()
    assert [m.name for m in members] == [
        *("compiled.meta", "compiled.so", "dlr.h", "libdlr.so", "manifest")
    ]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, 0, "", "")}
    assert {m.name: oct(m.mode) for m in members if m.mode != 0o644} == {
        "compiled.so": "0o755",
        "libdlr.so": "0o755",
    }
    assert artifact.digest == digest(artifact.path) and len(artifact.digest) == 128


def test_the_manifest_lists_every_other_file(tmp_path: Path, source: Path) -> None:
    artifact = pack(files(tmp_path / "in"), manifest(source), tmp_path / "out.tar.gz")
    with tarfile.open(artifact.path) as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    unpacked = tmp_path / "unpacked"
    read = json.loads((unpacked / "manifest").read_text())
    assert read == artifact.manifest
    assert {"manifest", *read["files"]} == {p.name for p in unpacked.iterdir()}
    for name, entry in read["files"].items():
        content = (unpacked / name).read_bytes()
        assert entry == {
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    assert read["warnings"] == ["the model warns", "so does a stage"]
    assert read["target"]["llvm"]["mcpu"] == "haswell"
    assert read["versions"]["apache-tvm"] == "0.27.0.post1"


def test_the_metadata_is_what_dlr_clients_read(tmp_path: Path, source: Path) -> None:
    artifact = pack(files(tmp_path / "in"), manifest(source), tmp_path / "out.tar.gz")
    with tarfile.open(artifact.path) as tar:
        member = tar.extractfile("compiled.meta")
        assert member is not None
        meta = json.load(member)
    assert meta["Requirements"] == {"TargetDevice": "ML_C4", "TargetDeviceType": "cpu"}
    assert meta["Model"]["Inputs"] == [{"name": "data", "dtype": "float32", "shape": [1, 3]}]
    assert [output["name"] for output in meta["Model"]["Outputs"]] == ["label", "p"]
    assert isinstance(meta["Compilation"]["CreatedTime"], float)


def test_the_same_request_gives_the_same_bytes(tmp_path: Path, source: Path) -> None:
    given = files(tmp_path / "in")
    first = pack(given, manifest(source), tmp_path / "a.tar.gz")
    for path in given.values():
        os.utime(path, (1, 1))
        path.chmod(0o600)
    other = tmp_path / "elsewhere" / source.name
    other.parent.mkdir()
    other.write_bytes(source.read_bytes())
    second = pack(
        dict(reversed(given.items())),
        manifest(other, name="a-job", max_runtime_s=9, keep="folder"),
        tmp_path / "b.tar.gz",
    )
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.digest == second.digest


def test_a_local_path_stays_at_home_and_an_s3_address_is_kept(source: Path) -> None:
    def named(uri: str) -> str:
        profile = targets.get("ml_c4")
        made = describe(request(uri), source, model(), profile, parity={}, kernels=[])
        return str(made["source"]["name"])

    assert named(str(source)) == "net.tar.gz"
    assert named(f"file://{source}") == "net.tar.gz"
    assert named("s3://bucket/a/net.tar.gz") == "s3://bucket/a/net.tar.gz"


def test_a_folders_fingerprint_follows_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/a").write_bytes(b"1")
    before = fingerprint(folder)
    assert before == fingerprint(folder)
    (folder / "sub/a").rename(folder / "sub/b")
    assert fingerprint(folder) != before


def test_only_known_companions_of_a_model_travel_with_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("sub/model-shapes.json", "net-symbol.json", "model-metadata.json", "a.onnx"):
        (tmp_path / name).write_text("{}")
    assert auxiliary(tmp_path) == {"model-shapes.json": tmp_path / "sub/model-shapes.json"}


@pytest.mark.parametrize("name", ["sub/x", "", "manifest"])
def test_no_other_shape_of_archive_can_be_made(tmp_path: Path, source: Path, name: str) -> None:
    with pytest.raises(ValueError, match="flat archive"):
        pack({name: source}, manifest(source), tmp_path / "out.tar.gz")


def test_weights_are_packed_small(tmp_path: Path, source: Path) -> None:
    given = files(tmp_path / "in")
    artifact = pack(given, manifest(source), tmp_path / "out.tar.gz")
    assert artifact.path.stat().st_size < 1.01 * given["compiled.so"].stat().st_size + 4096
