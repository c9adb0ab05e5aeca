"""DataInputConfig: every documented form, lenient reading, and one clear sentence otherwise."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontends.inputs import MAX_RANK, parse
from frontends.model import Known, ModelError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"data": [1, 3, 224, 224]}', {"data": (1, 3, 224, 224)}),
        ('{"a": [1], "b": [-1, 2]}', {"a": (1,), "b": (-1, 2)}),
        ('{"scalar": []}', {"scalar": ()}),
        ("[[1, 3], [4]]", [(1, 3), (4,)]),
        ("[1, 3]", [(1, 3)]),
        ("{'data': [1, 3]}", {"data": (1, 3)}),
        ("{'data': (1, 3)}", {"data": (1, 3)}),
        ("{'data': [null, 3]}", {"data": (-1, 3)}),
        ('{"data": [null, 3]}', {"data": (-1, 3)}),
        ("{'null': [1], 'is true': [2]}", {"null": (1,), "is true": (2,)}),
        ("  {'data': [1, 3],}\n", {"data": (1, 3)}),
        ('{"x": [2], "k": {"value": [5]}}', {"x": (2,), "k": Known([5])}),
        ('[[2], {"value": 0.5}]', [(2,), Known(0.5)]),
    ],
)
def test_forms(text: str, expected: object) -> None:
    assert parse(text) == expected


def test_no_text_is_no_config() -> None:
    assert parse(None) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Cannot load DataInputConfig. Incorrect json format. Expecting value"),
        ("{", "Cannot load DataInputConfig. Incorrect json format."),
        ("{'data': [1, 3]", "Cannot load DataInputConfig. Incorrect json format."),
        ("__import__('os').getcwd()", "Cannot load DataInputConfig. Incorrect json format."),
        ("[" * 8000, "Cannot load DataInputConfig. Incorrect json format."),
        ("'\\d'", "DataInputConfig is not dictionary or list."),
        ("7", "DataInputConfig is not dictionary or list."),
        ('"data"', "DataInputConfig is not dictionary or list."),
        ("{}", "names no input"),
        ("[]", "holds no shape"),
        ('{"data": "1,3"}', 'input "data" is not a list of integers'),
        ('{"data": {"shape": [1]}}', 'input "data" is not a list of integers'),
        ('{"k": {"value": "a"}}', 'the value of input "k" is not a number, or nested lists'),
        ('{"k": {"value": [[1], [1, 2]]}}', 'the value of input "k" is not a number'),
        ('{"data": [1, -3]}', 'input "data" has a dimension -3 that is negative'),
        ('{"data": [0]}', 'input "data" has a dimension 0 that is zero'),
        ('{"data": [1.5]}', "1.5 that is not an integer"),
        ('{"data": [true]}', "True that is not an integer"),
        ('[[1], ["a"]]', "input 1 has a dimension 'a'"),
        ("[[1], 2]", "input 0 has a dimension [1]"),
        ("{1: [1]}", "the input name 1 is not a string"),
        ('{"": [1]}', "the input name '' is not a string"),
        ('{"a": [1], "a": [2]}', 'the input "a" twice'),
        ('{"a": [' + ",".join("1" * (MAX_RANK + 1)) + "]}", "has 9 dimensions, more than 8"),
        ('{"a": [65536, 65536]}', "more than 2147483647 elements"),
        ('{"a": [-' + "9" * 4000 + "]}", "of more than 64 bits that is negative"),
        ('{"a": [1]}' + " " * 20000, "more than 16384"),
    ],
)
def test_bad_text_is_one_clear_sentence(text: str, says: str) -> None:
    with pytest.raises(ModelError) as info:
        parse(text)
    message = str(info.value)
    assert message.startswith("InputConfiguration: ") and says in message
    assert len(message) < 500


names = st.text(min_size=1, max_size=8)
shapes = st.lists(st.one_of(st.just(-1), st.integers(1, 9)), max_size=MAX_RANK)


@given(st.dictionaries(names, shapes, min_size=1, max_size=4))
def test_json_and_python_text_mean_the_same(config: dict[str, list[int]]) -> None:
    expected = {name: tuple(shape) for name, shape in config.items()}
    assert parse(json.dumps(config)) == expected
    assert parse(repr(config)) == expected


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except ModelError:
        pass
