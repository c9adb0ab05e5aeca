"""Every constraint of every operation, derived from the model: one value that keeps it, one that
does not. What a text looks like is in test_api.py, through HTTP."""

from collections.abc import Callable
from typing import Any

import pytest

from compiler.service import schema
from compiler.service.api import OPERATIONS
from compiler.service.faults import Fault


def test_members_that_are_null_or_unknown_are_left_out() -> None:
    given = {"CompilationJobName": "a", "Other": 1}
    assert schema.checked("DescribeCompilationJob", given) == {"CompilationJobName": "a"}
    assert schema.checked("ListCompilationJobs", {"NameContains": None}) == {}


@pytest.mark.parametrize(
    ("operation", "given", "text"),
    [
        ("ListCompilationJobs", [], "LIST_VALUE cannot be converted to ListCompilationJobsRequest"),
        ("ListCompilationJobs", {"MaxResults": "5"}, "STRING_VALUE cannot be converted to Integer"),
        ("ListCompilationJobs", {"MaxResults": True}, "BOOLEAN_VALUE cannot be converted"),
        ("ListCompilationJobs", {"MaxResults": 5.0}, "NUMBER_VALUE cannot be converted to Integer"),
        ("ListCompilationJobs", {"MaxResults": 1 << 31}, "out of the range of Integer"),
        ("ListCompilationJobs", {"CreationTimeAfter": "now"}, "cannot be converted to Timestamp"),
        ("ListCompilationJobs", {"CreationTimeAfter": 1e300}, "out of the range of Timestamp"),
        ("ListCompilationJobs", {"CreationTimeAfter": float("inf")}, "out of the range"),
        ("ListCompilationJobs", {"CreationTimeAfter": float("nan")}, "out of the range"),
        ("ListCompilationJobs", {"CreationTimeAfter": 10**400}, "out of the range of Timestamp"),
        ("DescribeCompilationJob", {"CompilationJobName": 5}, "cannot be converted to String"),
        ("DescribeCompilationJob", {"CompilationJobName": {}}, "STRUCTURE_VALUE cannot be"),
        ("DeleteTags", {"TagKeys": "a"}, "STRING_VALUE cannot be converted to TagKeyList"),
        ("DeleteTags", {"TagKeys": [None]}, "NULL_VALUE cannot be converted to String"),
    ],
)
def test_a_wrong_type_is_told(operation: str, given: Any, text: str) -> None:
    with pytest.raises(Fault, match=text) as caught:
        schema.checked(operation, given)
    assert caught.value.code == "SerializationException"


def test_every_violation_is_told_at_once() -> None:
    with pytest.raises(Fault) as caught:
        schema.checked("ListCompilationJobs", {"MaxResults": 101, "SortBy": "Age"})
    assert caught.value.code == "ValidationException"
    assert caught.value.message == (
        "2 validation errors detected: Value '101' at 'maxResults' failed to satisfy constraint: "
        "Member must have value less than or equal to 100; Value 'Age' at 'sortBy' failed to "
        "satisfy constraint: Member must satisfy enum value set: [Name, CreationTime, Status]"
    )


def test_a_pattern_is_read_as_java_does() -> None:
    """Digits and words are ASCII; letters of tags are anybody's; a dot is no new line."""
    tag = schema.service().shape_for("TagKey")
    assert not list(schema.violations(tag, "Größe 日本/٣"))
    assert list(schema.violations(tag, "a*b")) and list(schema.violations(tag, "a\x00b"))
    role = schema.service().shape_for("RoleArn")
    assert not list(schema.violations(role, "arn:aws:iam::123456789012:role/x"))
    assert list(schema.violations(role, "arn:aws:iam::12345678901\u0663:role/x"))
    assert list(schema.violations(schema.service().shape_for("CompilerOptions"), '{"a":\n1}'))


def _constraints(shape: Any, path: str = "") -> Any:
    for rule in shape.metadata:
        if rule in ("min", "max", "pattern", "enum", "required"):
            yield path, shape, rule
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from _constraints(member, f"{path}.{name}")
    elif shape.type_name == "list":
        yield from _constraints(shape.member, f"{path}.[]")


EVERY = [
    (operation, path, shape, rule)
    for operation in OPERATIONS
    for path, shape, rule in _constraints(schema.service().operation_model(operation).input_shape)
]


@pytest.mark.parametrize(
    ("shape", "rule"),
    [pytest.param(s, r, id=f"{o}{p}-{r}") for o, p, s, r in EVERY],
)
def test_every_constraint_of_the_model_is_checked(shape: Any, rule: str) -> None:
    limit = shape.metadata[rule]
    size: dict[str, Callable[[int], Any]] = {
        "string": lambda n: "a" * n,
        "list": lambda n: [None] * n,
        "integer": lambda n: n,
    }
    breaking_values: dict[str, Callable[[], Any]] = {
        "max": lambda: size[shape.type_name](limit + 1),
        "min": lambda: size[shape.type_name](limit - 1) if limit else None,
        "pattern": lambda: "\n\u20ac!" if not shape.metadata["pattern"].startswith("[\\S") else "",
        "enum": lambda: "other",
        "required": dict,
    }
    breaking = breaking_values[rule]()
    if breaking is None:  # nothing is shorter than nothing
        return
    said = {
        "max": "less than or equal to",
        "min": "greater than or equal to",
        "pattern": "satisfy regular expression pattern: ",
        "enum": "satisfy enum value set: ",
        "required": "must not be null",
    }[rule]
    assert any(said in text for text in schema.violations(shape, breaking))
