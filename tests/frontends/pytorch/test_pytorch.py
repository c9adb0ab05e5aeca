"""The PYTORCH front end: inputs as Neo matches them, its texts, and files that torch made."""

import ctypes
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import parser

import frontends
import targets
from benchmarks import models, suite
from compiler import assemble, codegen, pipeline, plan, verify
from compiler.abi import run_apart
from frontends import apart, pytorch
from frontends.model import DataInputConfig, Known, ModelError, Tensor
from tests.frontends.pytorch.test_kinds import zipped

ROOT = Path(__file__).parents[3]
NO_NETWORK = ("NewConnectionError", "Temporary failure in name resolution", "ProxyError")
SUM = """<ir_version: 8, opset_import: ["" : 17]>
g (float[2, 3] {0}, float[3] {1}) => (float[2, 3] output_0) { output_0 = Add({0}, {1}) }"""


class Exporter:
    """In the place of torch's process."""

    def __init__(self) -> None:
        self.said: Mapping[str, Any] = {}
        self.job: Mapping[str, Any] = {}

    def run(self, process: apart.Process, step: str, **job: Any) -> Mapping[str, Any]:
        self.job = job
        names = job["names"] or ["input0", "input1"]
        text = SUM.replace("{0}", names[0]).replace("{1}", names[1])
        onnx.save(parser.parse_model(text), process.folder / "model.onnx")
        shapes = [[2, 3], [3]]
        return {"free": [], "names": names, "shapes": shapes, "version": "9.9", **self.said}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return zipped(tmp_path, {"code/__torch__.py": b"", "data.pkl": b""})


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Exporter:
    made = Exporter()
    monkeypatch.setattr(apart, "_is_there", lambda _: True)
    monkeypatch.setattr(apart.Process, "run", lambda *args, **job: made.run(*args, **job))
    return made


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({"mask": (3,), "ids": (2, 3)}, ["ids", "mask"]),
        ({"input2": (3,), "input10": (2, 3)}, ["input10", "input2"]),
        ([(2, 3), (3,)], ["input0", "input1"]),
        (None, ["input0", "input1"]),
    ],
)
def test_names_are_sorted_onto_positions(
    script: Path, exporter: Exporter, config: DataInputConfig | None, names: list[str]
) -> None:
    model = pytorch.load(script, config)
    first, second = (Tensor(n, s, "float32") for n, s in zip(names, [(2, 3), (3,)], strict=True))
    assert model.signature.inputs == (first, second)
    assert model.derived == (None if config else '{"input0": [2, 3], "input1": [3]}')
    assert model.framework_version == "torch 9.9"
    assert model.reference is not None and model.reference.name == "torch 9.9"


def test_a_value_is_a_constant(script: Path, exporter: Exporter) -> None:
    model = pytorch.load(script, [(2, 3), Known([1.0, 2.0, 3.0])])
    assert [t.name for t in model.signature.inputs] == ["input0"]
    assert exporter.job["given"] == [{"shape": [2, 3]}, {"value": [1.0, 2.0, 3.0]}]


def test_the_option_dtype(script: Path, exporter: Exporter) -> None:
    frontends.load("PYTORCH", script, "[[2, 3], [3]]", {"dtype": "long", "mcpu": "haswell"})
    assert exporter.job["dtype"] == "int64"
    with pytest.raises(ModelError, match="dtype 'int8' is none of float, float32, int64, long"):
        pytorch.load(script, None, dtype="int8")
    with pytest.raises(ModelError, match="is none of float"):
        pytorch.load(script, None, dtype=["float"])


@pytest.mark.parametrize(
    ("said", "config", "text"),
    [
        ({"failed": "load", "why": "E"}, None, r"^Framework cannot load PyTorch model\. E$"),
        ({"failed": "export", "why": "E"}, None, r"inputs are lexically ordered .* E$"),
        ({"open": "input 0 having no shape"}, None, "unable to extract DataInputConfig .* input 0"),
        ({}, [(2, 3), (4,)], "lexically ordered .* which the model fixes to 3"),
        ({}, [(2, 3), (-1,)], "every dimension must be a positive number"),
    ],
)
def test_what_is_refused(
    script: Path, exporter: Exporter, said: Any, config: DataInputConfig | None, text: str
) -> None:
    exporter.said = said
    with pytest.raises(ModelError, match=text):
        pytorch.load(script, config)


def test_what_the_process_warns_of_is_kept(script: Path, exporter: Exporter) -> None:
    exporter.said = {"free": ["the network"]}
    assert len(pytorch.load(script, None).warnings) == 1


@pytest.mark.parametrize(
    ("name", "lacks"), [("code/a.py", "torch, which"), ("models/a", "torch and onnxscript")]
)
def test_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, lacks: str
) -> None:
    monkeypatch.setattr(apart, "_is_there", lambda _: False)
    with pytest.raises(ModelError, match=rf"need {lacks}.*: pip install 'neoc\[pytorch\]'"):
        pytorch.load(zipped(tmp_path, {name: b""}), None)


def test_what_is_no_program_says_how_to_save_one(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"data.pkl": b"\x80\x02ccollections\nOrderedDict\n)R."})
    with pytest.raises(ModelError, match=r"^Framework cannot load PyTorch model\. .*jit\.trace"):
        pytorch.load(path, None)


# ---- with torch ----

LANDLOCK = ctypes.CDLL(None).syscall(444, None, 0, 1) >= 2  # landlock_create_ruleset, its version


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by the environment that exports the suite's networks."""
    folder = tmp_path_factory.mktemp("files")
    try:
        python = str(suite.torch_python())
    except models.FetchError as error:
        if any(text in str(error) for text in NO_NETWORK):
            pytest.skip(f"no network to fetch torch: {error}")
        raise
    command = [python, "-W", "ignore", "-m", "tests.frontends.pytorch.torch_files", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture
def with_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "PYTHON", str(suite.torch_python()))
    monkeypatch.setattr(apart, "_is_there", lambda _: True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("traced.pth", None),
        ("branch.pt", "[[2, 4], [2, 4]]"),
        ("table.pth", None),
        ("operators.pth", None),
        ("program.pt2", None),
    ],
)
def test_it_gives_torchs_answers(
    files: Path, with_torch: None, tmp_path: Path, name: str, config: str | None
) -> None:
    if not (files / name).exists():
        pytest.skip("the environment lacks onnxscript, which dynamo's exporter needs")
    path = tmp_path / name
    path.write_bytes((files / name).read_bytes())
    model, profile = frontends.load("PYTORCH", path, config), targets.get("host")
    known: dict[str, np.ndarray] = dict(np.load((files / name).with_suffix(".npz")))
    feeds = [
        {t.name: known[f"{run} {n}"] for n, t in enumerate(model.signature.inputs)}
        for run in range(sum(key.endswith(" y 0") for key in known))
    ]
    lowered = pipeline.schedule(pipeline.lower(model.module, profile), profile)
    objects = codegen.compile_kernels(lowered.kernels, profile, tmp_path)
    program = plan.make(lowered, tmp_path)
    folder = assemble.link(objects, program, model.signature, profile, tmp_path / "artifact")
    outputs = [t.name for t in model.signature.outputs]
    assert outputs == [f"output_{n}" for n in range(len(outputs))]
    answers: list[Any] = list(run_apart(folder, feeds))
    for run, got in enumerate(answers):
        for n, output in enumerate(outputs):
            wanted = known[f"{run} y {n}"]
            np.testing.assert_allclose(got[output], wanted, rtol=1e-5, atol=1e-6)
    parity = verify.check(folder, model.signature, verify.ask(model))
    assert parity["oracle"].startswith("torch ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "config", "text"),
    [
        ("traced.pth", "[[2, 4]]", "DataInputConfig gives 1 inputs; forward.. takes 2"),
        ("traced.pth", "[[2, 4], [2, 5]]", "lexically ordered .* must match"),
        ("branch.pt", None, "unable to extract DataInputConfig"),
        ("weights.pth", None, "a state dict"),
        ("module.pth", None, "a pickled module .of the class .*Traced"),
        pytest.param(
            "hostile.pt",
            "[[8]]",
            "cannot load PyTorch model.*Permission denied",
            marks=pytest.mark.skipif(not LANDLOCK, reason="an old kernel, or a sandbox"),
        ),
    ],
)
def test_torchs_words(
    files: Path, with_torch: None, tmp_path: Path, name: str, config: str | None, text: str
) -> None:
    path = tmp_path / name
    path.write_bytes((files / name).read_bytes())
    with pytest.raises(ModelError, match=text):
        frontends.load("PYTORCH", path, config)
