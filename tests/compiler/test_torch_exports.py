"""What torch's own exporters write of branches, loops and recurrent layers: compiled, run every
way, and compared with torch's answers.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest

import frontends
import targets
from benchmarks import models, suite
from compiler import assemble, codegen, plan
from compiler.abi import run_apart
from tests.compiler import nets

ROOT = Path(__file__).parents[2]
NO_NETWORK = ("NewConnectionError", "Temporary failure in name resolution", "ProxyError")


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files, from the environment that exports the suite's networks."""
    folder = tmp_path_factory.mktemp("exports")
    try:
        command = [str(suite.torch_python()), "-m", "tests.compiler.torch_exports", str(folder)]
        weights = str(models.fetch("resemblyzer"))
    except models.FetchError as error:
        if any(text in str(error) for text in NO_NETWORK):
            pytest.skip(f"no network to fetch torch and weights: {error}")
        raise
    for arguments in ([], [weights]):
        subprocess.run([*command, *arguments], cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "operator"),
    [("if", "If"), ("cond", "If"), ("until", "Loop"), ("times", "Loop"), ("speaker", "LSTM")],
)
def test_it_gives_torchs_answers(exports: Path, tmp_path: Path, name: str, operator: str) -> None:
    path = exports / f"{name}.onnx"
    if not path.exists():
        pytest.skip("the environment lacks onnxscript, which dynamo's exporter needs")
    assert operator in {node.op_type for node in onnx.load(path).graph.node}
    known = dict(np.load(path.with_suffix(".npz")))
    wanted = [known.pop(f"y {n}") for n in range(sum(key.startswith("y ") for key in known))]
    inputs = {key.split()[0] for key in known}
    feeds = [{name: known[f"{name} {n}"] for name in inputs} for n in range(len(wanted))]
    shapes = {name: list(array.shape) for name, array in feeds[0].items()}
    model = frontends.load("ONNX", path, json.dumps(shapes))
    profile = targets.get("host")
    lowered = nets.lower(model, "host")
    objects = codegen.compile_kernels(lowered.kernels, profile, tmp_path)
    made = plan.make(lowered, tmp_path)
    folder = assemble.link(objects, made, model.signature, profile, tmp_path / "artifact")
    for want, got in zip(wanted, run_apart(folder, feeds), strict=True):
        [answer] = got.values()
        np.testing.assert_allclose(answer.reshape(want.shape), want, rtol=1e-5, atol=1e-6)
