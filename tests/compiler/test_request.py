from typing import Any

import boto3
import pytest

from compiler import request
from compiler.errors import ClientError
from compiler.request import CompileRequest, from_api, to_api


def body(**changes: Any) -> dict[str, Any]:
    """A request as the AWS CLI takes it; `InputConfig__Framework=None` removes that member."""
    made: dict[str, Any] = {
        "CompilationJobName": "job-1",
        "RoleArn": "arn:aws:iam::123456789012:role/service",
        "InputConfig": {
            "S3Uri": "s3://bucket/model.tar.gz",
            "DataInputConfig": '{"data":[1,3,224,224]}',
            "Framework": "ONNX",
        },
        "OutputConfig": {"S3OutputLocation": "s3://bucket/out/", "TargetDevice": "ml_c5"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 900},
    }
    for path, value in changes.items():
        *folders, name = path.split("__")
        at = made
        for folder in folders:
            at = at[folder]
        if value is None:
            del at[name]
        else:
            at[name] = value
    return made


def test_a_request_of_the_api_is_read() -> None:
    given = body(OutputConfig__KmsKeyId="alias/key", Tags=[], VpcConfig={"Subnets": ["a"]})
    assert from_api(given) == CompileRequest(
        name="job-1",
        source="s3://bucket/model.tar.gz",
        framework="ONNX",
        data_input_config='{"data":[1,3,224,224]}',
        target="ml_c5",
        output="s3://bucket/out/",
        max_runtime_s=900,
        kms_key="alias/key",
    )


def test_the_least_request_is_enough() -> None:
    least = body(
        CompilationJobName=None,
        RoleArn=None,
        InputConfig__DataInputConfig=None,
        StoppingCondition={},
    )
    assert from_api(least).max_runtime_s is None
    del least["StoppingCondition"]
    assert from_api(least).data_input_config is None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"OutputConfig__CompilerOptions": '{"mcpu": "x"}', "InputConfig__FrameworkVersion": "1.7"},
        {
            "OutputConfig__TargetDevice": None,
            "OutputConfig__TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"},
        },
    ],
)
def test_to_api_gives_it_back(changes: dict[str, Any]) -> None:
    given = body(RoleArn=None, **changes)
    assert to_api(from_api(given)) == given


def test_a_platform_is_a_target_too() -> None:
    platform = {"Os": "LINUX", "Arch": "ARM64", "Accelerator": "NVIDIA"}
    given = body(OutputConfig__TargetDevice=None, OutputConfig__TargetPlatform=platform)
    assert from_api(given).target == "LINUX/ARM64/NVIDIA"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"InputConfig__S3Uri": None}, "InputConfig.S3Uri is missing"),
        ({"InputConfig__S3Uri": 5}, "InputConfig.S3Uri must be of type string, not 5"),
        ({"InputConfig__Framework": "CAFFE"}, "InputConfig.Framework must be one of TENSORFLOW, "),
        ({"InputConfig__Framwork": "ONNX"}, "not a member of the request; InputConfig.Framework?"),
        ({"InputConfig": "s3://b/k"}, "InputConfig must be of type object"),
        ({"InputConfig": None}, "Either InputConfig or ModelPackageVersionArn must be specified."),
        ({"ModelPackageVersionArn": "arn:x"}, "cannot be specified at the same time."),
        (
            {"InputConfig": None, "ModelPackageVersionArn": "arn:x"},
            "Model package arn:x does not exist.",
        ),
        ({"OutputConfig": None}, "OutputConfig is missing"),
        ({"OutputConfig__TargetDevice": None}, "Either TargetDevice or TargetPlatform must be"),
        ({"OutputConfig__TargetPlatform": {"Os": "LINUX"}}, "cannot be specified at the same time"),
        (
            {
                "OutputConfig__TargetDevice": None,
                "OutputConfig__TargetPlatform": {"Os": "BEOS", "Arch": "X86"},
            },
            "OutputConfig.TargetPlatform.Os must be one of ANDROID, LINUX, not 'BEOS'",
        ),
        ({"OutputConfig__KmsKeyId": "a b"}, "OutputConfig.KmsKeyId must match [a-zA-Z0-9:/_-]*"),
        ({"OutputConfig__CompilerOptions": "{}"}, "must be at least 3 characters, not 2"),
        ({"StoppingCondition__MaxRuntimeInSeconds": 0}, "must be at least 1, not 0"),
        ({"StoppingCondition__MaxRuntimeInSeconds": 2419201}, "must be at most 2419200"),
        ({"StoppingCondition__MaxRuntimeInSeconds": "9"}, "must be of type integer, not '9'"),
        ({"StoppingCondition__MaxRuntimeInSeconds": True}, "must be of type integer, not True"),
        ({"CompilationJobName": "-job"}, "CompilationJobName must match"),
    ],
)
def test_a_bad_member_is_named(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ClientError) as caught:
        from_api(body(**changes))
    assert text in str(caught.value)


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(ClientError, match=r"S3Uri is missing; .*Framework.*; OutputConfig\.Kms"):
        from_api(
            body(InputConfig__S3Uri=None, InputConfig__Framework="X", OutputConfig__KmsKeyId="\n")
        )


@pytest.mark.parametrize("value", [[], "text", None, 1])
def test_only_an_object_is_a_request(value: Any) -> None:
    with pytest.raises(ClientError, match="is a JSON object"):
        from_api(value)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"framework": "CAFFE"}, "Framework 'CAFFE' is not known. hint: one of TENSORFLOW"),
        ({"max_runtime_s": 0}, "at least 1 second"),
        ({"source": " "}, "the input location is empty"),
        ({"output": ""}, "the output location is empty"),
    ],
)
def test_a_request_checks_itself(changes: dict[str, Any], text: str) -> None:
    members: dict[str, Any] = {"source": "a", "framework": "ONNX", "target": "host", "output": "b"}
    with pytest.raises(ClientError) as caught:
        CompileRequest(**members | changes)
    assert text in str(caught.value)


def test_members_and_frameworks_are_those_of_the_api() -> None:
    client = boto3.client("sagemaker", region_name="us-east-1")
    shape = client.meta.service_model.operation_model("CreateCompilationJob").input_shape
    assert {path for path in request.MEMBERS if "." not in path} == set(shape.members)
    for group in ("InputConfig", "OutputConfig", "StoppingCondition"):
        names = {path.split(".")[1] for path in request.MEMBERS if path.startswith(f"{group}.")}
        assert names == set(shape.members[group].members)
    framework = shape.members["InputConfig"].members["Framework"]
    assert sorted(request.FRAMEWORKS) == sorted(framework.enum)


def with_options(text: str) -> CompileRequest:
    return CompileRequest(source="a", framework="ONNX", target="ml_c5", output="b", options=text)


@pytest.mark.parametrize("text", ['{"mcpu": "haswell"}', "{'mcpu': 'haswell'}", '"--verbose 1"'])
def test_options_are_json_or_nearly(text: str) -> None:
    assert with_options(text).options == text


@pytest.mark.parametrize("text", ["{", "mcpu=haswell", "__import__('os')"])
def test_options_that_are_no_json_are_refused(text: str) -> None:
    with pytest.raises(ClientError, match="CompilerOptions is not valid JSON: Expecting"):
        with_options(text)
