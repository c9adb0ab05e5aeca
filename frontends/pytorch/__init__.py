"""PyTorch in: TorchScript and ExportedProgram, as ONNX models that torch itself exports.

torch is an extra, and has a process of its own: its archives may run code.
"""

from __future__ import annotations

from pathlib import Path

from frontends import apart, exported
from frontends.model import DataInputConfig, Model, ModelError
from frontends.pytorch import kinds

TORCH = apart.Framework(
    name="PYTORCH",
    title="torch",
    script=Path(__file__).with_name("export.py"),
    extra="pytorch",
    cannot_load="Framework cannot load PyTorch model.",
    cannot_convert="TVM cannot convert the PyTorch model. Invalid model or input-shape mismatch. "
    "Make sure that inputs are lexically ordered and of the correct dimensionality.",
)
NEEDED = {"script": ("torch",), "program": ("torch", "onnxscript")}
DTYPES = {"float": "float32", "float32": "float32", "int64": "int64", "long": "int64"}


def load(path: Path, config: DataInputConfig | None, dtype: object = None) -> Model:
    """dtype: of CompilerOptions, for all inputs. Raises ModelError."""
    if dtype is not None and str(dtype) not in DTYPES:
        raise ModelError(f"CompilerOptions dtype {dtype!r} is none of {', '.join(DTYPES)}.")
    try:
        kind = kinds.kind(path)
    except ModelError as cause:
        raise ModelError(f"{TORCH.cannot_load} {cause}") from None
    if isinstance(config, dict):  # onto forward()'s positions, as Neo has it
        config = dict(sorted(config.items()))
    asked = exported.asked(config)
    process = apart.Process(TORCH, path, NEEDED[kind], kind=kind)
    return exported.model(process, config, dtype=DTYPES[str(dtype)] if dtype else None, **asked)
