"""Objects on S3 through boto3's transfer manager; its exceptions in Neo's words.

Region and credentials come from boto3's ordinary chain.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from botocore import exceptions as boto

from compiler import knobs, progress
from compiler.errors import INPUT, OUTPUT, ClientError, CompileError, ServerError

TOKEN = "neoc-upload"  # the metadata entry by which `remove` knows the upload's own object


@dataclass(frozen=True)
class Object:
    """endpoint_url: of a server that is not Amazon's; None takes the environment's."""

    bucket: str
    key: str
    endpoint_url: str | None = None

    @property
    def names(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.key}


def download(source: Object, into: Path) -> Path:
    """The object as a file in the folder `into`, refused beforehand when it is too large."""
    client = _client(source)
    with _explained(client, source, INPUT):
        _check_bucket(client, source.bucket, INPUT)
        size = _size(client, source)
        _check_room(source, size, into)
        target = into / "input.tar.gz"  # a key may hold anything, even what no file can be named
        with target.open("wb") as file:
            client.download_fileobj(source.bucket, source.key, file, Callback=_meter(size))
    return target


def check_output(target: Object) -> None:
    """Raises ClientError when the bucket is missing or in another region."""
    client = _client(target)
    with _explained(client, target, OUTPUT):
        _check_bucket(client, target.bucket, OUTPUT)


def upload(
    path: Path,
    target: Object,
    *,
    token: str,
    kms_key: str | None,
    multipart_began: Callable[[str], None],
) -> None:
    """token: put into the object's metadata. multipart_began is told the UploadId."""
    client = _client(target)
    options: dict[str, Any] = {
        "ChecksumAlgorithm": "CRC32",
        "ContentType": "application/gzip",
        "Metadata": {TOKEN: token},
        **_encrypted(kms_key),
    }

    def created(parsed: dict[str, Any], **_: Any) -> None:
        if identity := parsed.get("UploadId"):
            multipart_began(identity)

    client.meta.events.register("after-call.s3.CreateMultipartUpload", created)
    meter = _meter(path.stat().st_size)
    with _explained(client, target, OUTPUT), path.open("rb") as file:
        client.upload_fileobj(file, **target.names, ExtraArgs=options, Callback=meter)


def copy(source: Object, target: Object, *, kms_key: str | None) -> None:
    """On the server, whole or not at all."""
    client = _client(target)
    with _explained(client, target, OUTPUT, ours=True):
        client.copy(source.names, **target.names, ExtraArgs=_encrypted(kms_key))


def link(source: Object, life_s: int) -> str:
    """An address under which anybody may fetch the object for so long; whether it exists is not
    asked."""
    client = _client(source, signature_version="s3v4")
    with _explained(client, source, OUTPUT):
        signed = client.generate_presigned_url("get_object", source.names, ExpiresIn=life_s)
        return str(signed)


def clear(folder: Object) -> None:
    """Every object whose key begins as `folder`'s, and every multipart upload to such a key."""
    client = _client(folder)
    below = {"Bucket": folder.bucket, "Prefix": folder.key}
    with _explained(client, folder, OUTPUT, ours=True):
        for page in client.get_paginator("list_objects_v2").paginate(**below):
            for entry in page.get("Contents", ()):
                client.delete_object(Bucket=folder.bucket, Key=entry["Key"])
        # Last, for fewer may list these.
        for page in client.get_paginator("list_multipart_uploads").paginate(**below):
            for entry in page.get("Uploads", ()):
                client.abort_multipart_upload(
                    Bucket=folder.bucket, Key=entry["Key"], UploadId=entry["UploadId"]
                )


def _encrypted(kms_key: str | None) -> dict[str, str]:
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}


def remove(target: Object, *, token: str, multipart: str | None, since: float) -> None:
    """What a killed upload left: its multipart upload, or its object if that was just complete.

    since: when it began, by the clock. Best effort and quick; the caller is about to exit.
    """
    with suppress(boto.BotoCoreError, boto.ClientError, CompileError):
        client = _client(
            target, connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 1}
        )
        for identity in [multipart] if multipart else _multiparts(client, target, since):
            with suppress(boto.ClientError):  # no such upload: it was complete
                client.abort_multipart_upload(**target.names, UploadId=identity)
        found = client.head_object(**target.names)
        if found["Metadata"].get(TOKEN) == token:
            version = {"VersionId": found["VersionId"]} if found.get("VersionId") else {}
            client.delete_object(**target.names, **version)


def _multiparts(client: Any, target: Object, since: float) -> list[str]:
    """Uploads of exactly this key since then. Asked only when the job was killed before it read
    the server's answer to its own start, so that nobody knows the id."""
    found = client.list_multipart_uploads(Bucket=target.bucket, Prefix=target.key)
    return [
        entry["UploadId"]
        for entry in found.get("Uploads", ())
        if entry["Key"] == target.key and entry["Initiated"].timestamp() >= since - 1
    ]


def _client(target: Object, **options: Any) -> Any:
    import boto3  # here, for it takes long, and most local jobs never need it
    from botocore.client import Config

    endpoint = target.endpoint_url or knobs.current().endpoint_url
    if endpoint:  # bucket.host seldom resolves for a server that is not Amazon's
        options["s3"] = {"addressing_style": "path"}
    try:
        return boto3.client("s3", endpoint_url=endpoint, config=Config(**options))
    except (boto.BotoCoreError, ValueError) as error:
        raise ClientError(f"S3 cannot be reached: {error}") from error


def _check_bucket(client: Any, bucket: str, side: str) -> None:
    """That the bucket exists, in our region. Who may not look passes: the object will tell."""
    try:
        metadata = client.head_bucket(Bucket=bucket)["ResponseMetadata"]
    except boto.ClientError as error:
        metadata = error.response["ResponseMetadata"]
    if metadata["HTTPStatusCode"] == 404:
        raise ClientError(_no_bucket(side, bucket))
    found = metadata.get("HTTPHeaders", {}).get("x-amz-bucket-region")
    ours = client.meta.region_name
    if found and ours not in (found, "aws-global"):
        raise ClientError(
            f"{side}Bucket {bucket} is in region {found} which is different from "
            f"AWS Sagemaker service region {ours}"
        )


def _no_bucket(side: str, bucket: str) -> str:
    return f"{side}S3 bucket does not exist. Bucket: {bucket}"


def _size(client: Any, source: Object) -> int:
    """By GET, not HEAD: only its refusal carries the service's text."""
    answer = client.get_object(**source.names)
    answer["Body"].close()
    return int(answer["ContentLength"])


def _check_room(source: Object, size: int, into: Path) -> None:
    uri, limit = f"s3://{source.bucket}/{source.key}", knobs.current().max_input_bytes
    if size > limit:
        raise ClientError(f"{INPUT}{uri} has {size} bytes; the limit is {limit} bytes.")
    if size > (free := shutil.disk_usage(into).free):
        raise ServerError(f"{uri} has {size} bytes, but only {free} bytes are free in {into}.")


@contextmanager
def _explained(client: Any, place: Object, side: str, ours: bool = False) -> Iterator[None]:
    """boto's exceptions as ours. ours: the endpoint is the operator's, whatever it is."""
    try:
        yield
    except boto.ClientError as error:
        raise _refusal(error, place, side) from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError) as error:
        raise ClientError(f"{error}. hint: set AWS credentials as for the AWS CLI") from error
    except boto.ParamValidationError as error:
        raise ClientError(f"{side}s3://{place.bucket}/{place.key}: {error}") from error
    except boto.BotoCoreError as error:
        # Amazon's own endpoint is the operator's network; any other one is what the caller named.
        ours = ours or ".amazonaws.com" in client.meta.endpoint_url
        raise (ServerError if ours else ClientError)(f"S3 cannot be reached: {error}") from error


def _refusal(error: boto.ClientError, place: Object, side: str) -> CompileError:
    code = error.response.get("Error", {}).get("Code", "")
    if code == "NoSuchBucket":
        return ClientError(_no_bucket(side, place.bucket))
    if code in ("NoSuchKey", "404"):
        return ClientError(
            f"{side}S3 object does not exist. Bucket: {place.bucket}, Key: {place.key}"
        )
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return (ServerError if status >= 500 else ClientError)(str(error))


def _meter(total: int) -> Callable[[int], None]:
    """Counts the bytes that the transfer threads report; says every full percent once."""
    lock, done, shown = Lock(), 0, -1

    def add(count: int) -> None:
        nonlocal done, shown
        with lock:
            done += count
            percent = 100 * done // max(total, 1)
            if percent != shown:
                shown = percent
                progress.value("percent", percent)

    return add
