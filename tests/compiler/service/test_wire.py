import json
from dataclasses import replace
from typing import Any

import pytest

from compiler.service import schema, wire
from compiler.service.api import Service, create
from compiler.service.faults import Fault, internal
from compiler.service.jobs import Job, Status
from compiler.service.leases import Leases, Result
from tests.compiler.service.conftest import ACCOUNT


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "Expecting property name"),
        (b"\xff{}", "can't decode byte"),
        (b"[" * 100000, "nested too deeply"),
        (b"[" * 40 + b"]" * 40, "nested too deeply"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested too deeply"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": -Infinity}', "-Infinity is no number"),
        (b'{"a": "\\ud800"}', "half a character"),
        (b'{"\\udc00": 1}', "half a character"),
        (b'{"a": ' + b"1" * 5000 + b"}", "integer string conversion"),
        (b"{} {}", "Extra data"),
    ],
)
def test_what_is_not_json_is_told(body: bytes, text: str) -> None:
    with pytest.raises(Fault, match=text) as caught:
        wire.parse(body)
    assert (caught.value.code, caught.value.status) == ("SerializationException", 400)


def test_json_is_read() -> None:
    assert wire.parse(b"") == {}
    assert wire.parse('{"a": ["é\\ud83d\\ude00"]}'.encode()) == {"a": ["é\U0001f600"]}


def test_replies() -> None:
    assert wire.dump(None) == b""
    assert json.loads(wire.dump({"a": "é"})) == {"a": "é"}
    told = json.loads(wire.dump_fault(internal()))
    assert told["__type"] == "InternalFailure"
    assert told["Message"] == told["message"] == "The service failed; try again."


def reply_holds(operation: str, members: dict[str, Any]) -> None:
    """The reply against botocore's output shape: types, and every constraint."""
    shape = schema.service().operation_model(operation).output_shape
    told = json.loads(wire.dump(members))
    assert told.keys() <= shape.members.keys()
    assert schema.typed(shape, told) == told
    assert not list(schema.violations(shape, told))


def test_a_record_is_what_the_model_says(
    service: Service, leases: Leases, body: dict[str, Any]
) -> None:
    """In every status a job can be in, and with all a request can hold."""
    body["VpcConfig"] = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1", "subnet-2"]}
    body["OutputConfig"] |= {"CompilerOptions": '{"dtype": "int64"}', "KmsKeyId": "alias/x"}
    create(service, ACCOUNT, body)
    queued = service.store.describe(ACCOUNT, "job")
    claim = leases.claim("worker", "token")
    assert claim
    running = service.store.describe(ACCOUNT, "job")
    result = Result("s3://models/out/.neoc-token/x", "ab" * 64, '{"x": [1, 3]}', {"size": 1})
    assert leases.decide(claim, result) and leases.complete(claim, result)
    done = service.store.describe(ACCOUNT, "job")
    assert (queued.status, running.status, done.status) == ("STARTING", "INPROGRESS", "COMPLETED")
    for job in (queued, running, done, replace(running, status=Status.FAILED, reason="ours")):
        reply_holds("DescribeCompilationJob", wire.record(job))
        reply_holds("ListCompilationJobs", {"CompilationJobSummaries": [wire.summary(job)]})
    told = wire.record(done)
    assert told["VpcConfig"] == body["VpcConfig"] and told["OutputConfig"] == body["OutputConfig"]
    assert told["ModelDigests"] == {"ArtifactDigest": "ab" * 64}
    assert told["DerivedInformation"] == {"DerivedDataInputConfig": '{"x": [1, 3]}'}
    assert told["ModelArtifacts"] == {"S3ModelArtifacts": "s3://models/out/net-ml_c5.tar.gz"}


def test_what_is_absent_is_left_out(service: Service, body: dict[str, Any]) -> None:
    create(service, ACCOUNT, body)
    job: Job = service.store.describe(ACCOUNT, "job")
    assert wire.record(job).keys() == {
        *("CompilationJobName", "CompilationJobArn", "CompilationJobStatus", "StoppingCondition"),
        *("CreationTime", "LastModifiedTime", "FailureReason", "ModelArtifacts", "RoleArn"),
        *("InputConfig", "OutputConfig"),
    }
    output = {"S3OutputLocation": "s3://a", "TargetPlatform": {"Os": "LINUX", "Arch": "ARM64"}}
    of_platform = replace(job, body={**job.body, "OutputConfig": output})
    assert wire.summary(of_platform).keys() == {
        *("CompilationJobName", "CompilationJobArn", "CreationTime", "LastModifiedTime"),
        *("CompilationJobStatus", "CompilationTargetPlatformOs", "CompilationTargetPlatformArch"),
    }
