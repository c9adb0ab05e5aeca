import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compiler import run
from compiler.errors import ClientError

pytest_plugins = ["tests.compiler.front_door"]

MANIFEST: dict[str, Any] = {
    "target": {"name": "ml_c5", "features": [], "link": "x86_64-linux-gnu.2.17"},
    "inputs": [
        {"name": "x", "dtype": "float32", "shape": [2, 3]},
        {"name": "a/b:0", "dtype": "int32", "shape": [1]},
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "artifact"
    found.mkdir()
    (found / "manifest").write_text(json.dumps(MANIFEST))
    return found


@pytest.fixture
def archive(folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "net-ml_c5.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder / "manifest", "manifest")
    return path


def test_an_archive_and_its_folder_are_the_same(folder: Path, archive: Path, scratch: Path) -> None:
    with run.unpack(folder) as there, run.unpack(archive) as unpacked:
        assert there.folder == folder
        assert there.manifest == unpacked.manifest == MANIFEST
        assert unpacked.folder.parent == scratch
    assert not list(scratch.iterdir())
    assert folder.exists()


def test_what_is_no_artifact_says_so(tmp_path: Path) -> None:
    text = tmp_path / "a.tar.gz"
    text.write_text("text")
    escaping = tmp_path / "b.tar.gz"
    with tarfile.open(escaping, "w:gz") as tar:
        tar.add(text, "../manifest")
    empty = tmp_path / "folder"
    empty.mkdir()
    for path, why in [
        (tmp_path / "none.tar.gz", "does not exist"),
        (text, "is not an artifact: "),
        (escaping, "is not an artifact: it holds '../manifest'"),
        (empty, "is not an artifact: no readable manifest"),
    ]:
        with pytest.raises(ClientError, match=why), run.unpack(path):
            pass


def test_a_cpu_that_lacks_what_the_code_needs_is_told() -> None:
    run.check_cpu(run.Unpacked(Path(), MANIFEST))
    foreign = {"target": {"name": "ml_c9", "features": ["teleport"]}}
    with pytest.raises(ClientError, match=r"is for ml_c9 and this CPU lacks teleport\. hint: "):
        run.check_cpu(run.Unpacked(Path(), foreign))


def test_files_become_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 3), np.float32))
    np.save(tmp_path / "b.npy", np.array([7], np.int32))
    files = {"x": tmp_path / "x.npy", "a/b:0": tmp_path / "b.npy"}
    arrays = run.read_inputs(run.Unpacked(tmp_path, MANIFEST), files)
    assert arrays["x"].sum() == 6
    assert arrays["a/b:0"] == 7


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["x"], r"input missing: a/b:0; the model has x float32\[2, 3\], a/b:0 int32\[1\]"),
        (["x", "a/b:0", "y"], "no such input: y; the model has x"),
        (["none", "a/b:0"], r"none\.npy is not a readable \.npy file"),
        (["text", "a/b:0"], r"text\.npy is not a readable \.npy file"),
        (["pickle", "a/b:0"], r"pickle\.npy is not a readable \.npy file"),
        (["type", "a/b:0"], r"holds float64\[2, 3\]; input x takes float32\[2, 3\]"),
        (["shape", "a/b:0"], r"holds float32\[3, 2\]; input x takes float32\[2, 3\]"),
    ],
)
def test_files_that_do_not_fit_are_refused(names: list[str], text: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 3), np.float32))
    np.save(tmp_path / "type.npy", np.ones((2, 3)))
    np.save(tmp_path / "shape.npy", np.ones((3, 2), np.float32))
    np.save(tmp_path / "pickle.npy", np.array([{}]), allow_pickle=True)
    np.save(tmp_path / "b.npy", np.array([7], np.int32))
    (tmp_path / "text.npy").write_text("text")
    files = {name: tmp_path / f"{name}.npy" for name in names} | {"a/b:0": tmp_path / "b.npy"}
    if "a/b:0" not in names:
        del files["a/b:0"]
    if names[0] != "x":
        files["x"] = files.pop(names[0])
    with pytest.raises(ClientError, match=text):
        run.read_inputs(run.Unpacked(tmp_path, MANIFEST), files)
