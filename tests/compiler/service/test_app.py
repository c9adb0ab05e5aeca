"""The endpoint through a raw client that signs what it is given: nothing is checked before the
server does."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from compiler.service import wire
from compiler.service.api import Service
from compiler.service.app import Door, build
from compiler.service.keys import Key
from compiler.service.limits import Limits
from compiler.service.tables import Database
from tests.compiler.service import malformed
from tests.compiler.service.conftest import ACCOUNT

Answer = tuple[int, dict[str, Any], dict[str, str]]
Ask = Callable[..., Answer]
KEYS = {key.id: key for key in (Key("AKIAONE", "s1", ACCOUNT), Key("AKIATWO", "s2", "2" * 12))}


class Known:
    def find(self, identity: str) -> Key | None:
        return KEYS.get(identity)


class Client:
    """Speaks ASGI to the application, without a socket."""

    def __init__(self, application: Any) -> None:
        self._application = application

    def send(
        self, method: str, path: str, headers: dict[str, str], chunks: list[bytes]
    ) -> tuple[int, bytes, dict[str, str]]:
        sent: list[dict[str, Any]] = []
        waiting = [
            {"type": "http.request", "body": chunk, "more_body": number + 1 < len(chunks)}
            for number, chunk in enumerate(chunks)
        ]

        async def receive() -> dict[str, Any]:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "server": ("127.0.0.1", 8080),
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()],
        }
        anyio.run(self._application, scope, receive, send)
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], b"".join(m.get("body", b"") for m in sent[1:]), told


def signed(operation: str, body: bytes, key: str = "AKIAONE", target: str = "") -> dict[str, str]:
    headers = {
        "Content-Type": wire.CONTENT_TYPE,
        "X-Amz-Target": target or f"SageMaker.{operation}",
    }
    request = AWSRequest("POST", "http://127.0.0.1:8080/", headers, body)
    credentials = Credentials(key, KEYS[key].secret)
    SigV4Auth(credentials, "sagemaker", "us-east-1").add_auth(request)
    return {"Host": "127.0.0.1:8080", **{k: str(v) for k, v in request.headers.items()}}


@pytest.fixture
def limits() -> Limits:
    return Limits(1e6, 1e6)


@pytest.fixture
def client(service: Service, database: Database, limits: Limits) -> Client:
    return Client(build(Door(Known(), limits, service), database))


@pytest.fixture
def ask(client: Client) -> Iterator[Ask]:
    def call(operation: str, members: Any = None, key: str = "AKIAONE", raw: bytes = b"") -> Answer:
        body = raw or json.dumps(members or {}).encode()
        status, data, headers = client.send("POST", "/", signed(operation, body, key), [body])
        assert headers["content-type"] == wire.CONTENT_TYPE and headers["x-amzn-requestid"]
        return status, json.loads(data) if data else {}, headers

    yield call


def test_a_job_through_the_wire(ask: Ask, body: dict[str, Any]) -> None:
    assert ask("CreateCompilationJob", body)[:2] == (
        200,
        {"CompilationJobArn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:compilation-job/job"},
    )
    status, told, _ = ask("CreateCompilationJob", body)
    assert (status, told["__type"]) == (400, "ResourceInUse")
    assert ask("DescribeCompilationJob", {"CompilationJobName": "job"})[0] == 200
    assert ask("StopCompilationJob", {"CompilationJobName": "job"})[:2] == (200, {})
    assert ask("DeleteCompilationJob", {"CompilationJobName": "job"})[:2] == (200, {})
    status, told, _ = ask("DescribeCompilationJob", {"CompilationJobName": "job"})
    assert (status, told["__type"]) == (400, "ResourceNotFound")


def test_a_key_sees_its_accounts_jobs(ask: Ask, body: dict[str, Any]) -> None:
    ask("CreateCompilationJob", body)
    assert ask("ListCompilationJobs", key="AKIATWO")[1] == {"CompilationJobSummaries": []}
    told = ask("StopCompilationJob", {"CompilationJobName": "job"}, key="AKIATWO")[1]
    assert told["__type"] == "ResourceNotFound"
    arn = ask("CreateCompilationJob", body, key="AKIATWO")[1]["CompilationJobArn"]
    assert arn == "arn:aws:sagemaker:us-east-1:222222222222:compilation-job/job"


LONG = "a" * 64


def short(n: int) -> str:
    return f"have length greater than or equal to {n}"


def long(n: int) -> str:
    return f"have length less than or equal to {n}"


def like(pattern: str) -> str:
    return f"satisfy regular expression pattern: {pattern}"


URI = like("(https|s3)://([^/]+)/?(.*)")
NAME = like("[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
ROLE = like("arn:aws[a-z\\-]*:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+")
TAG = like("([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)")
ABSENT = "not be null"
IN, OUT, LIMIT = "inputConfig.", "outputConfig.", "stoppingCondition.maxRuntimeInSeconds"
PLATFORM, GROUPS = "outputConfig.targetPlatform", "vpcConfig.securityGroupIds"
FRAMEWORKS = "[TENSORFLOW, KERAS, MXNET, ONNX, PYTORCH, XGBOOST, TFLITE, DARKNET, SKLEARN]"
# What is put where in a request that is right, and what is said of it.
CONSTRAINTS: list[tuple[str, Any, str]] = [
    ("compilationJobName", "", short(1)),
    ("compilationJobName", LONG, long(63)),
    ("compilationJobName", "a_b", NAME),
    ("compilationJobName", "a\n", NAME),
    ("compilationJobName", None, ABSENT),
    ("roleArn", "x" * 20, ROLE),
    ("roleArn", "x", short(20)),
    ("roleArn", "x" * 2049, long(2048)),
    ("roleArn", None, ABSENT),
    (IN + "s3Uri", "gs://a/b", URI),
    (IN + "s3Uri", "s3://a/" + "x" * 1020, long(1024)),
    (IN + "s3Uri", None, ABSENT),
    (IN + "framework", "CAFFE", f"satisfy enum value set: {FRAMEWORKS}"),
    (IN + "framework", "onnx", "satisfy enum value set: "),
    (IN + "framework", None, ABSENT),
    (IN + "frameworkVersion", "v1.0", like("[0-9]\\.[A-Za-z0-9.]+")),
    (IN + "frameworkVersion", "1.", short(3)),
    (IN + "frameworkVersion", "1.0.0.0.0.0", long(10)),
    (IN + "dataInputConfig", "", short(1)),
    (IN + "dataInputConfig", "x" * 16385, long(16384)),
    ("outputConfig", None, ABSENT),
    (OUT + "s3OutputLocation", "/tmp", URI),
    (OUT + "s3OutputLocation", None, ABSENT),
    (OUT + "targetDevice", "ml_c55", "satisfy enum value set: [lambda, ml_m4, "),
    (PLATFORM, {"Os": "BEOS", "Arch": "X86"}, "satisfy enum value set: [ANDROID, LINUX]"),
    (PLATFORM, {"Os": "LINUX", "Arch": "VAX"}, "satisfy enum value set: [X86_64, X86, ARM64"),
    (PLATFORM, {"Os": "LINUX"}, ABSENT),
    (PLATFORM, {"Os": "LINUX", "Arch": "X86", "Accelerator": "TPU"}, "satisfy enum value set: ["),
    (OUT + "compilerOptions", "{}", short(3)),
    (OUT + "compilerOptions", "x" * 1025, long(1024)),
    (OUT + "compilerOptions", "{\n\n}", like(".*")),
    (OUT + "kmsKeyId", "a b", like("[a-zA-Z0-9:/_-]*")),
    (OUT + "kmsKeyId", "x" * 2049, long(2048)),
    ("stoppingCondition", None, ABSENT),
    (LIMIT, 0, "have value greater than or equal to 1"),
    (LIMIT, 2419201, "have value less than or equal to 2419200"),
    ("stoppingCondition.maxWaitTimeInSeconds", 0, "have value greater than or equal to 1"),
    ("stoppingCondition.maxPendingTimeInSeconds", 2419201, "have value less than or equal to"),
    ("vpcConfig", {"Subnets": ["a"]}, ABSENT),
    ("vpcConfig", {"Subnets": ["a"], "SecurityGroupIds": []}, short(1)),
    ("vpcConfig", {"Subnets": ["a"] * 17, "SecurityGroupIds": ["s"]}, long(16)),
    ("vpcConfig", {"Subnets": ["a"], "SecurityGroupIds": ["s"] * 6}, long(5)),
    ("vpcConfig", {"Subnets": ["b c"], "SecurityGroupIds": ["s"]}, like("[-0-9a-zA-Z]+")),
    ("vpcConfig", {"Subnets": ["b" * 33], "SecurityGroupIds": ["s"]}, long(32)),
    ("tags", [{"Key": "a", "Value": "<"}], TAG),
    ("tags", [{"Key": "", "Value": ""}], short(1)),
    ("tags", [{"Key": "a" * 129, "Value": ""}], long(128)),
    ("tags", [{"Key": "a", "Value": "a" * 257}], long(256)),
    ("tags", [{"Key": "a"}], ABSENT),
    ("tags", [{"Key": f"{n}", "Value": ""} for n in range(51)], long(50)),
]


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    CONSTRAINTS,
    ids=[f"{path}-{rule[:24]}" for path, _, rule in CONSTRAINTS],
)
def test_constraints_of_create(
    path: str, value: Any, rule: str, ask: Ask, body: dict[str, Any]
) -> None:
    *holders, last = [part[0].upper() + part[1:] for part in path.split(".")]
    inner = body
    for holder in holders:
        inner = inner[holder]
    inner[last] = value
    if path == PLATFORM:
        del body["OutputConfig"]["TargetDevice"]
    status, told, _ = ask("CreateCompilationJob", body)
    assert (status, told["__type"]) == (400, "ValidationException")
    assert told["Message"] == told["message"]
    shown = "null" if value is None else f"'{value:.256}" if isinstance(value, str) else ""
    text = (
        rf"\d validation errors? detected: .*{re.escape(path)}[\w.]*' failed to satisfy constraint"
    )
    assert re.match(text, told["Message"], re.DOTALL)
    assert f"constraint: Member must {rule}" in told["Message"]
    assert f"Value {shown}" in told["Message"]


@pytest.mark.parametrize(
    ("operation", "members", "path"),
    [
        ("DescribeCompilationJob", {}, "compilationJobName"),
        ("DescribeCompilationJob", {"CompilationJobName": "-"}, "compilationJobName"),
        ("StopCompilationJob", {"CompilationJobName": LONG}, "compilationJobName"),
        ("DeleteCompilationJob", {"CompilationJobName": ""}, "compilationJobName"),
        ("ListCompilationJobs", {"MaxResults": 101}, "maxResults"),
        ("ListCompilationJobs", {"MaxResults": 0}, "maxResults"),
        ("ListCompilationJobs", {"NameContains": "a_b"}, "nameContains"),
        ("ListCompilationJobs", {"StatusEquals": "DONE"}, "statusEquals"),
        ("ListCompilationJobs", {"SortBy": "Age"}, "sortBy"),
        ("ListCompilationJobs", {"SortOrder": "Up"}, "sortOrder"),
        ("ListCompilationJobs", {"NextToken": "x" * 8193}, "nextToken"),
        ("ListTags", {"ResourceArn": "job"}, "resourceArn"),
        ("ListTags", {"ResourceArn": "a", "MaxResults": 49}, "maxResults"),
        ("AddTags", {"ResourceArn": "job"}, "tags"),
        ("DeleteTags", {"ResourceArn": "job", "TagKeys": []}, "tagKeys"),
        ("DeleteTags", {"ResourceArn": "job", "TagKeys": ["<"]}, "tagKeys.1.member"),
    ],
)  # fmt: skip
def test_constraints_of_the_others(
    operation: str, members: dict[str, Any], path: str, ask: Ask
) -> None:
    status, told, _ = ask(operation, members)
    assert (status, told["__type"]) == (400, "ValidationException")
    assert f" at '{path}' failed to satisfy constraint: " in told["Message"]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"{", "The request is not valid JSON"),
        (b"[]", "LIST_VALUE cannot be converted to DescribeCompilationJobRequest"),
        (b'"a"', "STRING_VALUE cannot be converted"),
        (b'{"CompilationJobName": 5}', "NUMBER_VALUE cannot be converted to String"),
        (b'{"CompilationJobName": "\\ud800"}', "half a character"),
        (b"[" * 5000, "nested too deeply"),
    ],
)
def test_a_body_that_is_none(raw: bytes, text: str, ask: Ask) -> None:
    status, told, _ = ask("DescribeCompilationJob", raw=raw)
    assert (status, told["__type"]) == (400, "SerializationException")
    assert text in told["Message"]


@pytest.mark.parametrize("target", ["SageMaker.CreateModel", "S3.Get", "", "SageMaker.", "é"])
def test_an_operation_that_is_none(target: str, client: Client) -> None:
    headers = signed("", b"{}", target=target or " ")
    status, data, _ = client.send("POST", "/", headers, [b"{}"])
    assert (status, json.loads(data)["__type"]) == (400, "UnknownOperationException")


def test_who_is_nobody_is_told_nothing(client: Client) -> None:
    """Whatever the rest of the request is."""
    for headers in ({}, {"X-Amz-Target": "SageMaker.ListCompilationJobs"}):
        status, data, _ = client.send("POST", "/", headers, [b"{"])
        assert status == 400
        assert json.loads(data)["__type"] == "MissingAuthenticationTokenException"
    headers = signed("ListCompilationJobs", b"{}") | {"X-Amz-Target": "SageMaker.DeleteTags"}
    status, data, _ = client.send("POST", "/", headers, [b"{}"])
    assert json.loads(data)["__type"] == "InvalidSignatureException"


def test_a_body_is_bounded(client: Client) -> None:
    body = b" " * (wire.MAX_BYTES + 1)
    headers = signed("ListCompilationJobs", body)
    status, data, _ = client.send("POST", "/", headers, [body[:1000], body[1000:], b"never read"])
    assert (status, json.loads(data)["__type"]) == (413, "RequestEntityTooLargeException")
    status, _, _ = client.send("POST", "/", signed("ListCompilationJobs", b"{}"), [b"{", b"}"])
    assert status == 200


def test_a_key_that_calls_too_often_waits(ask: Ask, limits: Limits) -> None:
    limits._rate, limits._burst = 0.0, 2.0
    answers = [ask("ListCompilationJobs") for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 200, 400]
    assert answers[2][1]["__type"] == "ThrottlingException"
    assert ask("ListCompilationJobs", key="AKIATWO")[0] == 200


def test_what_is_ours_is_no_secret_of_theirs(
    ask: Ask, service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(*_: object) -> None:
        raise RuntimeError("password")

    monkeypatch.setattr(service.store, "page", stumble)
    status, told, headers = ask("ListCompilationJobs")
    assert (status, told["__type"]) == (500, "InternalFailure")
    assert "password" not in json.dumps(told)
    [failed] = [record for record in caplog.records if record.exc_info]
    assert failed.__dict__["request"] == headers["x-amzn-requestid"] and "password" in caplog.text


def test_every_call_is_logged_and_counted(
    ask: Ask, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "compiler.service")
    ask("ListCompilationJobs")
    ask("DescribeCompilationJob", {"CompilationJobName": "none"})
    client.send("POST", "/", signed("", b"{}", target="SageMaker.Guess"), [b"{}"])
    names = "operation", "account", "status", "code"
    told = [tuple(record.__dict__[name] for name in names) for record in caplog.records]
    assert told == [
        ("ListCompilationJobs", ACCOUNT, 200, ""),
        ("DescribeCompilationJob", ACCOUNT, 400, "ResourceNotFound"),
        ("other", ACCOUNT, 400, "UnknownOperationException"),
    ]
    assert KEYS["AKIAONE"].secret not in [str(v) for r in caplog.records for v in vars(r).values()]
    status, text, headers = client.send("GET", "/metrics", {}, [b""])
    assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
    counted = 'neoc_requests_total{code="",operation="ListCompilationJobs",status="200"} 1.0'
    assert counted in text.decode().splitlines()


def test_health(client: Client, database: Database) -> None:
    assert client.send("GET", "/healthz", {}, [b""])[:2] == (200, b'{"status":"ok"}')
    assert client.send("GET", "/other", {}, [b""])[0] == 404
    assert client.send("PUT", "/", {}, [b""])[0] == 405


def test_no_request_breaks_the_server(service: Service, database: Database) -> None:
    """Some hundred malformed ones: each is answered, none by 5xx. More by malformed.py itself."""
    key = Key("AKIAONE", "s1", ACCOUNT)
    client = Client(build(Door(Known(), Limits(1e6, 1e6), service), database))
    seen = set()
    for number in range(300):
        made = malformed.request(number)
        headers = malformed.signed(made, "http://127.0.0.1:8080/", (key.id, key.secret))
        status, data, _ = client.send("POST", "/", headers, [made.sent])
        assert status < 500, number
        seen.add(json.loads(data).get("__type") if data else None)
    assert {
        *("SerializationException", "ValidationException", "UnknownOperationException"),
        *("InvalidSignatureException", "IncompleteSignatureException", "ResourceNotFound", None),
    } <= seen
