"""Unpacking what strangers send, and finding the model in it."""

import gzip
import io
import os
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontends import archive
from frontends.archive import find_model, unpack
from frontends.model import ModelError

Entry = tuple[str, bytes] | tarfile.TarInfo


def tar_bytes(*entries: Entry) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
            else:
                member = tarfile.TarInfo(entry[0])
                member.size = len(entry[1])
                tar.addfile(member, io.BytesIO(entry[1]))
    return buffer.getvalue()


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def write(path: Path, *entries: Entry) -> Path:
    path.write_bytes(gzip.compress(tar_bytes(*entries), 1))
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if not p.is_dir()}


def refusal(source: Path, into: Path) -> str:
    with pytest.raises(ModelError) as info:
        unpack(source, into)
    text = str(info.value)
    assert text.startswith("InputConfiguration: ") and len(text) < 400 and "\n" not in text
    return text


def test_files_come_out_wherever_they_lie_and_hidden_ones_do_not(tmp_path: Path) -> None:
    source = write(
        tmp_path / "model.tar.gz",
        special(".", tarfile.DIRTYPE),
        special("./deep", tarfile.DIRTYPE),
        ("./deep/er/model.onnx", b"model"),
        ("weights.bin", b"w" * 3_000_000),
        ("._model.onnx", b"mac"),
        special(".link", tarfile.SYMTYPE, "/etc/passwd"),
        ("n" * 200 + "/" + "m" * 200, b"long"),
    )
    unpack(source, tmp_path / "out")
    assert tree(tmp_path / "out") == {
        "deep/er/model.onnx": b"model",
        "weights.bin": b"w" * 3_000_000,
        "n" * 200 + "/" + "m" * 200: b"long",
    }


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([("../model.onnx", b"")], '"../model.onnx" lies outside'),
        ([("a/../../model.onnx", b"")], "lies outside"),
        ([("/etc/model.onnx", b"")], '"/etc/model.onnx" lies outside'),
        ([special("..", tarfile.DIRTYPE)], '".." lies outside'),
        ([special("m.onnx", tarfile.SYMTYPE, "/etc/passwd")], '"m.onnx" is a link'),
        ([("a.onnx", b""), special("m.onnx", tarfile.LNKTYPE, "a.onnx")], '"m.onnx" is a link'),
        ([special("dev", tarfile.CHRTYPE)], '"dev" is neither a file nor a folder'),
        ([special("dev", tarfile.BLKTYPE)], '"dev" is neither a file nor a folder'),
        ([special("pipe", tarfile.FIFOTYPE)], '"pipe" is neither a file nor a folder'),
        ([("m.onnx", b"1"), ("./m.onnx", b"2")], '"m.onnx" twice'),
        ([("m", b""), ("m/a.onnx", b"")], '"m" both as a file and as a folder'),
        ([("m/a.onnx", b""), ("m", b"")], '"m" both as a file and as a folder'),
        ([("m" * 256, b"")], "has too long a name"),
        ([("/".join(["m" * 200] * 6), b"")], "has too long a name"),
        ([("é\0b.onnx", b"")], "Unable to untar"),
        ([], "No model file found."),
        ([(".hidden", b"")], "No model file found."),
        ([special("folder", tarfile.DIRTYPE)], "No model file found."),
    ],
)
def test_a_bad_member_is_refused(tmp_path: Path, entries: list[Entry], says: str) -> None:
    assert says in refusal(write(tmp_path / "m.tar.gz", *entries), tmp_path / "out")
    assert not {"passwd", "m.onnx"} & {p.name for p in tmp_path.iterdir()}


GOOD = gzip.compress(tar_bytes(("model.onnx", os.urandom(50_000))))
DAMAGED = {  # by name: bytes of chance would be another test in every process
    "empty": b"",
    "text": b"not an archive",
    "plain tar": tar_bytes(("model.onnx", b"plain tar")),
    "gzip of text": gzip.compress(b"not a tar" * 100),
    "gzip of nothing": gzip.compress(b""),
    "one byte": GOOD[:1],
    "twenty bytes": GOOD[:20],
    "half": GOOD[: len(GOOD) // 2],
    "no length": GOOD[:-4],
    "wrong checksum": GOOD[:-8] + bytes(8),
    "wrong bytes": GOOD[:10] + b"\xff" * 100 + GOOD[110:],
    "garbage behind": GOOD + b"garbage",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "model.tar.gz"
    source.write_bytes(content)
    assert "Unable to untar input model. Please confirm the model is a tar.gz file" in refusal(
        source, tmp_path / "out"
    )


def test_a_bomb_is_refused_while_streaming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "SMALL_BYTES", 2**20)
    source = write(tmp_path / "m.tar.gz", ("model.onnx", bytes(40 * 2**20)))
    assert "expands to more than" in refusal(source, tmp_path / "out")
    assert (tmp_path / "out/model.onnx").stat().st_size < 20 * 2**20


def test_the_bomb_of_many_members_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 10)
    source = write(tmp_path / "m.tar.gz", *[(f"{i}", b"") for i in range(11)])
    assert "more than 10 members" in refusal(source, tmp_path / "out")


def test_a_giant_header_is_refused_before_it_is_read(tmp_path: Path) -> None:
    member = tarfile.TarInfo("model.onnx")
    member.pax_headers = {"comment": "1" * 2**21}
    source = write(tmp_path / "m.tar.gz", member)
    assert "header of more than 1 MiB" in refusal(source, tmp_path / "out")


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    member = tarfile.TarInfo("model.onnx")
    member.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.size": str(2**60),
        "GNU.sparse.map": "0,0",
    }
    source = write(tmp_path / "m.tar.gz", member)
    assert "neither a file nor a folder" in refusal(source, tmp_path / "out")


parts = st.sampled_from(["..", ".", "", "a", "b", ".h", "é", "\\", "c:", "\udcff"])
paths = st.lists(parts, min_size=1, max_size=6).map("/".join).filter(bool)
kinds = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(paths, kinds, paths), max_size=5))
def test_nothing_ever_lands_outside(members: list[tuple[str, bytes, str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        into = Path(name, "in", "out")
        into.mkdir(parents=True)
        source = write(Path(name, "m.tar.gz"), *[special(p, k, link) for p, k, link in members])
        try:
            unpack(source, into)
        except ModelError:
            pass
        assert {p.name for p in Path(name).iterdir()} == {"in", "m.tar.gz"}
        assert [p.name for p in into.parent.iterdir()] == ["out"]
        assert not any(p.is_symlink() for p in into.rglob("*"))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=1200), st.integers(0, 600))
def test_any_bytes_unpack_or_are_refused(noise: bytes, place: int) -> None:
    good = tar_bytes(("model.onnx", b"x" * 100))
    with tempfile.TemporaryDirectory() as name:
        source = Path(name, "m.tar.gz")
        source.write_bytes(gzip.compress(good[:place] + noise + good[place + len(noise) :], 1))
        try:
            unpack(source, Path(name, "out"))
        except ModelError:
            pass


def test_a_folder_and_a_bare_file_serve_as_well(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/net.onnx").write_bytes(b"net")
    (folder / ".DS_Store").write_bytes(b"")
    unpack(folder, tmp_path / "a")
    assert tree(tmp_path / "a") == {"sub/net.onnx": b"net"}
    unpack(folder / "sub/net.onnx", tmp_path / "b")
    assert tree(tmp_path / "b") == {"net.onnx": b"net"}


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("framework", "names", "found"),
    [
        ("ONNX", ["a/b.onnx", "b.data", ".b.onnx"], "a/b.onnx"),
        ("ONNX", ["UPPER.ONNX"], "UPPER.ONNX"),
        ("PYTORCH", ["model.pt", "code/inference.py"], "model.pt"),
        ("KERAS", ["m.h5"], "m.h5"),
        ("TFLITE", ["m.tflite", "labels.txt"], "m.tflite"),
        ("SKLEARN", ["m.joblib"], "m.joblib"),
        ("DARKNET", ["a/y.cfg", "b/y.weights"], "."),
        ("XGBOOST", ["anything"], "anything"),
        ("XGBOOST", ["a", "b/xgboost-model-0"], "b/xgboost-model-0"),
        ("TENSORFLOW", ["x/saved_model.pb", "x/variables/v", "frozen.pb"], "x"),
        ("TENSORFLOW", ["saved_model.pb"], "."),
        ("TENSORFLOW", ["frozen.pb"], "frozen.pb"),
        ("MXNET", ["m-symbol.json", "m-0000.params", "hyperparams.json"], "m-symbol.json"),
        ("MXNET", ["model0.json", "other.json", "model0-0001.params"], "model0.json"),
    ],
)
def test_the_model_file_of_each_framework(
    tmp_path: Path, framework: str, names: list[str], found: str
) -> None:
    assert find_model(framework, files(tmp_path, *names)) == tmp_path / found


CORRECT = " Please make sure the framework you select is correct."


@pytest.mark.parametrize(
    ("framework", "names", "says"),
    [
        (
            "ONNX",
            ["a.pt"],
            f"No .onnx file found for ONNX model.{CORRECT} The archive holds: a.pt.",
        ),
        ("ONNX", ["a.onnx", "b.onnx"], "Exactly one .onnx file is allowed for ONNX models."),
        ("PYTORCH", ["a.onnx"], f"No pth file found for PyTorch model.{CORRECT}"),
        ("PYTORCH", ["a.pth", "b.pt"], "Exactly one .pth file is allowed for PyTorch models."),
        ("KERAS", ["a.x"], "No h5 file provided in ['a.x']."),
        ("KERAS", ["a.h5", "b.h5"], "Multiple h5 files provided, ['a.h5', 'b.h5'], when only one"),
        ("TFLITE", ["a.x"], "No valid TFLite model found in input file. Please make sure the fr"),
        ("TFLITE", ["a.tflite", "b.tflite"], "Exactly one .tflite file is allowed for TFLite mod"),
        ("SKLEARN", ["a.x"], f"No .joblib file found for Scikit-Learn model.{CORRECT}"),
        ("DARKNET", ["a.cfg"], f"No .weights file found for DarkNet model.{CORRECT}"),
        ("DARKNET", ["a.weights"], f"No .cfg file found for DarkNet model.{CORRECT}"),
        ("XGBOOST", ["a", "b"], "only one XGBoost model file is allowed."),
        ("TENSORFLOW", ["a.x"], f"No valid TensorFlow model found in input files.{CORRECT}"),
        ("TENSORFLOW", ["checkpoint", "m.index"], f"TF Checkpoints are not supported.{CORRECT}"),
        ("TENSORFLOW", ["a.pb", "b.pbtxt"], "Exactly one .pb or .pbtxt file is allowed"),
        ("TENSORFLOW", ["a/saved_model.pb", "b/saved_model.pb"], "Exactly one saved model is"),
        (
            "MXNET",
            ["a.params", "hyperparams.json"],
            f"No symbol file found for MXNet model.{CORRECT}",
        ),
        ("MXNET", ["a.json", "b.json"], "Only one symbol file is allowed for MXNet model."),
        ("MXNET", ["a.json"], f"No parameter file found for MXNet model.{CORRECT}"),
        ("MXNET", ["a.json", "b.params"], "No parameter file found for MXNet model: a.json Please"),
    ],
)
def test_neos_text_when_there_is_no_one_model(
    tmp_path: Path, framework: str, names: list[str], says: str
) -> None:
    with pytest.raises(ModelError) as info:
        find_model(framework, files(tmp_path, *names))
    assert says in str(info.value) and "The archive holds: " in str(info.value)


def test_the_list_of_what_is_there_stays_short(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"0\.txt, 1\.txt, 2\.txt, 3\.txt, 4\.txt and 5 more\."):
        find_model("ONNX", files(tmp_path, *(f"{i}.txt" for i in range(10))))
