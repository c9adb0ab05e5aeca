"""The front ends TENSORFLOW, KERAS and TFLITE: files that TensorFlow made, compiled and judged."""

import ctypes
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import frontends
import targets
from benchmarks import environments, models
from compiler import assemble, codegen, pipeline, plan, steps, verify
from compiler.abi import run_apart
from frontends import apart
from frontends.model import ModelError

ROOT = Path(__file__).parents[3]
NO_NETWORK = ("NewConnectionError", "Temporary failure in name resolution", "ProxyError")
FUSED = "erfc expm1 inv l2_loss log1p mod mul_no_nan tail truncate_mod xdivy xlogy".split()
LANDLOCK = ctypes.CDLL(None).syscall(444, None, 0, 1) >= 2  # landlock_create_ruleset, its version


@pytest.mark.parametrize("framework", ["TENSORFLOW", "KERAS"])
def test_the_extra_is_named_where_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, framework: str
) -> None:
    monkeypatch.setattr(apart, "_is_there", lambda _: False)
    with pytest.raises(ModelError, match=r"lacks: pip install 'neoc\[tensorflow\]'"):
        frontends.load(framework, tmp_path / "model", None)


def test_options_that_are_no_names(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="output_names 7 is no list of names"):
        frontends.load("TENSORFLOW", tmp_path / "model.pb", None, {"output_names": 7})


def test_a_file_that_is_none_of_tflite(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"none of it")
    with pytest.raises(ModelError, match=r"^Framework cannot load TFLite model: model\.tflite"):
        frontends.load("TFLITE", path, None)


# ---- with TensorFlow ----


@pytest.fixture(scope="module")
def python() -> str:
    try:
        return str(environments.tensorflow())
    except models.FetchError as error:
        if any(text in str(error) for text in NO_NETWORK):
            pytest.skip(f"no network to fetch TensorFlow: {error}")
        raise


@pytest.fixture(scope="module")
def files(python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    module = "tests.frontends.tensorflow.tensorflow_files"
    command = [python, "-W", "ignore", "-m", module, str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture
def with_tensorflow(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "PYTHON", python)
    monkeypatch.setattr(apart, "_is_there", lambda _: True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("framework", "name", "config", "outputs"),
    [
        ("TENSORFLOW", "saved", '{"x": [2, 4]}', ["grown"]),
        ("TENSORFLOW", "fused", None, FUSED),
        ("TENSORFLOW", "first", '{"x": [2, 4]}', ["y:0"]),
        ("TENSORFLOW", "frozen.pbtxt", '{"image": [1, 6, 6, 3], "rate": []}', ["made:0"]),
        ("KERAS", "keras1.h5", '{"conv_input": [1, 2, 6, 6]}', ["dense"]),
        ("KERAS", "channels_first.keras", None, ["up"]),
        ("TFLITE", "int8.tflite", None, ["StatefulPartitionedCall_1:0"]),
        ("TFLITE", "uint8.tflite", None, ["StatefulPartitionedCall_1:0"]),
        ("TFLITE", "int16x8.tflite", None, ["StatefulPartitionedCall_1:0"]),
    ],
)
def test_it_gives_tensorflows_answers(
    files: Path, with_tensorflow: None, tmp_path: Path, framework: str, name: str,
    config: str | None, outputs: list[str],
) -> None:  # fmt: skip
    folder = placed(files, name, tmp_path)
    model, profile = frontends.load(framework, folder, config), targets.get("host")
    assert [t.name for t in model.signature.outputs] == outputs
    lowered = pipeline.schedule(pipeline.lower(model.module, profile), profile)
    objects = codegen.compile_kernels(lowered.kernels, profile, tmp_path)
    program = plan.make(lowered, tmp_path)
    made = assemble.link(objects, program, model.signature, profile, tmp_path / "artifact")
    parity = steps.check(made, model, lowered, profile, verify.ask(model), tmp_path)
    if "steps" in parity:  # a half was rounded otherwise
        said: dict[str, Any] = parity["steps"]["framework"]
        assert said["values"] > said["rounded_otherwise"] * 100
    else:
        assert parity["oracle"] == "TensorFlow 2.21.0"
    if name == "keras1.h5":
        known: dict[str, np.ndarray] = dict(np.load(files / "keras1.npz"))
        [got] = list[Any](run_apart(made, [{"conv_input": known["x"].transpose(0, 3, 1, 2)}]))
        np.testing.assert_allclose(got["dense"], known["y"], rtol=1e-4, atol=1e-6)


def placed(files: Path, name: str, folder: Path) -> Path:
    """A copy, for the front end writes beside it."""
    place = folder / name
    subprocess.run(["cp", "-r", str(files / name), str(place)], check=True)
    return place


@pytest.mark.slow
@pytest.mark.parametrize(
    ("framework", "name", "text"),
    [
        ("TENSORFLOW", "unfrozen.pb", "The graph is not frozen: 1 variables .* 'v' among them"),
        ("KERAS", "lambda.keras", r"Unable to load provided Keras model.*not run: 'twice'\."),
        pytest.param(
            "TENSORFLOW",
            "hostile",
            "Framework cannot load Tensorflow model: PermissionDenied",
            marks=pytest.mark.skipif(not LANDLOCK, reason="an old kernel, or a sandbox"),
        ),
    ],
)
def test_what_is_refused(
    files: Path, with_tensorflow: None, tmp_path: Path, framework: str, name: str, text: str
) -> None:
    with pytest.raises(ModelError, match=text):
        frontends.load(framework, placed(files, name, tmp_path), None)
    assert not (files / "written").exists()
