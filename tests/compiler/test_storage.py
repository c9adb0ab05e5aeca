from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compiler import progress, storage
from compiler.errors import ClientError
from compiler.s3 import Object


@pytest.fixture
def announced() -> Iterator[list[dict[str, Any]]]:
    """What uploads said of themselves, in order."""
    found: list[dict[str, Any]] = []
    progress.listen(lambda event: found.append(event.value))
    yield found
    progress.listen(None)


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("s3://bucket/a/b.tar.gz", Object("bucket", "a/b.tar.gz")),
        ("s3://bucket/a b?#", Object("bucket", "a b?#")),
        ("s3://bucket", Object("bucket", "")),
        ("https://bucket.s3.eu-west-1.amazonaws.com/a/b%20c", Object("bucket", "a/b c")),
        ("https://my.bucket.s3.amazonaws.com/a", Object("my.bucket", "a")),
        ("https://s3.us-east-1.amazonaws.com/bucket/a/b", Object("bucket", "a/b")),
        ("https://s3-us-west-2.amazonaws.com/bucket/a", Object("bucket", "a")),
        ("file:///tmp/a%20b", Path("/tmp/a b")),
        ("file://localhost/tmp/a", Path("/tmp/a")),
        ("a/b.onnx", Path("a/b.onnx")),
        ("/a:b", Path("/a:b")),
    ],
)
def test_a_uri_names_a_place(uri: str, place: Object | Path) -> None:
    assert storage.parse(uri) == place


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("s3:///key", "names no bucket"),
        ("file://server/a", "names another host"),
        ("https://example.com/a", "https:// is not supported"),
        ("https://b.s3.amazonaws.com/a?X-Amz-Signature=1", "https:// is not supported"),
        ("gs://bucket/a", "gs:// is not supported"),
    ],
)
def test_a_uri_that_cannot_be_used_says_so(uri: str, text: str) -> None:
    with pytest.raises(ClientError, match=text):
        storage.parse(uri)


@pytest.mark.parametrize(
    ("output", "source", "uri"),
    [
        ("s3://b/out/", "s3://b/in/net.v1.tar.gz", "s3://b/out/net.v1-ml_c5.tar.gz"),
        ("s3://b", "s3://b/net", "s3://b/net-ml_c5.tar.gz"),
        ("out", "models/net.onnx", "out/net-ml_c5.tar.gz"),
        ("file:///out", "file:///in/NET.TGZ", "file:///out/NET-ml_c5.tar.gz"),
    ],
)
def test_an_artifact_is_named_after_its_model(output: str, source: str, uri: str) -> None:
    assert storage.artifact_uri(output, source, "ml_c5") == uri


def test_a_folder_keeps_its_whole_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "net.v1"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for source in (str(folder), f"{folder}/", "."):
        assert storage.artifact_uri("o", source, "LINUX/X86_64") == "o/net.v1-LINUX_X86_64.tar.gz"


def test_a_local_input_is_used_where_it_is(tmp_path: Path) -> None:
    model = tmp_path / "net.onnx"
    model.write_bytes(b"model")
    assert storage.fetch(str(model), tmp_path / "nowhere") == model
    assert storage.fetch(f"file://{model}", tmp_path / "nowhere") == model


def test_a_missing_local_input_says_so(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"^InputConfiguration: .*net\.onnx does not exist\.$"):
        storage.fetch(str(tmp_path / "net.onnx"), tmp_path)


def test_a_local_upload_makes_its_folder_and_replaces(tmp_path: Path) -> None:
    made, final = tmp_path / "made", tmp_path / "a" / "b" / "net.tar.gz"
    for content in (b"one", b"two"):
        made.write_bytes(content)
        storage.upload(made, str(final))
        assert final.read_bytes() == content
        assert list(final.parent.iterdir()) == [final]


def test_a_failed_local_upload_leaves_the_old_file(tmp_path: Path) -> None:
    final = tmp_path / "net.tar.gz"
    final.write_bytes(b"old")
    with pytest.raises(ClientError, match=r"^OutputConfiguration: .* written: No such"):
        storage.upload(tmp_path / "missing", str(final))
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


def test_a_file_in_the_way_of_the_output_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_bytes(b"")
    with pytest.raises(ClientError, match=r"blocked is a file, not a folder"):
        storage.check_output(str(blocked / "deep"))
    with pytest.raises(ClientError, match=r"OutputConfiguration: .* cannot be written"):
        storage.upload(blocked, str(blocked / "deep" / "net.tar.gz"))
    storage.check_output(str(tmp_path / "new" / "deep"))
    assert list(tmp_path.iterdir()) == [blocked]


def test_undo_removes_a_half_written_file_only(
    tmp_path: Path, announced: list[dict[str, Any]]
) -> None:
    made, final = tmp_path / "made", tmp_path / "out" / "net.tar.gz"
    made.write_bytes(b"new")
    storage.upload(made, str(final))
    half = final.with_name(f".{final.name}.{announced[0]['token']}")
    half.write_bytes(b"ne")
    storage.undo(announced[0])  # killed before the file was complete: the final one is another's
    assert list(final.parent.iterdir()) == [final]


def test_undo_removes_a_file_that_was_just_complete(
    tmp_path: Path, announced: list[dict[str, Any]]
) -> None:
    made, final = tmp_path / "made", tmp_path / "net.tar.gz"
    made.write_bytes(b"new")
    storage.upload(made, str(final))
    storage.undo(announced[-1])
    assert list(tmp_path.iterdir()) == [made]
    storage.undo(announced[-1])


def test_publishing_gives_a_file_its_name_as_often_as_asked(tmp_path: Path) -> None:
    place, final = tmp_path / "place" / "a.tar.gz", tmp_path / "a.tar.gz"
    place.parent.mkdir()
    place.write_bytes(b"new")
    final.write_bytes(b"old")
    for _ in range(2):
        storage.publish(str(place), str(final))
        assert final.read_bytes() == b"new"
    storage.clear(str(place.parent))
    assert list(tmp_path.iterdir()) == [final]
    storage.clear(str(place.parent))
    with pytest.raises(ClientError, match=r"OutputConfiguration: .* cannot be written: No such"):
        storage.publish(str(place), str(final))
    assert list(tmp_path.iterdir()) == [final]
