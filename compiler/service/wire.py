"""AWS JSON 1.1: bytes of a body to a value and back, and jobs as the API's replies show them."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from compiler.service.faults import Fault, unreadable
from compiler.service.jobs import Job

MAX_BYTES = 1 << 19  # twice what the longest legal request takes, all of it escaped
MAX_DEPTH = 32  # of lists and objects; legal requests have 4
CONTENT_TYPE = "application/x-amz-json-1.1"


def parse(body: bytes) -> Any:
    """Raises SerializationException for what is not JSON, too deep, or no text in any encoding."""
    try:
        value = json.loads(body.decode() or "{}", parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise unreadable(f"The request is not valid JSON: {why}") from None
    _check(value, MAX_DEPTH)
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _check(value: Any, depth: int) -> None:
    """Depth, and that every text can be written down: JSON may escape half a character."""
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise unreadable("The request is not valid JSON: a text holds half a character")
    elif isinstance(value, list | dict):
        if depth == 0:
            raise unreadable("The request is not valid JSON: it is nested too deeply")
        for item in value:
            _check(item, depth - 1)
        for item in value.values() if isinstance(value, dict) else ():
            _check(item, depth - 1)


def dump(members: Mapping[str, Any] | None) -> bytes:
    """The body of a reply; empty for an operation that has none."""
    return b"" if members is None else json.dumps(members).encode()


def dump_fault(fault: Fault) -> bytes:
    """Clients of different ages look for the text under different names."""
    said = {"__type": fault.code, "Message": fault.message, "message": fault.message}
    return json.dumps(said).encode()


def record(job: Job) -> dict[str, Any]:
    """DescribeCompilationJob's reply."""
    body = job.body
    return present(
        {
            "CompilationJobName": job.name,
            "CompilationJobArn": job.arn,
            "CompilationJobStatus": job.status,
            "CompilationStartTime": job.started,
            "CompilationEndTime": job.ended,
            "StoppingCondition": body["StoppingCondition"],
            "CreationTime": job.created,
            "LastModifiedTime": job.modified,
            "FailureReason": job.reason,
            "ModelArtifacts": {"S3ModelArtifacts": job.artifact},
            "ModelDigests": {"ArtifactDigest": job.digest} if job.digest else None,
            "RoleArn": body["RoleArn"],
            "InputConfig": body["InputConfig"],
            "OutputConfig": body["OutputConfig"],
            "VpcConfig": body.get("VpcConfig"),
            "DerivedInformation": {"DerivedDataInputConfig": job.derived} if job.derived else None,
        }
    )


def summary(job: Job) -> dict[str, Any]:
    """A job in ListCompilationJobs' reply."""
    output = job.body["OutputConfig"]
    platform = output.get("TargetPlatform", {})
    return present(
        {
            "CompilationJobName": job.name,
            "CompilationJobArn": job.arn,
            "CreationTime": job.created,
            "CompilationStartTime": job.started,
            "CompilationEndTime": job.ended,
            "LastModifiedTime": job.modified,
            "CompilationJobStatus": job.status,
            "CompilationTargetDevice": output.get("TargetDevice"),
            "CompilationTargetPlatformOs": platform.get("Os"),
            "CompilationTargetPlatformArch": platform.get("Arch"),
            "CompilationTargetPlatformAccelerator": platform.get("Accelerator"),
        }
    )


def present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
