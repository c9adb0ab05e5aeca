"""Symbol files and parameter files, written as MXNet wrote them."""

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from frontends.mxnet.convert import Converter
from frontends.mxnet.params import TYPES
from frontends.mxnet.symbol import parse
from tests.frontends.mxnet.cases import Case

Array = np.ndarray
ARRAYS = Path(__file__).with_name("references.npz")


def ran(model: Any, feeds: Mapping[str, Array]) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    names = {i.name for i in session.get_inputs()}
    return [
        np.asarray(y) for y in session.run(None, {k: v for k, v in feeds.items() if k in names})
    ]


def answers(case: Case) -> list[Array]:
    params = {k: v for k, v in case.arguments.items() if k != "x0"}
    made = Converter(parse(case.text().encode()), params).model({"x0": case.inputs[0].shape})
    return ran(made, {"x0": case.inputs[0]})


def stored(arrays: Mapping[str, Array], form: int = 0xF993FAC9) -> bytes:
    """form: what comes before an array; 0 for files of before 0.11."""
    out = struct.pack("<QQQ", 0x112, 0, len(arrays))
    for array in arrays.values():
        kind = TYPES.index(array.dtype.str[1:] if array.dtype.kind != "b" else "?")
        dims = struct.pack(f"<I{array.ndim}{'q' if form else 'I'}", array.ndim, *array.shape)
        out += struct.pack("<I", form) if form else b""
        out += struct.pack("<i", 0) if form > 0xF993FAC8 else b""
        out += dims + struct.pack("<iii", 1, 0, kind) + array.tobytes()
    out += struct.pack("<Q", len(arrays))
    for name in arrays:
        out += struct.pack("<Q", len(name)) + name.encode()
    return out


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., Path]:
    def files(symbol: dict[str, Any], arrays: Mapping[str, Array]) -> Path:
        path = tmp_path / "net-symbol.json"
        path.write_text(json.dumps(symbol))
        named = {f"arg:{k}": v for k, v in arrays.items()}
        (tmp_path / "net-0000.params").write_bytes(stored(named))
        return path

    return files
