"""Every operator of the standard is imported or refused with a reason; every attribute is read."""

import dis
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import onnx
import pytest

from frontends.model import Model, ModelError
from frontends.onnx import ops
from frontends.onnx.ops.refused import REASONS

OLDEST = 7  # the first opset that is imported
CONTROL = {"If", "Loop", "Scan", "SequenceMap"}
DOMAINS = {"", "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training"}

# What no importer has to read, and why.
NOT_READ = {
    ("Conv", "kernel_shape"): "the weights have it",
    ("DeformConv", "kernel_shape"): "the weights have it",
    ("Dropout", "ratio"): "of training",
    ("Dropout", "seed"): "of training",
    ("GRU", "hidden_size"): "the weights have it",
    ("LSTM", "hidden_size"): "the weights have it",
    ("LinearClassifier", "multi_class"): "how it was trained",
    ("LinearRegressor", "targets"): "the coefficients have it",
    ("Optional", "type"): "of nothing",
    ("RNN", "hidden_size"): "the weights have it",
    ("Range", "stash_type"): "it is computed when the model is compiled, in float64",
    ("SequenceEmpty", "dtype"): "of nothing",
    ("TopK", "sorted"): "in order is one of any orders",
    ("TreeEnsemble", "nodes_hitrates"): "how often a node is visited",
    ("TreeEnsembleClassifier", "nodes_hitrates"): "how often a node is visited",
    ("TreeEnsembleClassifier", "nodes_hitrates_as_tensor"): "how often a node is visited",
    ("TreeEnsembleRegressor", "nodes_hitrates"): "how often a node is visited",
    ("TreeEnsembleRegressor", "nodes_hitrates_as_tensor"): "how often a node is visited",
}


def schemas() -> Iterator[Any]:
    """Each version of each operator that a model of opset 7 or later may have."""
    known: dict[tuple[str, str], list[Any]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        known.setdefault((schema.domain, schema.name), []).append(schema)
    for (domain, _), versions in sorted(known.items()):
        versions.sort(key=lambda schema: schema.since_version)
        for schema, following in zip(versions, [*versions[1:], None], strict=True):
            replaced = following is not None and following.since_version <= OLDEST
            if domain in DOMAINS and not (domain == "" and replaced):
                yield schema


def function(schema: Any) -> Callable[..., Any] | None:
    version = schema.since_version if schema.domain else max(schema.since_version, OLDEST)
    return ops.find(schema.domain, schema.name, version)


EVERY = [s for s in schemas() if s.name not in REASONS.get(s.domain, {}) and s.name not in CONTROL]
IMPORTED = [s for s in EVERY if function(s)]


def title(schema: Any) -> str:
    return f"{schema.domain}:{schema.name}-{schema.since_version}"


def unwrapped(schema: Any) -> tuple[Callable[..., Any], set[str]]:
    """What is behind decorators, and the arguments that they give."""
    found, bound = inspect.unwrap(function(schema)), set[str]()  # type: ignore[arg-type]
    while isinstance(found, functools.partial):
        bound |= set(found.keywords)
        found = inspect.unwrap(found.func)
    return found, bound


def test_no_domain_is_forgotten() -> None:
    assert {s.domain for s in onnx.defs.get_all_schemas_with_history()} == DOMAINS >= {*REASONS}


@pytest.mark.parametrize("schema", EVERY, ids=title)
def test_every_operator_is_imported(schema: Any) -> None:
    """By a function or by the standard's own body."""
    body = schema.has_function or schema.has_context_dependent_function
    assert function(schema) or body


@pytest.mark.parametrize("schema", IMPORTED, ids=title)
def test_every_input_has_a_place(schema: Any) -> None:
    parameters = list(inspect.signature(unwrapped(schema)[0]).parameters.values())[1:]
    places = [p for p in parameters if p.kind == p.POSITIONAL_OR_KEYWORD]
    rest = any(p.kind == p.VAR_POSITIONAL for p in parameters)
    assert rest or len(places) >= schema.max_input


@pytest.mark.parametrize("schema", IMPORTED, ids=title)
def test_every_attribute_is_read_or_listed(schema: Any) -> None:
    found, bound = unwrapped(schema)
    parameters = inspect.signature(found).parameters.values()
    if any(p.kind == p.VAR_KEYWORD for p in parameters):
        return  # it looks at all of them
    assert set(schema.attributes) <= {p.name for p in parameters if p.kind == p.KEYWORD_ONLY}
    loads = {i.argval for i in dis.get_instructions(found) if i.opname.startswith("LOAD_")}
    read = loads | bound | {*found.__code__.co_cellvars}
    ignored = set(schema.attributes) - read
    assert ignored <= {attribute for name, attribute in NOT_READ if name == schema.name}


@pytest.mark.parametrize(
    ("domain", "name"), [(d, n) for d, names in REASONS.items() for n in names]
)
def test_what_is_refused_exists(domain: str, name: str) -> None:
    assert onnx.defs.has(name, domain)


def test_a_refusal_says_why(load: Callable[..., Model]) -> None:
    with pytest.raises(ModelError, match="give it the pixels"):
        load("g (uint8[9] x) => (uint8[] y) { y = ImageDecoder(x) }", 20)
