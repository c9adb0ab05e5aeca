"""Tiny networks as ONNX text, imported and lowered for real, and what can be asked of them."""

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import tvm
from tvm import relax
from tvm.ir import GlobalVar

import frontends
import targets
from compiler import pipeline
from compiler.kernels.workload import operator_of
from compiler.lowered import Lowered
from frontends.model import Model

Array = np.ndarray

DEVICE = "ml_c4"  # a row, not the machine at hand: plans are the same everywhere

KINDS = {"float32": "float", "int64": "int64"}

# Convolution, bias and activation become one kernel; the reshape none; p is the input itself.
NET = """
<ir_version: 8, opset_import: ["": 17]>
net (float[1, 8, 4, 4] x) => (float[1, 8, 4, 4] y, float[1, 128] flat, float[1, 8, 4, 4] p)
<float[8, 8, 1, 1] w = {WEIGHT}, float[8] b = {BIAS}, int64[2] to = {1, 128}>
{
    c = Conv(x, w, b)
    y = Relu(c)
    s = Sigmoid(y)
    flat = Reshape(s, to)
    p = Identity(x)
}
"""


def net() -> str:
    """NET with its numbers."""
    weight = ", ".join(str((n * 7 % 13 - 6) / 8) for n in range(64))
    bias = ", ".join(str(n / 4 - 1) for n in range(8))
    return NET.replace("{WEIGHT}", f"{{{weight}}}").replace("{BIAS}", f"{{{bias}}}")


def text(signature: str, body: str, constants: dict[str, Array] | None = None) -> str:
    """A network of the text form: `float[2] x`, ... => `float[2] y` { nodes }."""
    given = ", ".join(
        f"{KINDS[str(a.dtype)]}[{', '.join(map(str, a.shape))}] {name} = "
        f"{{{', '.join(repr(v) for v in a.ravel().tolist())}}}"
        for name, a in (constants or {}).items()
    )
    return f"""<ir_version: 8, opset_import: ["": 17]>
net {signature} <{given}> {{ {body} }}"""


def save(text: str, folder: Path) -> Path:
    path = folder / "net.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    return path


def load(text: str, folder: Path) -> Model:
    return frontends.load("ONNX", save(text, folder), None)


def lower(model: Model, device: str = DEVICE) -> Lowered:
    profile = targets.get(device)
    return pipeline.schedule(pipeline.lower(model.module, profile), profile)


def operators(function: relax.Function) -> list[str]:
    """What main, or a kernel, calls, in order."""
    calls = [binding.value for binding in function.body.blocks[0].bindings]
    return [
        call.op.name_hint if isinstance(call.op, GlobalVar) else operator_of(call)
        for call in calls
        if isinstance(call, relax.Call)
    ]


def evaluate(module: tvm.IRModule, *inputs: Array) -> list[Array]:
    """By TVM's own compiler: what a module means before a pass, and must mean behind it."""
    executable = relax.build(relax.transform.LegalizeOps()(module), "llvm")
    results = relax.VirtualMachine(executable, tvm.cpu())["main"](*map(tvm.runtime.tensor, inputs))
    return [result.numpy() for result in results]
