import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import boto3
import pytest

from compiler import knobs, progress, storage
from compiler.errors import ClientError, ServerError

pytest_plugins = ["tests.compiler.front_door"]

DENIED = b"""<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>User: me is not
authorized to perform: s3:GetObject</Message></Error>"""


@pytest.fixture
def client(s3: str) -> Any:
    return boto3.client("s3", endpoint_url=s3)


@pytest.fixture
def bucket(client: Any) -> str:
    name = f"models-{uuid4().hex}"
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "made.tar.gz"
    path.write_bytes(b"artifact")
    return path


@pytest.fixture
def denying(s3: str) -> Iterator[str]:
    """A server that answers 403 to everything."""

    class Deny(BaseHTTPRequestHandler):
        def deny(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(403)
            self.send_header("Content-Length", str(len(DENIED)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(DENIED)

        do_GET = do_HEAD = do_PUT = do_POST = deny

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Deny)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_object_is_fetched(client: Any, bucket: str, tmp_path: Path) -> None:
    content = os.urandom(9 << 20)  # above the threshold of one part
    client.put_object(Bucket=bucket, Key="a/net.tar.gz", Body=content)
    percents: list[int] = []
    progress.listen(lambda event: percents.append(event.value))
    try:
        path = storage.fetch(f"s3://{bucket}/a/net.tar.gz", tmp_path)
    finally:
        progress.listen(None)
    assert path.parent == tmp_path
    assert path.read_bytes() == content
    assert percents == sorted(percents) and percents[-1] == 100


def test_a_small_artifact_is_one_object(client: Any, bucket: str, made: Path) -> None:
    storage.upload(made, f"s3://{bucket}/out/net.tar.gz")
    found = client.get_object(Bucket=bucket, Key="out/net.tar.gz")
    assert found["Body"].read() == b"artifact"
    assert found["ContentType"] == "application/gzip"


def test_a_large_artifact_goes_in_parts(client: Any, bucket: str, made: Path) -> None:
    made.write_bytes(os.urandom(9 << 20))
    storage.upload(made, f"s3://{bucket}/net.tar.gz", kms_key="alias/key")
    found = client.get_object(Bucket=bucket, Key="net.tar.gz")
    assert found["ETag"].endswith('-2"')
    assert found["Body"].read() == made.read_bytes()
    assert found["SSEKMSKeyId"] == "alias/key"


def test_the_key_of_the_output_encrypts(client: Any, bucket: str, made: Path) -> None:
    storage.upload(made, f"s3://{bucket}/net.tar.gz", kms_key="alias/key")
    found = client.head_object(Bucket=bucket, Key="net.tar.gz")
    assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", "alias/key")


def test_the_endpoint_may_be_an_option(
    s3: str, client: Any, bucket: str, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    knobs.current.cache_clear()
    storage.upload(made, f"s3://{bucket}/net.tar.gz", endpoint_url=s3)
    assert client.head_object(Bucket=bucket, Key="net.tar.gz")["ContentLength"] == 8


def test_a_link_is_all_that_a_browser_needs(s3: str, client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="out/a b.tar.gz", Body=b"artifact")
    link = storage.link(f"s3://{bucket}/out/a b.tar.gz", 60, endpoint_url=s3)
    assert "X-Amz-Signature" in link and "X-Amz-Expires=60" in link
    with urlopen(link) as answer:
        assert answer.read() == b"artifact"
    with pytest.raises(ClientError, match="no object that a link could be made to"):
        storage.link("/out/net.tar.gz", 60)


def test_a_missing_object_in_neos_words(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(ClientError) as caught:
        storage.fetch(f"s3://{bucket}/a/b", tmp_path)
    text = f"InputConfiguration: S3 object does not exist. Bucket: {bucket}, Key: a/b"
    assert str(caught.value) == text


def test_a_missing_bucket_is_named_on_both_sides(s3: str, made: Path, tmp_path: Path) -> None:
    text = "Configuration: S3 bucket does not exist. Bucket: no-such-bucket$"
    with pytest.raises(ClientError, match=f"^Input{text}"):
        storage.fetch("s3://no-such-bucket/a", tmp_path)
    with pytest.raises(ClientError, match=f"^Output{text}"):
        storage.upload(made, "s3://no-such-bucket/a")
    with pytest.raises(ClientError, match=f"^Output{text}"):
        storage.check_output("s3://no-such-bucket/")


def test_another_region_in_neos_words(client: Any, made: Path, tmp_path: Path) -> None:
    name = f"far-{uuid4().hex}"
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client.put_object(Bucket=name, Key="a", Body=b"")
    text = (
        f"Bucket {name} is in region eu-west-1 which is different from "
        "AWS Sagemaker service region us-east-1"
    )
    with pytest.raises(ClientError, match=f"^InputConfiguration: {text}$"):
        storage.fetch(f"s3://{name}/a", tmp_path)
    with pytest.raises(ClientError, match=f"^OutputConfiguration: {text}$"):
        storage.check_output(f"s3://{name}/")


def test_denied_access_is_told_in_the_services_words(
    denying: str, made: Path, tmp_path: Path
) -> None:
    with pytest.raises(ClientError, match=r"AccessDenied.*GetObject operation.*: User: me is not"):
        storage.fetch("s3://bucket/a", tmp_path, endpoint_url=denying)
    with pytest.raises(ClientError, match=r"AccessDenied.*PutObject operation.*: User: me is not"):
        storage.upload(made, "s3://bucket/a", endpoint_url=denying)
    storage.check_output("s3://bucket/a", endpoint_url=denying)  # one may write and not look


def test_a_server_that_is_not_there_is_named(s3: str, tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"cannot be reached: .*http://127\.0\.0\.1:1/"):
        storage.fetch("s3://bucket/a", tmp_path, endpoint_url="http://127.0.0.1:1")


@pytest.mark.parametrize("url", ["teapot", "http://"])
def test_an_endpoint_that_is_none_is_the_users_mistake(s3: str, url: str, tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="S3 cannot be reached"):
        storage.fetch("s3://bucket/a", tmp_path, endpoint_url=url)


def test_missing_credentials_are_named(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(ClientError, match=r"Unable to locate credentials.*hint: "):
        storage.fetch(f"s3://{bucket}/a", tmp_path)


@pytest.mark.parametrize("uri", ["s3://b/k", "s3://UPPER CASE/k", "s3://bucket"])
def test_a_name_that_s3_forbids_is_the_users_mistake(uri: str, s3: str, tmp_path: Path) -> None:
    with pytest.raises(ClientError):
        storage.fetch(uri, tmp_path)


def test_an_input_above_the_limit_is_not_fetched(
    client: Any, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.put_object(Bucket=bucket, Key="a", Body=b"12345")
    monkeypatch.setenv("NEOC_MAX_INPUT_BYTES", "4")
    knobs.current.cache_clear()
    with pytest.raises(ClientError, match="has 5 bytes; the limit is 4 bytes"):
        storage.fetch(f"s3://{bucket}/a", tmp_path)
    assert not list(tmp_path.iterdir())


def record(bucket: str, endpoint_url: str, **changes: Any) -> dict[str, Any]:
    """An upload as it was announced before it was killed."""
    return {
        "uri": f"s3://{bucket}/a",
        "token": "t0",
        "endpoint_url": endpoint_url,
        "began": 0.0,
    } | changes


def test_undo_aborts_this_keys_parts(client: Any, bucket: str, s3: str) -> None:
    mine = client.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
    client.create_multipart_upload(Bucket=bucket, Key="ab")
    storage.undo(record(bucket, s3, multipart=mine))
    client.create_multipart_upload(Bucket=bucket, Key="a")
    storage.undo(record(bucket, s3))  # the id was never told: all of the key since then
    left = client.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [upload["Key"] for upload in left] == ["ab"]


def test_undo_removes_its_own_object_only(client: Any, bucket: str, s3: str) -> None:
    client.put_object(Bucket=bucket, Key="a", Metadata={"neoc-upload": "t1"})
    storage.undo(record(bucket, s3))
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    storage.undo(record(bucket, s3, token="t1"))
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_undo_never_fails(s3: str) -> None:
    storage.undo(record("no-such-bucket", s3, multipart="x"))
    storage.undo(record("no-such-bucket", "http://127.0.0.1:1"))


def test_publishing_copies_on_the_server(client: Any, bucket: str, made: Path) -> None:
    place, final = f"s3://{bucket}/out/.neoc-1/net.tar.gz", f"s3://{bucket}/out/net.tar.gz"
    storage.upload(made, place)
    for key in (None, "alias/mine"):
        storage.publish(place, final, kms_key=key)
    found = client.get_object(Bucket=bucket, Key="out/net.tar.gz")
    assert found["Body"].read() == made.read_bytes()
    assert found["ServerSideEncryption"] == "aws:kms" and found["SSEKMSKeyId"] == "alias/mine"
    with pytest.raises(ClientError, match=f"does not exist. Bucket: {bucket}"):
        storage.publish(f"s3://{bucket}/none", final)


def test_a_place_is_emptied(client: Any, bucket: str, made: Path) -> None:
    """Uploads under way, too; and nothing beside it."""
    for key in ("out/.neoc-1/a", "out/.neoc-1/b/c", "out/.neoc-12", "out/a"):
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    for key in ("out/.neoc-1/a", "out/other"):
        client.create_multipart_upload(Bucket=bucket, Key=key)
    storage.clear(f"s3://{bucket}/out/.neoc-1/")
    listed = client.list_objects_v2(Bucket=bucket)["Contents"]
    assert [item["Key"] for item in listed] == ["out/.neoc-12", "out/a"]
    [upload] = client.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert upload["Key"] == "out/other"
    storage.clear(f"s3://{bucket}/out/.neoc-1/")
    with pytest.raises(ClientError, match="S3 bucket does not exist"):
        storage.clear("s3://no-such-bucket-of-ours/a/")


def test_a_storage_of_the_service_that_is_away_is_not_the_clients_fault(s3: str) -> None:
    nowhere = "http://127.0.0.1:9"
    with pytest.raises(ServerError, match="S3 cannot be reached"):
        storage.clear("s3://bucket/a/", endpoint_url=nowhere)
    with pytest.raises(ServerError, match="S3 cannot be reached"):
        storage.publish("s3://bucket/a/b", "s3://bucket/b", endpoint_url=nowhere)
