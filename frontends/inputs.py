"""DataInputConfig: the client's text -> shapes by input name, or in the order of the inputs.

Forms: {"data": [1, 3, 224, 224]} by name, [[1, 3, 224, 224], [1, 10]] by place, and the bare
[1, 3, 224, 224] for a model of one input. -1 and null are a dimension unknown at compile time.
An input's value in place of its shape, {"k": {"value": [5]}}, makes it a constant.
"""

import ast
import json
import logging
import math
import re
import warnings

import numpy as np

from frontends.model import DataInputConfig, Given, Known, ModelError

MAX_CHARACTERS = 16384  # the API's limit for the text
MAX_RANK = 8
MAX_ELEMENTS = 2**31 - 1  # kernels index with 32-bit integers

_FORMS = 'Write {"name": [1, 3, 224, 224]}, or [[1, 3, 224, 224]] in the order of the inputs.'
_PYTHON_NAMES = {"true": "True", "false": "False", "null": "None"}
_STRING_OR_NAME = re.compile(
    r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|\b(true|false|null)\b""", re.DOTALL
)
_log = logging.getLogger(__name__)


def parse(text: str | None) -> DataInputConfig | None:
    """None stays None: the front end derives the shapes from the model, or says why it cannot.

    Raises ModelError for text that is neither JSON nor a Python literal, and for bad shapes.
    """
    if text is None:
        return None
    if len(text) > MAX_CHARACTERS:
        raise _error(f"DataInputConfig has {len(text)} characters, more than {MAX_CHARACTERS}.")
    value = _read(text)
    if isinstance(value, dict):
        if not value:
            raise _error(f"DataInputConfig names no input. {_FORMS}")
        return {_name(name): _given(f'"{name}"', entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        if not value:
            raise _error(f"DataInputConfig holds no shape. {_FORMS}")
        entries = value if all(isinstance(v, list | tuple | dict) for v in value) else [value]
        return [_given(f"{place}", entry) for place, entry in enumerate(entries)]
    raise _error(f"DataInputConfig is not dictionary or list. {_FORMS}")


def _read(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as problem:
        strict = str(problem)
    try:
        with warnings.catch_warnings():
            # Python reports doubtful escapes as warnings on stderr; the text is the client's.
            warnings.simplefilter("ignore")
            value: object = ast.literal_eval(_as_python(text).strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise _error(
            f"Cannot load DataInputConfig. Incorrect json format. {strict} {_FORMS}"
        ) from None
    _log.warning("DataInputConfig is not JSON (%s); read it as a Python literal.", strict)
    return value


def _as_python(text: str) -> str:
    """JSON's bare names become Python's; text inside quotes stays."""
    return _STRING_OR_NAME.sub(lambda found: found[1] or _PYTHON_NAMES[found[2]], text)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _error(f'DataInputConfig gives the input "{twice}" twice.')
    return found


def _name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise _error(f"DataInputConfig: the input name {name!r} is not a string. {_FORMS}")
    return name


def _given(where: str, entry: object) -> Given:
    if not isinstance(entry, dict) or entry.keys() != {"value"}:
        return _shape(where, entry)
    try:
        numeric = np.asarray(entry["value"]).dtype.kind in "biuf"
    except ValueError:  # lists of different lengths
        numeric = False
    if not numeric:
        raise _error(
            f"DataInputConfig: the value of input {where} is not a number, or nested lists of "
            f"numbers, but {_shorten(entry['value'])}."
        )
    return Known(entry["value"])


def _shape(where: str, dims: object) -> tuple[int, ...]:
    if not isinstance(dims, list | tuple):
        raise _error(
            f"DataInputConfig: the shape of input {where} is not a list of integers but "
            f"{_shorten(dims)}. {_FORMS}"
        )
    if len(dims) > MAX_RANK:
        raise _error(
            f"DataInputConfig: input {where} has {len(dims)} dimensions, more than {MAX_RANK}."
        )
    shape = tuple(_dimension(where, dim) for dim in dims)
    if math.prod(dim for dim in shape if dim > 0) > MAX_ELEMENTS:
        raise _error(
            f"DataInputConfig: input {where} has more than {MAX_ELEMENTS} elements "
            f"({_shorten(list(shape))}). Ask for a smaller shape."
        )
    return shape


def _dimension(where: str, dim: object) -> int:
    if dim is None:
        return -1
    if isinstance(dim, bool) or not isinstance(dim, int):
        problem = "is not an integer"
    elif dim == -1 or dim > 0:
        return dim
    else:
        problem = "is zero" if dim == 0 else "is negative"
    raise _error(
        f"DataInputConfig: input {where} has a dimension {_shorten(dim)} that {problem}; "
        "dimensions are positive integers, or -1 for one unknown at compile time."
    )


def _shorten(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 64:
        return "of more than 64 bits"  # str() of a giant integer is slow, or refused
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _error(text: str) -> ModelError:
    return ModelError(f"InputConfiguration: {text}")
