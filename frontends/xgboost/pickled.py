"""The bytes of the model inside a pickled or joblib Booster. Nothing of the file is run: every
class and function that it names becomes an inert one of this module, of a list of modules only.
"""

from __future__ import annotations

import io
import pickle
import zlib
from typing import Any

from frontends.model import ModelError

MODULES = (
    *("xgboost", "numpy", "copyreg", "copy_reg", "_codecs", "collections"),
    *("builtins", "__builtin__"),
)
BUILTINS = ("object", "bytearray", "bytes", "set", "frozenset", "dict", "list", "int", "float")
MOST = 1 << 31
DEEPEST = 16


class Inert:
    """Stands for whatever a pickle makes: it keeps what it was given."""

    given: tuple[Any, ...] = ()
    state: Any = None

    def __init__(self, *given: Any) -> None:
        self.given = given

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def append(self, item: Any) -> None:
        pass

    def extend(self, items: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[Inert]:
        root = module.split(".")[0]
        builtin = root in ("builtins", "__builtin__") and name not in BUILTINS
        if root not in MODULES or builtin:
            raise ModelError(
                f"The pickle names {module}.{name}, which is no part of an XGBoost model. Save the "
                "model with Booster.save_model."
            )
        return type(name, (Inert,), {})


def is_pickle(data: bytes) -> bool:
    """A pickle of protocol 2 or newer, also as joblib compresses it."""
    return data[:1] == b"\x80" and data[1:2] in (b"\2", b"\3", b"\4", b"\5")


def decompressed(data: bytes) -> bytes:
    """What joblib wrote with zlib."""
    if data[:1] != b"\x78":
        return data
    try:
        return zlib.decompressobj().decompress(data, MOST)
    except zlib.error:
        return data


def model_in(data: bytes) -> bytes:
    """The booster's own bytes. Raises ModelError for a pickle of anything else."""
    try:
        made = _Reader(io.BytesIO(data)).load()
    except ModelError:
        raise
    except Exception as problem:  # whatever a broken or hostile pickle leads to
        raise ModelError(f"The pickle cannot be read: {problem}") from None
    found = _handle(made, 0)
    if found is None:
        raise ModelError(
            "The pickle holds no trained xgboost.Booster. Save the model with Booster.save_model."
        )
    return found


def _handle(made: Any, depth: int) -> bytes | None:
    """The first `handle` of bytes, in the states of what was made."""
    if depth > DEEPEST:
        return None
    if isinstance(made, Inert):
        parts = [made.state, *made.given]
    elif isinstance(made, dict):
        value = made.get("handle")
        while isinstance(value, Inert):  # bytearray(codecs.encode(text, "latin1"))
            value = value.given[0] if value.given else None
        value = value.encode("latin-1", "replace") if isinstance(value, str) else value
        if isinstance(value, (bytes, bytearray)):
            return bytes(value)
        parts = list(made.values())
    else:
        parts = list(made) if isinstance(made, (list, tuple)) else []
    return next(filter(None, (_handle(part, depth + 1) for part in parts)), None)
