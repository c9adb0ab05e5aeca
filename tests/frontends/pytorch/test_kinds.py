"""Files of torch, told apart by hand-made ones: nothing is unpickled."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest

from frontends.model import ModelError
from frontends.pytorch import kinds


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def zipped(folder: Path, names: dict[str, bytes]) -> Path:
    path = folder / "model.pth"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in names.items():
            archive.writestr(f"model/{name}", data)
    return path


def pickled(made: object) -> bytes:
    """As torch.save writes it: protocol 2, classes by the opcode GLOBAL."""
    return pickle.dumps(made, 2)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("script", ("data.pkl", "constants.pkl", "code/__torch__.py", "version")),
        ("program", ("archive_format", "models/model.json", "data/weights/weight_0")),
        ("program", ("serialized_exported_program.json", "version")),
    ],
)
def test_programs(tmp_path: Path, kind: str, names: tuple[str, ...]) -> None:
    assert kinds.kind(zipped(tmp_path, dict.fromkeys(names, b""))) == kind


def test_a_program_of_a_zip_without_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("serialized_exported_program.json", b"{}")
    assert kinds.kind(path) == "program"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            b"\x80\x02csome.models\nNet\n)\x81.",
            r"a pickled module \(of the class some.models.Net\)",
        ),
        (b"\x80\x02ccollections\nOrderedDict\n)R.", "a state dict: weights without the model"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n.", "a state dict"),
        (b"no pickle", "a state dict"),
    ],
)
def test_what_torch_save_pickles(tmp_path: Path, data: bytes, text: str) -> None:
    with pytest.raises(ModelError, match=text) as error:
        kinds.kind(zipped(tmp_path, {"data.pkl": data, "data/0": b"", "version": b"3"}))
    assert "torch.jit.trace(" in str(error.value) and "torch.export.save(" in str(error.value)


def test_nothing_is_run(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"data.pkl": pickled(Hostile(tmp_path / "made"))})
    with pytest.raises(ModelError, match="a pickled module"):
        kinds.kind(path)
    path.write_bytes(pickled(Hostile(tmp_path / "made")))
    with pytest.raises(ModelError, match=r"a pickle of an old torch\.save"):
        kinds.kind(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "none that torch writes"),
        (b"\x89HDF\r\n", "none that torch writes"),
        (b"PK\x03\x04 and no more", "The zip is damaged"),
        (b"x" * 257 + b"ustar" + b"\0" * 300, "a pickle of an old torch.save"),
    ],
)
def test_other_files(tmp_path: Path, data: bytes, text: str) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=text):
        kinds.kind(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [("a/b.txt", "neither TorchScript nor"), ("data/aotinductor/m.so", "of AOTInductor")],
)
def test_other_zips(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(ModelError, match=text):
        kinds.kind(zipped(tmp_path, {name: b""}))


def test_a_pickle_that_does_not_end_is_read_so_far(tmp_path: Path) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", b"\x80\x02cmine\nNet\n" + b"N" * (kinds.MOST + 1000))
    path = tmp_path / "model.pt"
    path.write_bytes(bomb.getvalue())
    with pytest.raises(ModelError, match=r"of the class mine\.Net"):
        kinds.kind(path)
