from typing import Any

import pytest

from compiler.service.api import Service, answer
from compiler.service.faults import Fault
from tests.compiler.service.conftest import ACCOUNT

Body = dict[str, Any]


def ask(service: Service, operation: str, account: str = ACCOUNT, **members: Any) -> Any:
    return answer(service, account, operation, members)


def refused(service: Service, operation: str, **members: Any) -> tuple[str, str]:
    with pytest.raises(Fault) as caught:
        ask(service, operation, **members)
    return caught.value.code, caught.value.message


def arn(name: str, account: str = ACCOUNT, region: str = "us-east-1") -> str:
    return f"arn:aws:sagemaker:{region}:{account}:compilation-job/{name}"


def test_the_life_of_a_job(service: Service, body: Body) -> None:
    told = ask(service, "CreateCompilationJob", **body)
    assert told == {"CompilationJobArn": arn("job")}
    job = ask(service, "DescribeCompilationJob", CompilationJobName="job")
    assert job["CompilationJobStatus"] == "STARTING"
    assert job["CompilationJobArn"] == arn("job")
    assert job["ModelArtifacts"] == {"S3ModelArtifacts": "s3://models/out/net-ml_c5.tar.gz"}
    assert ask(service, "StopCompilationJob", CompilationJobName="job") is None
    assert ask(service, "DeleteCompilationJob", CompilationJobName="job") is None
    assert refused(service, "DescribeCompilationJob", CompilationJobName="job") == (
        "ResourceNotFound",
        "Could not find compilation job 'job'.",
    )


def test_an_unknown_operation_is_told(service: Service) -> None:
    code, text = refused(service, "CreateOptimizationJob")
    assert code == "UnknownOperationException" and "CreateOptimizationJob" in text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"InputConfig": None},
            "Either InputConfig or ModelPackageVersionArn must be specified.",
        ),
        (
            {"ModelPackageVersionArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/x"},
            "InputConfig and ModelPackageVersionArn cannot be specified at the same time.",
        ),
        (
            {
                "InputConfig": None,
                "ModelPackageVersionArn": "arn:aws:sagemaker:us-east-1:1234:model-package/x",
            },
            "failed to satisfy constraint: Member must satisfy regular expression pattern",
        ),
        (
            {
                "InputConfig": None,
                "ModelPackageVersionArn": (
                    "arn:aws:sagemaker:us-east-1:123456789012:model-package/x"
                ),
            },
            "Model package arn:aws:sagemaker:us-east-1:123456789012:model-package/x does not exist",
        ),
        (
            {"OutputConfig": {"S3OutputLocation": "s3://b"}},
            "Either TargetDevice or TargetPlatform must be specified.",
        ),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 2419201}}, "less than or equal to 2419200"),
        ({"Tags": [{"Key": "a", "Value": ""}] * 2}, "Tags hold the same Key twice."),
    ],
)
def test_what_cannot_be_together_is_told(
    changes: Body, text: str, service: Service, body: Body
) -> None:
    code, message = refused(service, "CreateCompilationJob", **{**body, **changes})
    assert code == "ValidationException"
    assert text in message


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (
            {"TargetDevice": "ml_c5", "TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"}},
            "TargetDevice and TargetPlatform cannot be specified at the same time.",
        ),
        (
            {"TargetPlatform": {"Os": "LINUX", "Arch": "X86"}},
            "TargetPlatform LINUX/X86 is not supported.",
        ),
        (
            {"TargetPlatform": {"Os": "LINUX", "Arch": "ARM64", "Accelerator": "NNA"}},
            "TargetPlatform LINUX/ARM64/NNA is not supported.",
        ),
        (
            {
                "TargetPlatform": {"Os": "LINUX", "Arch": "ARM64", "Accelerator": "NVIDIA"},
                "CompilerOptions": "{'gpu_code': 'sm_62'}",
            },
            "must contain gpu-code, trt-ver and cuda-ver; missing: trt-ver, cuda-ver.",
        ),
        (
            {"TargetDevice": "ml_c5", "CompilerOptions": '{"dtype": '},
            "CompilerOptions is not valid JSON: ",
        ),
    ],
)
def test_a_target_that_cannot_be_is_told(
    output: Body, text: str, service: Service, body: Body
) -> None:
    body["OutputConfig"] = {"S3OutputLocation": "s3://b", **output}
    code, message = refused(service, "CreateCompilationJob", **body)
    assert code == "ValidationException" and text in message


def test_a_platform_names_the_artifact(service: Service, body: Body) -> None:
    options = '{"gpu-code": "sm_62", "trt-ver": "6.0.1", "cuda-ver": "10.0"}'
    platform = {"Os": "LINUX", "Arch": "ARM64", "Accelerator": "NVIDIA"}
    body["OutputConfig"] = {
        "S3OutputLocation": "s3://b/out/",
        "TargetPlatform": platform,
        "CompilerOptions": options,
    }
    ask(service, "CreateCompilationJob", **body)
    job = ask(service, "DescribeCompilationJob", CompilationJobName="job")
    made = "s3://b/out/net-LINUX_ARM64_NVIDIA.tar.gz"
    assert job["ModelArtifacts"] == {"S3ModelArtifacts": made}
    [listed] = ask(service, "ListCompilationJobs")["CompilationJobSummaries"]
    assert listed["CompilationTargetPlatformAccelerator"] == "NVIDIA"
    assert "CompilationTargetDevice" not in listed


def test_a_bad_location_is_the_jobs_failure(service: Service, body: Body) -> None:
    """As with AWS: the request is taken."""
    body["InputConfig"]["S3Uri"] = "https://example.com/model.tar.gz"
    ask(service, "CreateCompilationJob", **body)
    job = ask(service, "DescribeCompilationJob", CompilationJobName="job")
    assert job["ModelArtifacts"] == {"S3ModelArtifacts": "s3://models/out"}


def test_pages_hold_together(service: Service, body: Body) -> None:
    for number in range(5):
        ask(service, "CreateCompilationJob", **{**body, "CompilationJobName": f"job-{number}"})
    seen: list[str] = []
    asked: Body = {"MaxResults": 2, "SortBy": "Name", "SortOrder": "Descending"}
    while True:
        page = ask(service, "ListCompilationJobs", **asked)
        seen += [job["CompilationJobName"] for job in page["CompilationJobSummaries"]]
        if "NextToken" not in page:
            break
        asked["NextToken"] = page["NextToken"]
    assert seen == [f"job-{number}" for number in (4, 3, 2, 1, 0)]
    text = "The NextToken is invalid or does not belong to this request."
    for change in ({"SortBy": "Status"}, {"NameContains": "job"}, {"SortOrder": None}):
        assert refused(service, "ListCompilationJobs", **{**asked, **change})[1] == text
    with pytest.raises(Fault, match="NextToken"):
        ask(service, "ListCompilationJobs", account="210987654321", **asked)
    larger = {**asked, "MaxResults": 3}  # the size of a page may change on the way
    assert len(ask(service, "ListCompilationJobs", **larger)["CompilationJobSummaries"]) == 1


def test_a_full_last_page_is_the_last(service: Service, body: Body) -> None:
    for name in ("a", "b"):
        ask(service, "CreateCompilationJob", **{**body, "CompilationJobName": name})
    assert "NextToken" not in ask(service, "ListCompilationJobs", MaxResults=2)


def test_tags(service: Service, body: Body) -> None:
    tag = {"Key": "team", "Value": "größe"}
    ask(service, "CreateCompilationJob", **body, Tags=[tag])
    assert ask(service, "ListTags", ResourceArn=arn("job")) == {"Tags": [tag]}
    other = {"Key": "a", "Value": ""}
    told = ask(service, "AddTags", ResourceArn=arn("job"), Tags=[other])
    assert sorted(told["Tags"], key=lambda tag: str(tag["Key"])) == [other, tag]
    assert ask(service, "DeleteTags", ResourceArn=arn("job"), TagKeys=["team"]) == {}
    assert ask(service, "ListTags", ResourceArn=arn("job"), MaxResults=50) == {"Tags": [other]}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (arn("other"), "ResourceNotFound"),
        (arn("job", account="210987654321"), "ResourceNotFound"),
        (arn("job", region="eu-west-1"), "ResourceNotFound"),
        ("arn:aws:sagemaker:us-east-1:123456789012:model/x", "ValidationException"),
        ("job", "ValidationException"),
    ],
)
def test_an_arn_that_is_no_job_of_ours(given: str, code: str, service: Service, body: Body) -> None:
    ask(service, "CreateCompilationJob", **body)
    assert refused(service, "ListTags", ResourceArn=given)[0] == code
