"""Recurrent layers whose steps threads share, on the runtime's pool: its barrier is in halves."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

import frontends
import targets
from compiler import assemble, codegen, plan
from compiler.abi import Session
from tests.compiler import nets

Array = np.ndarray
STEPS, UNITS = 37, 64
GATES = {"LSTM": 4, "GRU": 3}


@pytest.mark.skipif(targets.get("host").cores == 1, reason="one core shares nothing")
@pytest.mark.parametrize(
    ("operator", "depth", "settings"),
    [
        ("LSTM", 36, ""),  # makes its input's share itself
        ("LSTM", 35, ""),
        ("GRU", 36, ", linear_before_reset=1"),
        ("GRU", 36, ""),  # two parts a step
    ],
)
def test_threads_that_share_a_step_agree(
    operator: str, depth: int, settings: str, tmp_path: Path
) -> None:
    rng, columns = np.random.default_rng(0), GATES[operator] * UNITS
    shapes = {"w": (1, columns, depth), "r": (1, columns, UNITS), "b": (1, 2 * columns)}
    constants = {n: rng.uniform(-0.2, 0.2, s).astype(np.float32) for n, s in shapes.items()}
    body = f"y = {operator} <hidden_size={UNITS}{settings}> (x, w, r, b)"
    signature = f"(float[{STEPS}, 1, {depth}] x) => (float[{STEPS}, 1, 1, {UNITS}] y)"
    path = nets.save(nets.text(signature, body, constants), tmp_path)
    model, profile = frontends.load("ONNX", path, None), targets.get("host")
    lowered = nets.lower(model, "host")
    schedules = [kernel.schedule for kernel in lowered.kernels.values()]
    assert [s.point["parts"] > 1 for s in schedules if s.template.name == "recurrent"] == [True]
    objects = codegen.compile_kernels(lowered.kernels, profile, tmp_path)
    made = plan.make(lowered, tmp_path)
    folder = assemble.link(objects, made, model.signature, profile, tmp_path / "artifact")
    x = rng.standard_normal((STEPS, 1, depth)).astype(np.float32)
    [want] = ort.InferenceSession(path).run(None, {"x": x})
    with Session(folder) as session:
        for threads in (1, 2, 3):
            session.set_threads(threads)
            first: Array = session.run({"x": x})["y"]
            np.testing.assert_allclose(first, want, rtol=1e-4, atol=1e-6)
            for _ in range(200):
                np.testing.assert_array_equal(session.run({"x": x})["y"], first)
