"""What a caller asks for, and the CreateCompilationJob request that says the same.

Constraints and names: the SageMaker API, CreateCompilationJob.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from compiler.errors import ClientError

FRAMEWORKS = (
    "TENSORFLOW",
    "KERAS",
    "MXNET",
    "ONNX",
    "PYTORCH",
    "XGBOOST",
    "TFLITE",
    "DARKNET",
    "SKLEARN",
)


TYPES = {str: "string", int: "integer", dict: "object", list: "list"}
PLATFORM = ("Os", "Arch", "Accelerator")


@dataclass(frozen=True, kw_only=True)
class CompileRequest:
    """source, output: s3://, file:// or a path; output is the folder or prefix. target: a
    TargetDevice, or a TargetPlatform as LINUX/X86_64.
    data_input_config, options: JSON texts as the caller wrote them. tune_s: seconds for measuring
    kernels, 0 for none, None for what is worthwhile. records: whether earlier measurements count.
    keep: folder for intermediates."""

    source: str
    framework: str
    target: str
    output: str
    name: str | None = None
    data_input_config: str | None = None
    framework_version: str | None = None
    max_runtime_s: int | None = None
    options: str | None = None
    kms_key: str | None = None
    endpoint_url: str | None = None
    tune_s: int | None = None
    records: bool = True
    keep: str | None = None

    def __post_init__(self) -> None:
        if self.framework not in FRAMEWORKS:
            raise ClientError(
                f"Framework {self.framework!r} is not known. hint: one of {', '.join(FRAMEWORKS)}"
            )
        if self.max_runtime_s is not None and self.max_runtime_s < 1:
            raise ClientError("the runtime limit must be at least 1 second.")
        if self.tune_s is not None and self.tune_s < 0:
            raise ClientError("the time for tuning cannot be negative.")
        for member, value in (("input", self.source), ("output", self.output)):
            if not value.strip():
                raise ClientError(f"the {member} location is empty.")
        _ = self.compiler_options

    @cached_property
    def compiler_options(self) -> Mapping[str, Any]:
        """CompilerOptions by name; a text that is no object stands for none."""
        value = _parsed_options(self.options) if self.options is not None else {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Member:
    """A member of the request: its type and what its value must satisfy. ignored: accepted as
    AWS's own tools send it, without effect here."""

    kind: type[Any]
    low: int | None = None
    high: int | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    required: bool = False
    ignored: bool = False


MEMBERS: dict[str, Member] = {
    "CompilationJobName": Member(str, 1, 63, r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"),
    "RoleArn": Member(str, ignored=True),
    "ModelPackageVersionArn": Member(str, 1, 2048),
    "InputConfig": Member(dict, required=True),
    "InputConfig.S3Uri": Member(str, 1, 1024, required=True),
    "InputConfig.DataInputConfig": Member(str, 1, 16384),
    "InputConfig.Framework": Member(str, choices=FRAMEWORKS, required=True),
    "InputConfig.FrameworkVersion": Member(str, 3, 10, r"[0-9]\.[A-Za-z0-9.]+"),
    "OutputConfig": Member(dict, required=True),
    "OutputConfig.S3OutputLocation": Member(str, 1, 1024, required=True),
    "OutputConfig.TargetDevice": Member(str, 1),
    "OutputConfig.TargetPlatform": Member(dict),
    "OutputConfig.TargetPlatform.Os": Member(str, choices=("ANDROID", "LINUX"), required=True),
    "OutputConfig.TargetPlatform.Arch": Member(
        str, choices=("X86_64", "X86", "ARM64", "ARM_EABI", "ARM_EABIHF"), required=True
    ),
    "OutputConfig.TargetPlatform.Accelerator": Member(
        str, choices=("INTEL_GRAPHICS", "MALI", "NVIDIA", "NNA")
    ),
    "OutputConfig.CompilerOptions": Member(str, 3, 1024, r".*"),
    "OutputConfig.KmsKeyId": Member(str, 0, 2048, r"[a-zA-Z0-9:/_-]*"),
    "StoppingCondition": Member(dict),
    "StoppingCondition.MaxRuntimeInSeconds": Member(int, 1, 2419200),
    "StoppingCondition.MaxWaitTimeInSeconds": Member(int, 1, ignored=True),
    "StoppingCondition.MaxPendingTimeInSeconds": Member(int, 1800, 2419200, ignored=True),
    "VpcConfig": Member(dict, ignored=True),
    "Tags": Member(list, ignored=True),
}


def from_api(body: Any) -> CompileRequest:
    """The request of a CreateCompilationJob body; all that is wrong in it is reported at once."""
    if not isinstance(body, dict):
        raise ClientError("a CreateCompilationJob request is a JSON object.")
    _check_alternatives(body)
    if wrong := list(_complaints(body, "")):
        raise ClientError("; ".join(wrong))
    return from_checked(body)


def from_checked(body: Mapping[str, Any]) -> CompileRequest:
    """The same of a body that is known to hold what it must."""
    source, output = body["InputConfig"], body["OutputConfig"]
    return CompileRequest(
        name=body.get("CompilationJobName"),
        source=source["S3Uri"],
        framework=source["Framework"],
        framework_version=source.get("FrameworkVersion"),
        data_input_config=source.get("DataInputConfig"),
        target=output.get("TargetDevice") or _slashed(output["TargetPlatform"]),
        output=output["S3OutputLocation"],
        options=output.get("CompilerOptions"),
        kms_key=output.get("KmsKeyId") or None,
        max_runtime_s=body.get("StoppingCondition", {}).get("MaxRuntimeInSeconds"),
    )


def to_api(request: CompileRequest) -> dict[str, Any]:
    """The CreateCompilationJob body of a request, members without a value left out."""
    return _present(
        {
            "CompilationJobName": request.name,
            "InputConfig": _present(
                {
                    "S3Uri": request.source,
                    "DataInputConfig": request.data_input_config,
                    "Framework": request.framework,
                    "FrameworkVersion": request.framework_version,
                }
            ),
            "OutputConfig": _present(
                {
                    "S3OutputLocation": request.output,
                    **_target(request.target),
                    "CompilerOptions": request.options,
                    "KmsKeyId": request.kms_key,
                }
            ),
            "StoppingCondition": _present({"MaxRuntimeInSeconds": request.max_runtime_s}),
        }
    )


def _parsed_options(text: str) -> Any:
    """JSON, or what AWS's own examples hold instead: the same in Python's quotes."""
    try:
        return json.loads(text)
    except ValueError as error:
        try:
            return ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            raise ClientError(f"CompilerOptions is not valid JSON: {error}.") from None


def _slashed(platform: Mapping[str, str]) -> str:
    """LINUX/X86_64 or LINUX/X86_64/NVIDIA, which no device is called."""
    return "/".join(platform[part] for part in PLATFORM if part in platform)


def _target(name: str) -> dict[str, Any]:
    if "/" not in name:
        return {"TargetDevice": name}
    return {"TargetPlatform": dict(zip(PLATFORM, name.split("/"), strict=False))}


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _check_alternatives(body: Mapping[str, Any]) -> None:
    """The members of which exactly one may be there."""
    package = body.get("ModelPackageVersionArn")
    if package is not None and "InputConfig" in body:
        raise ClientError(
            "InputConfig and ModelPackageVersionArn cannot be specified at the same time."
        )
    if package is not None:
        raise ClientError(f"Model package {package} does not exist.")
    if "InputConfig" not in body:
        raise ClientError("Either InputConfig or ModelPackageVersionArn must be specified.")
    output = body.get("OutputConfig")
    if not isinstance(output, dict):
        return
    if "TargetDevice" in output and "TargetPlatform" in output:
        raise ClientError("TargetDevice and TargetPlatform cannot be specified at the same time.")
    if not output.keys() & {"TargetDevice", "TargetPlatform"}:
        raise ClientError("Either TargetDevice or TargetPlatform must be specified.")


def _complaints(value: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Each sentence names the member by its path, such as InputConfig.Framework."""
    known = [path for path in MEMBERS if path.rpartition(".")[0] == prefix.rstrip(".")]
    for path in known:
        if MEMBERS[path].required and path.removeprefix(prefix) not in value:
            yield f"{path} is missing"
    for name, child in value.items():
        path = f"{prefix}{name}"
        if path not in known:
            near = get_close_matches(path, known, n=1)
            yield f"{path} is not a member of the request" + (f"; {near[0]}?" if near else "")
        elif complaint := _complaint(MEMBERS[path], child):
            yield f"{path} {complaint}"
        elif isinstance(child, dict) and not MEMBERS[path].ignored:
            yield from _complaints(child, f"{path}.")


def _complaint(member: Member, value: Any) -> str | None:
    """What is wrong with one value, or None."""
    if not isinstance(value, member.kind) or isinstance(value, bool):
        return f"must be of type {TYPES[member.kind]}, not {value!r:.60}"
    if member.choices and value not in member.choices:
        return f"must be one of {', '.join(member.choices)}, not {value!r:.60}"
    size, unit = (value, "") if isinstance(value, int) else (len(value), " characters")
    if member.low is not None and size < member.low:
        return f"must be at least {member.low}{unit}, not {size}"
    if member.high is not None and size > member.high:
        return f"must be at most {member.high}{unit}, not {size}"
    if member.pattern is not None and not re.fullmatch(member.pattern, value):
        return f"must match {member.pattern}, not {value!r:.60}"
    return None
