"""benchmarks/floors.py: least times, and the reasons that can be computed."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import frontends
import targets
from benchmarks import floors
from benchmarks.artifacts import Network
from benchmarks.peak import Peak
from compiler import pipeline
from compiler.calls import Row
from compiler.lowered import Kernel, Lowered

PEAK = Peak(100.0, 10.0, 50.0)
AVX2 = targets.PROFILES["ml_c4"]
SHAPE = (1, 3, 10, 10)


def network(folder: Path) -> Network:
    """A convolution of twelve channels and a flattened product."""
    rng = np.random.default_rng(0)
    weights = {"k": (12, 3, 3, 3), "m": (12 * 64, 20)}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "k"], ["c"]),
            helper.make_node("Flatten", ["c"], ["f"]),
            helper.make_node("MatMul", ["f", "m"], ["y"]),
        ],
        "net",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, SHAPE)],
        [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(rng.random(s, np.float32), n) for n, s in weights.items()],
    )
    path = folder / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return Network("net", path, {"x": np.zeros(SHAPE, np.float32)})


@pytest.fixture
def lowered(tmp_path: Path) -> Lowered:
    net = network(tmp_path)
    model = frontends.load("ONNX", net.path, json.dumps({"x": SHAPE}))
    profile = targets.get("host")
    return pipeline.schedule(pipeline.lower(model.module, profile), profile)


def of(kernels: dict[str, Kernel], template: str) -> Kernel:
    return next(k for k in kernels.values() if k.schedule.template.name == template)


def row(kernel: Kernel, ms: float, flops: int, nbytes: int) -> Row:
    name, template = kernel.name, kernel.schedule.template.name
    return Row((), name, template, {}, (1,), ms, 1.0, flops, nbytes)


def test_the_kernels_are_those_of_the_artifact(tmp_path: Path, lowered: Lowered) -> None:
    again = floors.kernels(network(tmp_path), lowered.report(), 2)
    assert {n: k.symbol for n, k in again.items()} == {
        n: k.symbol for n, k in lowered.kernels.items()
    }


def test_the_floor_is_the_longer_time_and_the_weights_are_cold_in_a_large_net(
    tmp_path: Path, lowered: Lowered
) -> None:
    known = floors.kernels(network(tmp_path), lowered.report(), 2)
    product = of(known, "matmul")
    weights = floors.weight_bytes(product)
    assert weights >= 12 * 64 * 20 * 4
    busy = row(product, 1.0, 2 * 10**7, weights + 1000)
    (near,) = floors.floors([busy], known, PEAK)
    assert near.ms == near.fma_ms == pytest.approx(0.2)
    assert near.memory_ms == pytest.approx((weights + 1000) / 50e6)
    many = [busy] * (targets.get("host").l3_bytes // weights + 1)
    cold = floors.floors(many, known, PEAK)[0]
    assert cold.memory_ms == pytest.approx(weights / 10e6 + 1000 / 50e6)


def test_reasons_are_what_the_schedule_says(tmp_path: Path, lowered: Lowered) -> None:
    known = floors.kernels(network(tmp_path), lowered.report(), 2)
    convolution, product = of(known, "conv2d"), of(known, "matmul")
    said = floors.reason(convolution, floors.Floor(1.0, 0.5), 0.0)
    assert "channels fill 75% of the lanes" in said and "x the FMA time" not in said
    assert floors.reason(product, floors.Floor(1.0, 2.5), 2.0).startswith(
        "bytes take 2.5 x the FMA time"
    )
    assert floors.reason(product, floors.Floor(1.0, 0.5), 0.4).startswith(
        "weights from memory take 40% of the FMA time"
    )
    quick = row(convolution, 1.0, 9 * 10**7, 0)
    (floor,) = floors.floors([quick], known, PEAK)
    assert floor.reason == ""  # it is near the peak


@pytest.mark.parametrize(
    ("count", "cores", "share"), [(1, 2, 0.5), (2, 2, 1.0), (7, 2, 0.875), (3, 1, 1.0)]
)
def test_tasks_are_shared_by_whole_ones(count: int, cores: int, share: float) -> None:
    assert floors.balance(count, cores) == share


def test_a_small_tile_waits_for_loads_or_sums() -> None:
    assert floors.reached([6], [2], AVX2) == 1.0
    assert floors.reached([1], [1], AVX2) == 0.5 / 4  # sums
    assert floors.reached([14], [1], AVX2) == pytest.approx(7 / 7.5)  # loads
