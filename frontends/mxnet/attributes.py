"""Attributes as MXNet writes them, text, read by the annotations of an operator's function."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from frontends.model import ModelError

Ints = tuple[int, ...]
Spans = tuple[int | None, ...]
Floats = tuple[float, ...]

# Of training, of devices, of how MXNet computes; or what the number of inputs says already.
WITHOUT_EFFECT = frozenset(
    """
    workspace cudnn_tune cudnn_off cudnn_algo_verbose cudnn_algo_fwd cudnn_algo_bwd_data
    cudnn_algo_bwd_filter cudnn_algo_fwd_prec cudnn_algo_bwd_data_prec cudnn_algo_bwd_filter_prec
    cudnn_tensor_core cudnn_tensor_core_only ctx ctx_group lr_mult wd_mult force_mirroring
    mirror_stage num_args sparse_grad momentum grad_scale normalization ignore_label use_ignore
    out_grad smooth_alpha valid_thresh min_calib_range max_calib_range input_dim
    ndev key
    """.split()
)
MAX_CHARACTERS = 1 << 16


def read(function: Callable[..., Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Values for the function's keywords. Raises ModelError for an attribute that it lacks."""
    hints = get_type_hints(function)
    known = {
        p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY
    }
    values = {}
    for name, text in given.items():
        if name in known:
            values[name] = _value(name, text, hints[name])
        elif name not in WITHOUT_EFFECT and not name.startswith("__") and not _of_training(name):
            raise ModelError(f"the attribute {name}={text[:60]!r} is unknown")
    return values


def _of_training(name: str) -> bool:
    return name.endswith(("_lr_mult", "_wd_mult", "_init"))


def _value(name: str, text: str, kind: Any) -> Any:
    try:
        return PARSERS[kind](text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise ModelError(f"the attribute {name} cannot be {text[:60]!r}") from None


def _bool(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False, "none": False}[text.lower()]


def _boolean(text: str) -> bool:
    try:
        return _bool(text)
    except KeyError:
        raise ValueError(text) from None


def _integer(text: str) -> int:
    """Python 2 wrote long numbers with an L."""
    return int(text.removesuffix("L"))


def _tuple(item: Callable[[Any], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        if len(text) > MAX_CHARACTERS:
            raise ValueError("too long")
        value = ast.literal_eval(text.replace("L", "")) if text != "None" else ()
        return tuple(map(item, value if isinstance(value, (tuple, list)) else (value,)))

    return parse


def _whole(value: Any) -> int:
    if type(value) not in (int, float) or value != int(value):
        raise ValueError(value)
    return int(value)


def _optional(item: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value in (None, "None") else item(value)


PARSERS: dict[Any, Callable[[str], Any]] = {
    int: _integer,
    float: float,
    bool: _boolean,
    str: str,
    int | None: _optional(_integer),
    float | None: _optional(float),
    bool | None: _optional(_boolean),
    str | None: _optional(str),
    Ints: _tuple(_whole),
    Ints | None: _optional(_tuple(_whole)),
    Spans: _tuple(_optional(_whole)),
    Floats: _tuple(float),
}


def shape(text: str | None) -> Ints | None:
    """A variable's own shape, if the file tells it whole."""
    if text is None:
        return None
    dims: Ints = _value("__shape__", text, Ints)
    return dims if all(d > 0 for d in dims) else None
