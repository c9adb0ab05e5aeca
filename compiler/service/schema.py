"""Requests and replies against botocore's own model of the service: the one schema there is.

botocore checks few constraints in a client, so that a server must check all: patterns, enums,
lengths and numbers, with AWS's texts.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import regex
from botocore.loaders import Loader
from botocore.model import ServiceModel

from compiler.service.faults import invalid, unreadable

INT32 = range(-(1 << 31), 1 << 31)
LAST_SECOND = 253402300799.0  # of the year 9999, which clients' dates end with
SHOWN = 256  # characters of a value in a message
# Constraints that the model lacks, by shape.
FURTHER: Mapping[str, Mapping[str, Any]] = {"MaxRuntimeInSeconds": {"max": 2419200}}


@cache
def service() -> Any:
    """botocore's ServiceModel."""
    return ServiceModel(Loader().load_service_model("sagemaker", "service-2"), "sagemaker")


def load(operations: Iterable[str]) -> None:
    """Now, and not while the first caller waits."""
    for operation in operations:
        _ = service().operation_model(operation).input_shape


def checked(operation: str, value: Any) -> dict[str, Any]:
    """The operation's known members, those that are null left out.

    Raises Fault: SerializationException for a wrong type, ValidationException that names every
    constraint that does not hold."""
    shape = service().operation_model(operation).input_shape
    members: dict[str, Any] = typed(shape, value)
    if found := list(violations(shape, members)):
        errors = "error" if len(found) == 1 else "errors"
        raise invalid(f"{len(found)} validation {errors} detected: {'; '.join(found)}")
    return members


def typed(shape: Any, value: Any) -> Any:
    """The value with its known members alone. Raises SerializationException for a wrong type."""
    return TYPES[shape.type_name](shape, value)


def _structure(shape: Any, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise unreadable(f"{_kind(value)} cannot be converted to {shape.name}")
    return {
        name: typed(member, value[name])
        for name, member in shape.members.items()
        if value.get(name) is not None
    }


def _list(shape: Any, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise unreadable(f"{_kind(value)} cannot be converted to {shape.name}")
    return [typed(shape.member, item) for item in value]


def _string(shape: Any, value: Any) -> str:
    if not isinstance(value, str):
        raise unreadable(f"{_kind(value)} cannot be converted to String")
    return value


def _integer(shape: Any, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise unreadable(f"{_kind(value)} cannot be converted to Integer")
    if value not in INT32:
        raise unreadable("NUMBER_VALUE is out of the range of Integer")
    return value


def _timestamp(shape: Any, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise unreadable(f"{_kind(value)} cannot be converted to Timestamp")
    if not abs(value) <= LAST_SECOND:  # no number that is none is, either
        raise unreadable("NUMBER_VALUE is out of the range of Timestamp")
    return float(value)


TYPES = {
    "structure": _structure,
    "list": _list,
    "string": _string,
    "integer": _integer,
    "timestamp": _timestamp,
}
KINDS = {bool: "BOOLEAN_VALUE", str: "STRING_VALUE", list: "LIST_VALUE", dict: "STRUCTURE_VALUE"}


def _kind(value: Any) -> str:
    return "NULL_VALUE" if value is None else KINDS.get(type(value), "NUMBER_VALUE")


def violations(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """`Value 'x' at 'outputConfig.targetDevice' failed to satisfy constraint: ...`, every one."""
    rules = {**shape.metadata, **FURTHER.get(shape.name, {})}
    for rule in _broken(rules, value):
        yield f"Value {_shown(value)} at '{path}' failed to satisfy constraint: Member must {rule}"
    if shape.type_name == "structure":
        for name in shape.required_members:
            if name not in value:
                yield (
                    f"Value null at '{_below(path, name)}' failed to satisfy constraint: "
                    "Member must not be null"
                )
        for name, member in value.items():
            yield from violations(shape.members[name], member, _below(path, name))
    elif shape.type_name == "list" and len(value) <= rules.get("max", len(value)):
        for number, item in enumerate(value, 1):
            yield from violations(shape.member, item, f"{path}.{number}.member")


def _broken(rules: Mapping[str, Any], value: Any) -> Iterator[str]:
    """What the value must do and does not."""
    counted = isinstance(value, str | list)
    size = len(value) if counted else value
    what = "have length" if counted else "have value"
    too_long = "max" in rules and size > rules["max"]
    if too_long:
        yield f"{what} less than or equal to {rules['max']}"
    if "min" in rules and size < rules["min"]:
        yield f"{what} greater than or equal to {rules['min']}"
    if "pattern" in rules and not too_long and not _pattern(rules["pattern"]).fullmatch(value):
        yield f"satisfy regular expression pattern: {rules['pattern']}"
    if "enum" in rules and value not in rules["enum"]:
        yield f"satisfy enum value set: [{', '.join(rules['enum'])}]"


@cache
def _pattern(text: str) -> Any:
    """As Java reads it: \\d and \\w are ASCII, \\p{L} is of Unicode."""
    return regex.compile(text, 0 if r"\p" in text else regex.ASCII)


def _below(path: str, name: str) -> str:
    lower = name[:1].lower() + name[1:]
    return f"{path}.{lower}" if path else lower


def _shown(value: Any) -> str:
    if not isinstance(value, str | list):
        return f"'{value}'"
    text = value if isinstance(value, str) else f"[{', '.join(map(str, value[:8]))}]"
    return f"'{text[:SHOWN]}...'" if len(text) > SHOWN else f"'{text}'"
