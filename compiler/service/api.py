"""OPERATIONS: what the API can be asked, as functions of who asks and a checked request."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compiler import storage
from compiler.errors import ClientError
from compiler.request import CompileRequest, from_checked
from compiler.service import schema, wire
from compiler.service.faults import Fault, invalid, no_job
from compiler.service.store import New, Store, sort_key
from compiler.service.tokens import Tokens

PAGE = 100  # jobs, where the request names no number
ARN = re.compile(r"arn:aws[a-z-]*:sagemaker:([a-z0-9-]*):(\d{12}):compilation-job/(.+)", re.ASCII)
# TargetPlatform's documented combinations: Os and Accelerator, then the Archs.
PLATFORMS: Mapping[tuple[str, str | None], frozenset[str]] = {
    ("LINUX", None): frozenset({"X86_64", "ARM64", "ARM_EABIHF", "ARM_EABI"}),
    ("LINUX", "NVIDIA"): frozenset({"X86_64", "ARM64"}),
    ("LINUX", "INTEL_GRAPHICS"): frozenset({"X86_64"}),
    ("LINUX", "MALI"): frozenset({"ARM64", "ARM_EABIHF", "ARM_EABI"}),
    ("ANDROID", None): frozenset({"X86_64", "X86", "ARM64", "ARM_EABI"}),
    ("ANDROID", "INTEL_GRAPHICS"): frozenset({"X86_64", "X86"}),
    ("ANDROID", "MALI"): frozenset({"ARM64", "ARM_EABI"}),
}
NVIDIA_OPTIONS = ("gpu-code", "trt-ver", "cuda-ver")


@dataclass(frozen=True)
class Service:
    """What operations work on."""

    store: Store
    tokens: Tokens
    region: str


Reply = dict[str, Any] | None
Operation = Callable[[Service, str, Mapping[str, Any]], Reply]


def answer(service: Service, account: str, operation: str, value: Any) -> Reply:
    """value: the request as it was sent. Raises Fault."""
    if operation not in OPERATIONS:
        raise unknown(operation)
    return OPERATIONS[operation](service, account, schema.checked(operation, value))


def unknown(operation: str) -> Fault:
    return Fault("UnknownOperationException", f"The operation {operation!r:.100} is not known.")


def create(service: Service, account: str, asked: Mapping[str, Any]) -> Reply:
    _check_alternatives(asked)
    name = asked["CompilationJobName"]
    body = {member: value for member, value in asked.items() if member != "Tags"}
    try:
        wanted = from_checked(body)
    except ClientError as error:
        raise invalid(str(error)) from None
    _check_platform(asked["OutputConfig"].get("TargetPlatform"), wanted.compiler_options)
    arn = f"arn:aws:sagemaker:{service.region}:{account}:compilation-job/{name}"
    new = New(
        account=account,
        name=name,
        arn=arn,
        body=body,
        target=wanted.target.replace("/", "_"),
        artifact=_artifact(wanted),
        tags=_tags(asked.get("Tags", ())),
    )
    service.store.create(new)
    return {"CompilationJobArn": arn}


def describe(service: Service, account: str, asked: Mapping[str, Any]) -> Reply:
    return wire.record(service.store.describe(account, asked["CompilationJobName"]))


def list_jobs(service: Service, account: str, asked: Mapping[str, Any]) -> Reply:
    size = asked.get("MaxResults", PAGE)
    question = [account, {k: v for k, v in asked.items() if k not in ("NextToken", "MaxResults")}]
    token = asked.get("NextToken")
    last = service.tokens.read(question, token) if token else None
    found = service.store.page(account, asked, last, size + 1)
    shown = found[:size]
    reply: dict[str, Any] = {"CompilationJobSummaries": [wire.summary(job) for job in shown]}
    if len(found) > size:
        reply["NextToken"] = service.tokens.sign(question, sort_key(asked, shown[-1]))
    return reply


def stop(service: Service, account: str, asked: Mapping[str, Any]) -> Reply:
    service.store.stop(account, asked["CompilationJobName"])
    return None


def delete(service: Service, account: str, asked: Mapping[str, Any]) -> Reply:
    service.store.delete(account, asked["CompilationJobName"])
    return None


def add_tags(service: Service, account: str, asked: Mapping[str, Any]) -> Reply:
    name = _named(service, account, asked["ResourceArn"])
    return {"Tags": _listed(service.store.add_tags(account, name, _tags(asked["Tags"])))}


def list_tags(service: Service, account: str, asked: Mapping[str, Any]) -> Reply:
    """All at once: a job has no more than the smallest page holds."""
    if asked.get("NextToken"):
        raise invalid("The NextToken is invalid or does not belong to this request.")
    name = _named(service, account, asked["ResourceArn"])
    return {"Tags": _listed(service.store.tags(account, name))}


def delete_tags(service: Service, account: str, asked: Mapping[str, Any]) -> Reply:
    name = _named(service, account, asked["ResourceArn"])
    service.store.delete_tags(account, name, asked["TagKeys"])
    return {}


OPERATIONS: Mapping[str, Operation] = {
    "CreateCompilationJob": create,
    "DescribeCompilationJob": describe,
    "ListCompilationJobs": list_jobs,
    "StopCompilationJob": stop,
    "DeleteCompilationJob": delete,
    "AddTags": add_tags,
    "ListTags": list_tags,
    "DeleteTags": delete_tags,
}


def _check_alternatives(asked: Mapping[str, Any]) -> None:
    """The members of which exactly one may be there."""
    package, output = asked.get("ModelPackageVersionArn"), asked["OutputConfig"]
    for first, second, holder in (
        ("InputConfig", "ModelPackageVersionArn", asked),
        ("TargetDevice", "TargetPlatform", output),
    ):
        given = (first in holder) + (second in holder)
        if given == 2:
            raise invalid(f"{first} and {second} cannot be specified at the same time.")
        if given == 0:
            raise invalid(f"Either {first} or {second} must be specified.")
    if package is not None:
        raise invalid(f"Model package {package} does not exist.")


def _check_platform(platform: Mapping[str, str] | None, options: Mapping[str, Any]) -> None:
    if platform is None:
        return
    accelerator = platform.get("Accelerator")
    if platform["Arch"] not in PLATFORMS.get((platform["Os"], accelerator), ()):
        parts = (platform["Os"], platform["Arch"], accelerator)
        raise invalid(f"TargetPlatform {'/'.join(filter(None, parts))} is not supported.")
    if accelerator == "NVIDIA":
        given = {name.replace("_", "-") for name in options}
        missing = [name for name in NVIDIA_OPTIONS if name not in given]
        if missing:
            raise invalid(
                "CompilerOptions for Accelerator NVIDIA must contain gpu-code, trt-ver and "
                f"cuda-ver; missing: {', '.join(missing)}."
            )


def _artifact(wanted: CompileRequest) -> str:
    """Where the artifact will be. A location that nothing can be read from or written to fails the
    job, not the request; then the output location itself stands for it."""
    try:
        return storage.artifact_uri(wanted.output, wanted.source, wanted.target)
    except ClientError:
        return wanted.output


def _named(service: Service, account: str, arn: str) -> str:
    """The job of an ARN, which may be another account's or no job's."""
    match = ARN.fullmatch(arn)
    if match is None:
        raise invalid(f"{arn!r:.300} is not the ARN of a compilation job.")
    region, owner, name = match.groups()
    if (region, owner) != (service.region, account):
        raise no_job(name)
    return name


def _tags(listed: Any) -> dict[str, str]:
    found = {tag["Key"]: tag["Value"] for tag in listed}
    if len(found) != len(listed):
        raise invalid("Tags hold the same Key twice.")
    return found


def _listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
