"""Any file of a Booster as one document: what `save_model` writes as JSON."""

from __future__ import annotations

import json
import struct
from typing import Any

from frontends.model import ModelError
from frontends.xgboost import legacy, pickled, ubjson

CONFIGURED = b"CONFIG-offset:"  # before a binary model that was pickled with its settings


def read(data: bytes) -> dict[str, Any]:
    """By what the file holds, whatever its name is. Raises ModelError."""
    data = pickled.decompressed(data)
    if pickled.is_pickle(data):
        data = pickled.model_in(data)
    found = _parsed(data)
    found = found.get("Model", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not isinstance(found.get("learner"), dict):
        raise ModelError("The file is no XGBoost model: it has no learner.")
    return found


def _parsed(data: bytes) -> Any:
    if data.startswith(CONFIGURED):
        start = len(CONFIGURED) + 8
        if len(data) < start:
            raise ModelError("The file is no XGBoost model: it ends too early.")
        (length,) = struct.unpack_from("<q", data, len(CONFIGURED))
        return _parsed(data[start : start + length])
    if data[:1] != b"{":
        return legacy.parse(data)
    if data[1:2] in (b"L", b"l", b"I", b"i", b"U", b"$", b"#", b"N"):
        return ubjson.parse(data)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise ModelError(f"The file is no XGBoost model: {problem}") from None
